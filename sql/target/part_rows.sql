-- name: target_part_rows
-- $1 text     schema
-- $2 text     table
-- $3 integer  part
-- columns: rows (no row: the part is not finished)
SELECT rows FROM homeport.finished_part WHERE schema_name = $1 AND table_name = $2 AND part = $3
