-- name: target_mark_part
-- $1 text     schema
-- $2 text     table
-- $3 integer  part of the table, from 0
-- $4 bigint   rows
-- columns: none
INSERT INTO homeport.finished_part (schema_name, table_name, part, rows) VALUES ($1, $2, $3, $4)
