-- name: target_has_marks
-- columns: there
SELECT pg_catalog.to_regclass('homeport.move') IS NOT NULL
