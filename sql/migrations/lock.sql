-- name: migrations_lock
-- Only one homeport applies migrations of one table at a time. Of the session, so that a migration
-- that ends the transaction does not give it back.
-- $1 text  schema
-- $2 text  table
-- columns: taken
SELECT pg_catalog.pg_try_advisory_lock(
         pg_catalog.hashtextextended('homeport migrations ' || $1::text || '.' || $2::text, 0))
