-- name: apply_create_progress
-- How far each table of this side is (rule 13): committed with its rows. The row without names is
-- the floor: every table is at or above it. Room in the pages keeps its updates in place.
-- Several statements, run by the simple protocol in one transaction.
-- columns: none
CREATE SCHEMA IF NOT EXISTS homeport;
CREATE TABLE IF NOT EXISTS homeport.progress (
    feed integer NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    lsn pg_lsn NOT NULL,
    PRIMARY KEY (feed, schema_name, table_name)
) WITH (fillfactor = 50)
