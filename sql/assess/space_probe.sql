-- name: assess_space_probe
-- Asks df on the target's server for the free space of its data folder (the server's working folder)
-- and of its WAL. COPY ... FROM PROGRAM has to write somewhere: a temporary table, which goes with
-- the transaction that the caller rolls back. space_answer reads the result.
DO $probe$
BEGIN
    CREATE TEMPORARY TABLE homeport_space (line text) ON COMMIT DROP;
    COPY homeport_space FROM PROGRAM 'df -P -k . pg_wal/.' WITH (DELIMITER E'\x01');
    PERFORM set_config('homeport.space', (SELECT string_agg(line, E'\n') FROM homeport_space), true);
END
$probe$
