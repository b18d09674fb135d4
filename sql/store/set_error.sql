-- name: store_set_error
-- $1 message, or NULL
-- columns: none
UPDATE move SET last_error = ?1
