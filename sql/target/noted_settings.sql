-- name: target_noted_settings
-- columns: name, previous
SELECT name, previous FROM homeport.relaxed ORDER BY name
