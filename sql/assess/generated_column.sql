-- name: assess_generated_column
-- Stored generated columns: computed again on the target, where the expression may see other
-- functions, collations or settings than when the row was written.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname) AS object, NULL AS fix
  FROM pg_catalog.pg_attribute AS a
  JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND NOT c.relispartition
   AND a.attgenerated = 's'
   AND NOT a.attisdropped
   AND n.nspname <> ALL ($1::text[])
   AND NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_depend AS e
            WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid
              AND e.deptype = 'e')
 ORDER BY 1
