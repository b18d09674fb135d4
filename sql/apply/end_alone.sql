-- name: apply_end_alone
-- Others of the same run may share it now; this session does already.
-- $1 integer  feed
-- columns: pg_advisory_unlock
SELECT pg_catalog.pg_advisory_unlock(
         pg_catalog.hashtextextended('homeport apply ' || $1::integer::text, 0))
