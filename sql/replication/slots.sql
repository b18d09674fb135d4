-- name: replication_slots
-- The logical slots of this database. Without parameters, as a replication connection knows only the
-- simple protocol.
-- columns: slot_name, active_pid, wal_status, confirmed_flush_lsn
SELECT s.slot_name, s.active_pid, s.wal_status, s.confirmed_flush_lsn
  FROM pg_catalog.pg_replication_slots AS s
 WHERE s.slot_type = 'logical'
   AND s.database = pg_catalog.current_database()
