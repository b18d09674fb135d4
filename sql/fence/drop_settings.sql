-- name: fence_drop_settings
-- columns: none
DROP TABLE IF EXISTS homeport.fence_setting
