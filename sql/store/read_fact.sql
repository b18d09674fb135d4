-- name: store_read_fact
-- $1 name
-- columns: value
SELECT value FROM fact WHERE name = ?1
