-- name: verify_bag_counts
-- How often rows of a table without a key are there that are known by their hashes.
-- $1 bigint[]  first hashes
-- :hash1 pg_catalog.hashint4extended(0, 1)
-- :hash2 pg_catalog.hashint4extended(0, 2)
-- :rows pg_catalog.pg_class AS t
-- columns: hash1, hash2, times
SELECT h.hash1, h.hash2, pg_catalog.count(*)
  FROM (SELECT :hash1 AS hash1, :hash2 AS hash2
          FROM :rows
        OFFSET 0) AS h
 WHERE h.hash1 = ANY ($1::bigint[])
 GROUP BY 1, 2
