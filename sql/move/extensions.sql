-- name: move_extensions
-- columns: extname, extversion
SELECT extname, extversion FROM pg_catalog.pg_extension
