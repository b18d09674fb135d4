-- name: target_index_exists
-- $1 text  schema
-- $2 text  index
-- columns: oid (no row: it is not there, or not valid)
SELECT i.indexrelid
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = $1
   AND c.relname = $2
   AND i.indisvalid
