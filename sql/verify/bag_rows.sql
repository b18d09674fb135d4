-- name: verify_bag_rows
-- How often each row of some buckets is there, rows being known by their hashes alone.
-- :mask 255
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :rows pg_catalog.pg_class AS t
-- :numbers '{0,1}'
-- columns: hash1, hash2, times
SELECT h.hash1, h.hash2, pg_catalog.count(*)
  FROM (SELECT :hash1 AS hash1, :hash2 AS hash2
          FROM :rows
        OFFSET 0) AS h
 WHERE (h.hash1 & :mask)::integer = ANY (:numbers::integer[])
 GROUP BY 1, 2
 ORDER BY 1, 2
