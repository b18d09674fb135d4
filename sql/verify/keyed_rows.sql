-- name: verify_keyed_rows
-- Rows of some buckets as hashes and key, ordered by the bytes of the key's text, which is the same
-- order on every server.
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :key t.oid::text
-- :rows pg_catalog.pg_class AS t
-- :buckets true
-- :order t.oid::text COLLATE "C"
-- columns: hash1, hash2, key
SELECT :hash1, :hash2, :key
  FROM :rows
 WHERE :buckets
 ORDER BY :order
