-- name: fence_schema_is_empty
-- Whether homeport's schema is there and holds nothing any more.
-- columns: empty
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'homeport')
   AND NOT EXISTS (SELECT
                     FROM pg_catalog.pg_depend
                    WHERE refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                      AND refobjid = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'homeport'))
