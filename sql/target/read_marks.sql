-- name: target_read_marks
-- Which move has begun on this target. Fails with 42P01 or 3F000 where none has.
-- columns: id, schema_done
SELECT id, schema_done FROM homeport.move
