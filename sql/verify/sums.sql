-- name: verify_sums
-- Rows and sums of their hashes, by bucket. The sums are exact (numeric), so that they can be
-- added up over parts of a table in any order.
-- :bucket 0
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :rows pg_catalog.pg_class AS t
-- :part true
-- columns: bucket, rows, sum1, sum2
SELECT :bucket, pg_catalog.count(*), pg_catalog.sum(:hash1), pg_catalog.sum(:hash2)
  FROM :rows
 WHERE :part
 GROUP BY 1
