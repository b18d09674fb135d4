-- name: verify_increments
-- How far each sequence goes at a time.
-- columns: schema, name, increment
SELECT n.nspname, c.relname, s.seqincrement
  FROM pg_catalog.pg_sequence AS s
  JOIN pg_catalog.pg_class AS c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
