-- name: target_forget_setting
-- $1 text  name of the setting
-- columns: none
DELETE FROM homeport.relaxed WHERE name = $1
