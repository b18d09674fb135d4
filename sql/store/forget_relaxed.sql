-- name: store_forget_relaxed
-- $1 name of the setting; NULL: all of them
-- columns: none
DELETE FROM fact WHERE name LIKE 'relaxed %' AND (?1 IS NULL OR name = 'relaxed ' || ?1)
