-- name: fence_end_left
-- Other sessions by the name of this move's movers: nobody reads their answers any more, but what
-- they were sent last may still wait for a lock, and fence a table once the fence is lifted.
-- $1 text  application_name
-- columns: ended
SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid))
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = pg_catalog.current_database()
   AND a.usename = CURRENT_USER
   AND a.pid <> pg_catalog.pg_backend_pid()
   AND a.application_name = $1::text
