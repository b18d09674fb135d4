-- name: fence_rights
-- What this role needs and does not have to see the other sessions and end them (rule 26).
-- columns: role
SELECT r.rolname
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname IN ('pg_read_all_stats', 'pg_signal_backend')
   AND NOT pg_catalog.pg_has_role(r.oid, 'USAGE')
 ORDER BY 1
