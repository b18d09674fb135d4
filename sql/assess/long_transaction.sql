-- name: assess_long_transaction
-- Transactions that write (of any database: a slot waits for all of them) and run for more than ten
-- seconds.
-- columns: object, fix
SELECT format('process %s: %s of %s, %s for %s s', a.pid,
              coalesce(nullif(a.application_name, ''), 'unnamed session'), a.usename,
              coalesce(a.state, 'running'),
              extract(epoch FROM clock_timestamp() - a.xact_start)::bigint) AS object,
       format('SELECT pg_terminate_backend(%s); -- or let it end', a.pid) AS fix
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.backend_xid IS NOT NULL
   AND a.pid <> pg_backend_pid()
   AND a.xact_start < clock_timestamp() - interval '10 seconds'
 ORDER BY a.xact_start
