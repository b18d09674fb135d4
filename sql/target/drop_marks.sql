-- name: target_drop_marks
-- The last thing that a move does on the target.
-- columns: none
DROP SCHEMA homeport CASCADE
