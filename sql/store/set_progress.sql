-- name: store_set_progress
-- $1 bytes and $2 tables in all, $3 tables, $4 rows and $5 bytes done
-- columns: none
UPDATE move SET bytes_total = ?1, tables_total = ?2, tables_done = ?3, rows_done = ?4, bytes_done = ?5
