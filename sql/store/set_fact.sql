-- name: store_set_fact
-- $1 name, $2 value
-- columns: none
INSERT OR REPLACE INTO fact (name, value) VALUES (?1, ?2)
