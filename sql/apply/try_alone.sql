-- name: apply_try_alone
-- Whoever has this lock is the only one who applies the feed to this database: every session that
-- applies it shares the lock (apply_share) for as long as its server process lives, and with it any
-- commit that is still to come of it.
-- $1 integer  feed
-- columns: taken
SELECT pg_catalog.pg_try_advisory_lock(
         pg_catalog.hashtextextended('homeport apply ' || $1::integer::text, 0))
