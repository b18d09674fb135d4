-- name: fence_end_sessions
-- Other sessions of this database that began before the given moment, ended where that is allowed:
-- who came later found the database read-only. Never a walsender, never homeport's own.
-- $1 timestamptz  the settings were there from then on
-- columns: pid, who, ended, provider, writes
SELECT a.pid,
       pg_catalog.format('session %s (role %s, application %L, %s)', a.pid, a.usename,
                         a.application_name, COALESCE(a.state, 'not visible')),
       CASE WHEN (me.rolsuper OR NOT r.rolsuper)
             AND (pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
            THEN pg_catalog.pg_terminate_backend(a.pid)
       END,
       r.rolsuper,
       a.backend_xid IS NOT NULL
  FROM pg_catalog.pg_stat_activity AS a
  JOIN pg_catalog.pg_roles AS me ON me.rolname = CURRENT_USER
  JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
 WHERE a.datname = pg_catalog.current_database()
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.backend_type = 'client backend'
   AND a.backend_start < $1::timestamptz
   AND NOT (a.usesysid = me.oid AND a.application_name LIKE 'homeport %')
 ORDER BY 1
