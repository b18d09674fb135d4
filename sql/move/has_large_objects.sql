-- name: move_has_large_objects
-- columns: there
SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)
