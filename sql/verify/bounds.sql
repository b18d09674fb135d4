-- name: verify_bounds
-- Values that cut a key column into ranges of about as many rows each, from a sample.
-- :value t.oid
-- :ranges 4
-- :rows pg_catalog.pg_class AS t
-- :type oid
-- columns: bounds, count
SELECT pg_catalog.array_agg(b.value ORDER BY b.value)::text, pg_catalog.count(*)
  FROM (SELECT DISTINCT q.value::pg_catalog.:type AS value
          FROM (SELECT DISTINCT ON (s.range) s.range, s.value
                  FROM (SELECT :value AS value,
                               pg_catalog.ntile(:ranges) OVER (ORDER BY :value) AS range
                          FROM :rows) AS s
                 ORDER BY s.range, s.value) AS q
         WHERE q.range > 1) AS b
