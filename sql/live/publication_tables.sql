-- name: live_publication_tables
-- $1 text  publication
-- columns: schema, table
SELECT schemaname, tablename
  FROM pg_catalog.pg_publication_tables
 WHERE pubname = $1
 ORDER BY 1, 2
