-- name: verify_key_rows
-- Rows by their keys: the key's place in the list, the row's hashes, and which version of the row
-- it is. Each key column's values are an array, $1 and on.
-- :arrays pg_catalog.unnest($1::text[])
-- :names k1
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :version t.xmin
-- :rows pg_catalog.pg_class AS t
-- :match t.oid = k.k1::oid
-- columns: place, hash1, hash2, version
SELECT k.place, :hash1, :hash2, :version
  FROM ROWS FROM (:arrays) WITH ORDINALITY AS k (:names, place)
  JOIN :rows
    ON :match
