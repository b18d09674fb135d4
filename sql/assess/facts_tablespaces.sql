-- name: assess_facts_tablespaces
-- Tablespaces other than the default one that tables and indexes of the source are in.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
SELECT coalesce(jsonb_agg(jsonb_build_object(
           'name', t.spcname, 'location', pg_tablespace_location(t.oid),
           'object', format('%I.%I', n.nspname, c.relname)) ORDER BY n.nspname, c.relname), '[]') AS facts
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_tablespace AS t ON t.oid = c.reltablespace
 WHERE c.relkind IN ('r', 'p', 'i', 'I', 'm')
   AND n.nspname <> ALL ($1::text[])
