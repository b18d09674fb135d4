-- name: target_drop_marks
-- The last thing that a move does on the target; can be done again.
-- columns: none
DROP SCHEMA IF EXISTS homeport CASCADE
