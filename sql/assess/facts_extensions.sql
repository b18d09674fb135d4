-- name: assess_facts_extensions
-- The extensions of the source, less those that only serve Neon's own service (facts: they are
-- left out of the move, see neon_extension).
-- columns: facts (jsonb)
SELECT coalesce(jsonb_agg(jsonb_build_object('name', e.extname, 'version', e.extversion)
                          ORDER BY e.extname), '[]') AS facts
  FROM pg_catalog.pg_extension AS e
 WHERE e.extname NOT IN ('neon', 'neon_utils', 'neon_test_utils')
