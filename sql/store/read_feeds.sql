-- name: store_read_feeds
-- columns: number, direction, slot, start, ended
SELECT number, direction, slot, start, ended FROM feed ORDER BY number
