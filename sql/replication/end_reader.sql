-- name: replication_end_reader
-- Ends the session that reads a slot, where we may.
-- $1 name     slot
-- $2 integer  only this session; 0: whichever it is
-- columns: pg_terminate_backend
SELECT pg_catalog.pg_terminate_backend(s.active_pid)
  FROM pg_catalog.pg_replication_slots AS s
 WHERE s.slot_name = $1::name
   AND s.active_pid IS NOT NULL
   AND $2::integer IN (0, s.active_pid)
