-- name: fence_holders
-- Who holds locks that keep us from these tables. Sessions that have been idle in their transaction
-- for $3 are ended on the way, where we may.
-- $1 text[]    schemas
-- $2 text[]    tables
-- $3 interval  NULL: nobody is ended
-- $4 boolean   readers are in the way as well
-- columns: schema, name, who, autovacuum, ended
SELECT n.nspname, c.relname,
       CASE WHEN l.pid IS NULL
            THEN pg_catalog.format('prepared transaction %L', (
                     SELECT x.gid
                       FROM pg_catalog.pg_locks AS own
                       JOIN pg_catalog.pg_prepared_xacts AS x ON x.transaction = own.transactionid
                      WHERE own.pid IS NULL
                        AND own.virtualtransaction = l.virtualtransaction))
            ELSE pg_catalog.format('session %s (role %s, application %L, %s for %s s)', l.pid,
                     a.usename, a.application_name, COALESCE(a.state, a.backend_type),
                     pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.state_change)::numeric, 1))
       END,
       COALESCE(a.backend_type = 'autovacuum worker', false),
       CASE WHEN a.state LIKE 'idle in transaction%'
             AND a.state_change < pg_catalog.clock_timestamp() - $3::interval
             AND (me.rolsuper OR NOT r.rolsuper)
             AND (pg_catalog.pg_has_role(r.oid, 'USAGE') OR pg_catalog.pg_has_role('pg_signal_backend', 'USAGE'))
            THEN pg_catalog.pg_terminate_backend(a.pid)
            ELSE false
       END
  FROM unnest($1::text[], $2::text[]) AS w (schema, name)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname = w.schema
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = w.name
  JOIN pg_catalog.pg_locks AS l
    ON l.locktype = 'relation' AND l.relation = c.oid AND l.granted
   AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
  JOIN pg_catalog.pg_roles AS me ON me.rolname = CURRENT_USER
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = a.usesysid
 WHERE l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND ($4::boolean OR l.mode NOT IN ('AccessShareLock', 'RowShareLock'))
 ORDER BY 1, 2, 3
