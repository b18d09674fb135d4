-- name: assess_neon_schema
-- Schemas that belong to Neon's service and stay behind.
-- columns: object, fix
SELECT format('%I', n.nspname) AS object, NULL AS fix
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname IN ('neon', 'neon_utils', 'neon_migration')
 ORDER BY n.nspname
