-- name: verify_bag_texts
-- The text of rows that are known by their hashes, as far as it is shown.
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :row ROW(t.relname)
-- :rows pg_catalog.pg_class AS t
-- :numbers '{0,1}'
-- columns: hash1, hash2, text
SELECT DISTINCT ON (h.hash1, h.hash2) h.hash1, h.hash2, h.text
  FROM (SELECT :hash1 AS hash1, :hash2 AS hash2, pg_catalog.left(pg_catalog.concat(:row), 400) AS text
          FROM :rows
        OFFSET 0) AS h
 WHERE h.hash1 = ANY (:numbers::bigint[])
 ORDER BY 1, 2, 3
