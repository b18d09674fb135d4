-- name: migrations_unlock
-- $1 text  schema
-- $2 text  table
-- columns: given_back
SELECT pg_catalog.pg_advisory_unlock(
         pg_catalog.hashtextextended('homeport migrations ' || $1::text || '.' || $2::text, 0))
