-- name: fence_moment
-- columns: now
SELECT pg_catalog.clock_timestamp()
