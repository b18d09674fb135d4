-- name: store_read_feeds
-- columns: number, direction, slot, start
SELECT number, direction, slot, start FROM feed ORDER BY number
