-- name: target_remove_large_objects
-- Ours from an earlier run, as the target was empty when the move began; some at a time, since
-- each is locked until the commit.
-- columns: removed
SELECT pg_catalog.count(pg_catalog.lo_unlink(batch.oid))
  FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata LIMIT 1000) AS batch
