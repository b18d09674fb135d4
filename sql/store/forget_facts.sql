-- name: store_forget_facts
-- columns: none
DELETE FROM fact
