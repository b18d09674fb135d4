-- name: assess_facts_collations
-- The server's own collations (made by initdb from what the operating system has) that columns,
-- domains and indexes of the source name: pg_dump refers to them and never makes them.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
WITH used AS (
    SELECT a.attcollation AS collation,
           format('%I.%I.%I', n.nspname, c.relname, a.attname) AS object
      FROM pg_catalog.pg_attribute AS a
      JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'f', 'c', 'v', 'm', 'i', 'I')
       AND NOT a.attisdropped
       AND n.nspname <> ALL ($1::text[])
    UNION ALL
    SELECT t.typcollation, format('%I.%I', n.nspname, t.typname)
      FROM pg_catalog.pg_type AS t
      JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
     WHERE t.typtype IN ('d', 'r')
       AND n.nspname <> ALL ($1::text[])
)
SELECT coalesce(jsonb_agg(jsonb_build_object('name', l.collname, 'object', u.object)
                          ORDER BY l.collname, u.object), '[]') AS facts
  FROM used AS u
  JOIN pg_catalog.pg_collation AS l ON l.oid = u.collation
 WHERE l.collnamespace = 'pg_catalog'::regnamespace
   AND l.collname NOT IN ('default', 'C', 'POSIX')
