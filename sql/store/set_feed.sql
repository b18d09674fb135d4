-- name: store_set_feed
-- $1 number, $2 direction, $3 slot, $4 start or NULL
-- columns: none
INSERT OR REPLACE INTO feed (number, direction, slot, start) VALUES (?1, ?2, ?3, ?4)
