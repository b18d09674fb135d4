-- name: verify_sums
-- Rows and sums of their hashes, by bucket. The sums are exact (numeric), so that they can be
-- added up over parts of a table in any order. Of what comes out of the inner query the planner
-- expects 200 different values; of the bucket itself it would expect as many as there are keys, and
-- sort all rows by it.
-- :bucket 0
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :rows pg_catalog.pg_class AS t
-- :part true
-- columns: bucket, rows, sum1, sum2
SELECT h.bucket, pg_catalog.count(*), pg_catalog.sum(h.hash1), pg_catalog.sum(h.hash2)
  FROM (SELECT :bucket AS bucket, :hash1 AS hash1, :hash2 AS hash2
          FROM :rows
         WHERE :part
        OFFSET 0) AS h
 GROUP BY 1
