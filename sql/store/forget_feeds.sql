-- name: store_forget_feeds
-- columns: none
DELETE FROM feed
