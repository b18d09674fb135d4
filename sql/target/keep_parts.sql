-- name: target_keep_parts
-- All other tables start again.
-- $1 text[]  schemas
-- $2 text[]  tables
-- columns: none
DELETE FROM homeport.finished_part AS p
 WHERE NOT EXISTS (SELECT
                     FROM unnest($1::text[], $2::text[]) AS k (schema_name, table_name)
                    WHERE k.schema_name = p.schema_name
                      AND k.table_name = p.table_name)
