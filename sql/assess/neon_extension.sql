-- name: assess_neon_extension
-- Extensions that only serve Neon's service and stay behind.
-- columns: object, fix
SELECT format('%I', e.extname) AS object, NULL AS fix
  FROM pg_catalog.pg_extension AS e
 WHERE e.extname IN ('neon', 'neon_utils', 'neon_test_utils')
 ORDER BY e.extname
