-- name: assess_replication_privilege
-- This role may not replicate.
-- columns: object, fix
SELECT format('%I', r.rolname) AS object,
       CASE WHEN to_regrole('rds_replication') IS NOT NULL
            THEN format('GRANT rds_replication TO %I;', r.rolname)
            WHEN to_regrole('neon_superuser') IS NOT NULL
            THEN format('ALTER ROLE %I REPLICATION; -- or use the role that Neon made with the database', r.rolname)
            ELSE format('ALTER ROLE %I REPLICATION;', r.rolname)
       END AS fix
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = current_user
   AND NOT (r.rolsuper OR r.rolreplication)
   AND NOT coalesce(pg_has_role(to_regrole('rds_replication'), 'USAGE'), false)
