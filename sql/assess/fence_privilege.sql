-- name: assess_fence_privilege
-- What stands between this role and the fence of the cutover, beyond the ownership of the tables
-- (publication_privilege): to make the database read-only, to see the other sessions, to end them.
-- columns: object, fix
SELECT format('owner of database %I', d.datname) AS object,
       format('GRANT %I TO %I;', pg_get_userbyid(d.datdba), current_user) AS fix
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = current_database()
   AND NOT pg_has_role(d.datdba, 'USAGE')
UNION ALL
SELECT format('member of %I', r.rolname), format('GRANT %I TO %I;', r.rolname, current_user)
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname IN ('pg_signal_backend', 'pg_monitor')
   AND NOT pg_has_role(r.oid, 'USAGE')
 ORDER BY 1
