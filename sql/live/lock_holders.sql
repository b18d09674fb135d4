-- name: live_lock_holders
-- Who has a table of this database to himself, so that not even its definition can be read.
-- columns: schema, name, who
SELECT n.nspname, c.relname,
       COALESCE(pg_catalog.format('session %s (role %s, application %L, %s)', a.pid, a.usename, a.application_name,
                                  COALESCE(a.state, a.backend_type)),
                'a prepared transaction')
  FROM pg_catalog.pg_locks AS l
  JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'relation'
   AND l.granted
   AND l.mode = 'AccessExclusiveLock'
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
   AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND c.relkind IN ('r', 'p')
 ORDER BY 1, 2, 3
 LIMIT 5
