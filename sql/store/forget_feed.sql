-- name: store_forget_feed
-- $1 number
-- columns: none
DELETE FROM feed WHERE number = ?1
