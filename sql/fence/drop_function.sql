-- name: fence_drop_function
-- columns: none
DROP FUNCTION IF EXISTS homeport.fence()
