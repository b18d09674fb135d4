-- name: target_mark_part
-- $1 text     schema
-- $2 text     table
-- $3 integer  part of the table, from 0
-- $4 integer  of how many
-- $5 bigint   rows
-- $6 pg_lsn   where the snapshot stood, or NULL
-- columns: none
INSERT INTO homeport.finished_part (schema_name, table_name, part, parts, rows, position)
VALUES ($1, $2, $3, $4, $5, $6)
