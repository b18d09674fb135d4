-- name: fence_noted
-- columns: noted
SELECT EXISTS (SELECT FROM homeport.fence_setting)
