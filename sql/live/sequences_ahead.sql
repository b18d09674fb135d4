-- name: live_sequences_ahead
-- Sequences as the other side is to have them: ahead by a margin, as values may have been taken
-- that no row shows (MOVE.md 22), and never beyond their limits.
-- $1 bigint  margin, in steps
-- columns: schema, name, last_value, is_called
SELECT s.schemaname,
       s.sequencename,
       CASE WHEN s.last_value IS NULL THEN s.start_value
            WHEN s.increment_by > 0
            THEN LEAST(s.last_value::numeric + s.increment_by::numeric * $1::bigint, s.max_value)
            ELSE GREATEST(s.last_value::numeric + s.increment_by::numeric * $1::bigint, s.min_value)
       END::bigint,
       CASE WHEN s.last_value IS NULL THEN 'f' ELSE 't' END
  FROM pg_catalog.pg_sequences AS s
 WHERE s.schemaname !~ '^pg_'
   AND s.schemaname NOT IN ('information_schema', 'homeport', 'neon', 'neon_utils', 'neon_migration')
 ORDER BY 1, 2
