-- name: assess_space_probe
-- Asks df on the target's server for the free space of the database's tablespace (below the server's
-- working folder, its data folder) and of its WAL. COPY ... FROM PROGRAM has to write somewhere: a
-- temporary table, which goes with the transaction that the caller rolls back. space_answer reads the
-- result.
DO $probe$
DECLARE
    folder text := (SELECT CASE t.spcname WHEN 'pg_default' THEN '.' ELSE 'pg_tblspc/' || t.oid || '/.' END
                      FROM pg_catalog.pg_database AS d
                      JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace
                     WHERE d.datname = current_database());
BEGIN
    CREATE TEMPORARY TABLE homeport_space (line text) ON COMMIT DROP;
    EXECUTE format('COPY homeport_space FROM PROGRAM %L WITH (DELIMITER E''\x01'')',
                   'df -P -k ' || folder || ' pg_wal/.');
    PERFORM set_config('homeport.space', (SELECT string_agg(line, E'\n') FROM homeport_space), true);
END
$probe$
