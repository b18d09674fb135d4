-- name: verify_home_ids
-- Home's identifiers in rows that are known by their keys, which are arrays, $1 and on.
-- :arrays pg_catalog.unnest($1::text[])
-- :names k1
-- :rows pg_catalog.pg_class AS t
-- :match t.oid = k.k1::oid
-- :ids (t.relname::text)
-- columns: id
SELECT DISTINCT v.id
  FROM ROWS FROM (:arrays) AS k (:names)
  JOIN :rows
    ON :match
 CROSS JOIN LATERAL (VALUES :ids) AS v (id)
 WHERE v.id IS NOT NULL
