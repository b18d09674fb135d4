-- name: assess_left_out
-- The schemas whose objects no rule judges: the system's, ours, and those that belong to Neon's service.
-- columns: schemas
SELECT ARRAY ['pg_catalog', 'information_schema', 'pg_toast', 'homeport']
       || pg_catalog.array_agg(n.nspname::text)
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname IN ('neon', 'neon_utils', 'neon_migration')
   AND pg_catalog.pg_get_userbyid(n.nspowner) IN ('cloud_admin', 'neon_superuser', 'neon_service')
