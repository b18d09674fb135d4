-- name: live_position
-- Where this server's WAL ends: everything that has committed is before it.
-- columns: lsn
SELECT pg_catalog.pg_current_wal_insert_lsn()
