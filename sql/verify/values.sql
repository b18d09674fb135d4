-- name: verify_values
-- The columns of some rows, one a line: enough to say whether two values are equal, and to show
-- where they are not. textsend() gives it in our client_encoding: one for both sides.
-- :row 0
-- :values (0, t.relname::text)
-- :shown 2000
-- :rows pg_catalog.pg_class AS t
-- :match true
-- columns: row, column, hash, length, text
SELECT :row, v.number, pg_catalog.hash_record_extended(ROW(pg_catalog.textsend(v.value)), 0),
       pg_catalog.length(v.value), pg_catalog.left(v.value, :shown)
  FROM :rows
 CROSS JOIN LATERAL (VALUES :values) AS v (number, value)
 WHERE :match
