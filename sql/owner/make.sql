-- name: owner_make
-- homeport's own schema, in the transaction that says whose it is: another move that comes at the
-- same moment waits for its end. Several statements, run by the simple protocol in one transaction.
-- columns: none
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('homeport owner'));
CREATE SCHEMA IF NOT EXISTS homeport
