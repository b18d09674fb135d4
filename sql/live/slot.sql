-- name: live_slot
-- $1 name  of a slot
-- columns: active, wal_status, safe_wal_size, retained
SELECT s.active,
       s.wal_status,
       s.safe_wal_size,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::bigint
  FROM pg_catalog.pg_replication_slots AS s
 WHERE s.slot_name = $1
   AND s.database = pg_catalog.current_database()
