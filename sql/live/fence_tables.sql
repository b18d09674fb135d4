-- name: live_fence_tables
-- Every table that the fence stands before: what is published (move/tables.sql), configuration
-- tables of extensions too, and the partitioned tables above, since statement triggers fire only on
-- the relation that a statement names (rule 26). Also tables that are not published: nobody writes
-- to them either.
-- columns: schema, table
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence IN ('p', 'u')
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
   AND NOT (n.nspname IN ('neon', 'neon_utils', 'neon_migration')
            AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service'))
   AND NOT EXISTS (SELECT
                     FROM pg_catalog.pg_depend AS d
                     JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
                    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                      AND d.objid = c.oid
                      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
                      AND d.deptype = 'e'
                      AND (c.oid = ANY (e.extconfig) AND e.extname NOT IN ('neon', 'neon_utils')) IS NOT TRUE)
 ORDER BY 1, 2
