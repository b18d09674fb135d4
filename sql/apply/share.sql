-- name: apply_share
-- Of the session: given back by the end of its server process alone.
-- $1 integer  feed
-- columns: pg_advisory_lock_shared (void)
SELECT pg_catalog.pg_advisory_lock_shared(
         pg_catalog.hashtextextended('homeport apply ' || $1::integer::text, 0))
