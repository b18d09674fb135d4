-- name: target_schema_done
-- columns: none
UPDATE homeport.move SET schema_done = true
