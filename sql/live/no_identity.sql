-- name: live_no_identity
-- Of these tables those whose UPDATE and DELETE would fail in the app once they are published
-- (rule 2).
-- $1 text[]  schemas
-- $2 text[]  tables
-- columns: table, schema, name
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname),
       n.nspname,
       c.relname
  FROM unnest($1::text[], $2::text[]) AS t (schema_name, table_name)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = t.schema_name
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = t.table_name
 WHERE c.relreplident = 'n'
    OR (c.relreplident IN ('d', 'i')
        AND NOT EXISTS (SELECT
                          FROM pg_catalog.pg_index AS i
                         WHERE i.indrelid = c.oid
                           AND i.indisvalid
                           AND (CASE WHEN c.relreplident = 'd' THEN i.indisprimary
                                     ELSE i.indisreplident END)))
 ORDER BY 1
