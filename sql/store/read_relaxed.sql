-- name: store_read_relaxed
-- columns: name, previous
SELECT substr(name, 9), CASE WHEN value <> '' THEN substr(value, 2) END
  FROM fact
 WHERE name LIKE 'relaxed %'
 ORDER BY name
