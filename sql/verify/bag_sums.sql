-- name: verify_bag_sums
-- The same for a table without a key: a row's bucket is a part of its hash. OFFSET 0 keeps the
-- hash from being computed twice.
-- :mask 255
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :rows pg_catalog.pg_class AS t
-- :part true
-- columns: bucket, rows, sum1, sum2
SELECT (h.hash1 & :mask)::integer, pg_catalog.count(*), pg_catalog.sum(h.hash1), pg_catalog.sum(h.hash2)
  FROM (SELECT :hash1 AS hash1, :hash2 AS hash2
          FROM :rows
         WHERE :part
        OFFSET 0) AS h
 GROUP BY 1
