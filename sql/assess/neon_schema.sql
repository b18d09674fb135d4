-- name: assess_neon_schema
-- Schemas that belong to Neon's service and stay behind: by name and owner, as anybody may have one
-- of such a name.
-- columns: object, fix
SELECT format('%I', n.nspname) AS object, NULL AS fix
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname IN ('neon', 'neon_utils', 'neon_migration')
   AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service')
 ORDER BY n.nspname
