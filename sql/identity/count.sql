-- name: identity_count
-- How much of the map this session has.
-- columns: count
SELECT pg_catalog.count(*) FROM pg_temp.homeport_identities
