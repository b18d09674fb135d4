-- name: target_end_sessions
-- Sessions of an earlier run of ours in this database, whose process is gone: a server notices that
-- only by and by, and until then they hold locks and may still commit.
-- columns: ended
SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid))
  FROM pg_catalog.pg_stat_activity
 WHERE datname = pg_catalog.current_database()
   AND usename = CURRENT_USER
   AND pid <> pg_catalog.pg_backend_pid()
   AND (application_name IN ('homeport move', 'homeport restore')
        OR application_name LIKE 'homeport copy %')
