-- name: fence_session
-- Of the session that arms and lifts: a table's lock is not waited for longer than that, what waits
-- for an autovacuum ends it at once where we may say so, and the last commit alone waits for the
-- disk.
-- $1 text  lock_timeout
-- $2 text  synchronous_commit
-- columns: set_config (one a setting)
SELECT pg_catalog.set_config(s.name, s.value, false)
  FROM (VALUES ('lock_timeout', $1::text),
               ('synchronous_commit', $2::text),
               ('deadlock_timeout', '10ms')) AS s (name, value)
 WHERE s.name <> 'deadlock_timeout'
    OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER)
