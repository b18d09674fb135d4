-- name: assess_facts_tables
-- Every table of the source with the columns that a copy fills, for the rules on a target whose schema
-- is there already.
-- $1 text[]  schemas to leave out
-- columns: facts (jsonb)
SELECT coalesce(jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname, 'columns', (
           SELECT coalesce(jsonb_agg(a.attname ORDER BY a.attnum), '[]')
             FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND a.attgenerated = '')) ORDER BY n.nspname, c.relname), '[]') AS facts
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
   AND c.relpersistence <> 't'
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.deptype = 'e')
