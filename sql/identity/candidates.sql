-- name: identity_candidates
-- Columns whose values may hold such identifiers: text, uuid, arrays of them, and JSON.
-- $1 text[]  schemas to leave out
-- columns: schema, table, column, type, bytes, object
WITH RECURSIVE domains (type, base) AS (
    SELECT t.oid, t.oid
      FROM pg_catalog.pg_type AS t
     UNION ALL
    SELECT d.type, t.typbasetype
      FROM domains AS d
      JOIN pg_catalog.pg_type AS t ON t.oid = d.base
     WHERE t.typtype = 'd'
)
SELECT n.nspname, c.relname, a.attname, b.typname, pg_catalog.pg_relation_size(c.oid),
       format('%I.%I.%I', n.nspname, c.relname, a.attname)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN domains AS d ON d.type = a.atttypid
  JOIN pg_catalog.pg_type AS b ON b.oid = d.base
 WHERE c.relkind = 'r'
   AND c.relpersistence <> 't'
   AND n.nspname <> ALL ($1::text[])
   AND b.typnamespace = 'pg_catalog'::regnamespace
   AND b.typname IN ('text', 'varchar', 'bpchar', 'uuid', 'json', 'jsonb', '_text', '_varchar', '_uuid')
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.deptype = 'e')
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", a.attnum
