-- name: apply_positions
-- $1 integer  feed
-- columns: schema, name, lsn
SELECT p.schema_name, p.table_name, p.lsn
  FROM homeport.progress AS p
 WHERE p.feed = $1::integer
