-- name: target_create_marks
-- homeport's own schema on the target, dropped when the move is finished: what
-- is done is marked here in the transaction that does it (rule 5). A table
-- has a row for each of the `parts` that it is copied in; `position` is where the snapshot stood in the
-- source's WAL, NULL without a stream. `no_crash` has a
-- row until the server crashes. `default_acl` keeps the default privileges that were there before, as an
-- archive has no statement that takes its own back. Several statements, run by the simple protocol in one transaction.
-- columns: none
CREATE SCHEMA IF NOT EXISTS homeport;
CREATE TABLE IF NOT EXISTS homeport.move (
    id text PRIMARY KEY,
    started timestamptz NOT NULL DEFAULT pg_catalog.now(),
    schema_done boolean NOT NULL DEFAULT false
);
CREATE TABLE IF NOT EXISTS homeport.finished_part (
    schema_name text NOT NULL,
    table_name text NOT NULL,
    part integer NOT NULL,
    parts integer NOT NULL,
    rows bigint NOT NULL,
    position pg_catalog.pg_lsn,
    PRIMARY KEY (schema_name, table_name, part)
);
CREATE TABLE IF NOT EXISTS homeport.finished_entry (
    entry integer PRIMARY KEY
);
CREATE UNLOGGED TABLE IF NOT EXISTS homeport.no_crash (
    since boolean PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS homeport.default_acl AS
    SELECT defaclrole AS role, defaclnamespace AS namespace, defaclobjtype AS kind, defaclacl AS acl
      FROM pg_catalog.pg_default_acl
