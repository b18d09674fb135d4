-- name: target_stray_indexes
-- Indexes on a target that has the bare schema again: built for keys that were not yet made.
-- columns: schema, name
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
   AND NOT c.relispartition
   AND NOT EXISTS (SELECT
                     FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid IN (i.indexrelid, i.indrelid)
                      AND d.deptype = 'e')
