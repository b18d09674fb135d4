-- name: replication_drop_slot
-- Nothing where there is no such slot.
-- $1 name  slot
-- columns: pg_drop_replication_slot
SELECT pg_catalog.pg_drop_replication_slot(s.slot_name)
  FROM pg_catalog.pg_replication_slots AS s
 WHERE s.slot_name = $1::name
