-- name: target_has_not_crashed
-- columns: so
SELECT EXISTS (SELECT FROM homeport.no_crash)
