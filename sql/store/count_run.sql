-- name: store_count_run
-- columns: none
UPDATE move SET runs = runs + 1, last_error = NULL
