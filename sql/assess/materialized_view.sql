-- name: assess_materialized_view
-- Materialised views that hold rows: these are not copied but computed again.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object, NULL AS fix
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm'
   AND c.relispopulated
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.deptype = 'e')
 ORDER BY 1
