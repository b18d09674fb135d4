-- name: live_open_transactions
-- Transactions that a new slot has to wait for, in whatever database of the server: those that have
-- an id, and prepared ones; the oldest first.
-- columns: who
SELECT w.who
  FROM (SELECT pg_catalog.format('process %s (database %s, role %s, application %L) since %s', a.pid, a.datname,
                                 a.usename, a.application_name,
                                 pg_catalog.date_trunc('second', a.xact_start)) AS who,
               a.xact_start AS since
          FROM pg_catalog.pg_stat_activity AS a
         WHERE a.backend_xid IS NOT NULL
           AND a.pid <> pg_catalog.pg_backend_pid()
           AND a.xact_start < pg_catalog.clock_timestamp() - interval '2 seconds'
         UNION ALL
        SELECT pg_catalog.format('prepared transaction %L (database %s, role %s) since %s', x.gid, x.database, x.owner,
                                 pg_catalog.date_trunc('second', x.prepared)),
               x.prepared
          FROM pg_catalog.pg_prepared_xacts AS x) AS w
 ORDER BY w.since
 LIMIT 3
