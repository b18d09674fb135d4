-- name: migrations_table
-- Whether the table that records migrations is there, and which line of drizzle-kit made it.
-- $1 text  schema
-- $2 text  table
-- columns: schema_exists, kind, has_id, has_hash, has_created_at, has_name, has_applied_at
SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace AS n WHERE n.nspname = $1::text),
       max(c.relkind::text),
       coalesce(bool_or(a.attname = 'id'), false),
       coalesce(bool_or(a.attname = 'hash'), false),
       coalesce(bool_or(a.attname = 'created_at'), false),
       coalesce(bool_or(a.attname = 'name'), false),
       coalesce(bool_or(a.attname = 'applied_at'), false)
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname = $1::text
   AND c.relname = $2::text
