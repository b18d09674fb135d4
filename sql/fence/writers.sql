-- name: fence_writers
-- What may still write to this database behind the fence: transactions that have an id, prepared
-- ones, sessions that we may not look at, subscriptions, whose rows come past per-statement
-- triggers; and a default that is not in force.
-- columns: who, passing
SELECT pg_catalog.format('session %s (role %s, application %L, %s) has transaction %s open', a.pid,
                         a.usename, a.application_name, COALESCE(a.state, a.backend_type), a.backend_xid),
       true
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = pg_catalog.current_database()
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.backend_type <> 'autovacuum worker'
   AND a.backend_xid IS NOT NULL
UNION ALL
SELECT pg_catalog.format('prepared transaction %L of role %s', x.gid, x.owner), false
  FROM pg_catalog.pg_prepared_xacts AS x
 WHERE x.database = pg_catalog.current_database()
UNION ALL
SELECT pg_catalog.format('session %s of role %s cannot be looked at', a.pid, a.usename), false
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = pg_catalog.current_database()
   AND a.backend_type IS NULL
   AND a.usesysid IS NOT NULL
   AND NOT pg_catalog.pg_has_role(a.usesysid, 'USAGE')
   AND NOT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
UNION ALL
SELECT pg_catalog.format('subscription %I', s.subname), false
  FROM pg_catalog.pg_subscription AS s
  JOIN pg_catalog.pg_database AS d ON d.oid = s.subdbid
 WHERE d.datname = pg_catalog.current_database()
   AND s.subenabled
UNION ALL
SELECT 'default_transaction_read_only is not on for this database', false
 WHERE NOT EXISTS (
           SELECT
             FROM pg_catalog.pg_db_role_setting AS s
             JOIN pg_catalog.pg_database AS d ON d.oid = s.setdatabase
            WHERE d.datname = pg_catalog.current_database()
              AND s.setrole = 0
              AND 'default_transaction_read_only=on' = ANY (s.setconfig))
