-- name: move_sequences
-- Every sequence that is ours to set: not those of extensions, unless they are configuration.
-- columns: schema, name
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend AS d
         ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        AND d.objid = c.oid
        AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension AS e ON e.oid = d.refobjid
 WHERE c.relkind = 'S'
   AND c.relpersistence IN ('p', 'u')
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
   AND NOT (n.nspname IN ('neon', 'neon_utils', 'neon_migration')
            AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service'))
   AND (e.oid IS NULL OR c.oid = ANY (e.extconfig))
 ORDER BY 1, 2
