-- name: assess_neon_role
-- Roles that belong to Neon's service. What they own goes to the role that connects
-- to the target, what is granted to them stays behind.
-- columns: object, fix
SELECT format('%I', r.rolname) AS object, NULL AS fix
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname IN ('neon_superuser', 'cloud_admin', 'neon_service')
 ORDER BY r.rolname
