-- name: assess_space_target
-- Where the target keeps its data (NULL: this role may not know), when its server started (to
-- recognise the same folder from outside), how much WAL it keeps, and whether this role may run a
-- program there.
-- columns: data_directory, started, max_wal_bytes, may_run_programs
SELECT (SELECT s.setting FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'data_directory') AS data_directory,
       floor(extract(epoch FROM pg_postmaster_start_time()))::bigint AS started,
       (SELECT s.setting::bigint * 1048576 FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'max_wal_size') AS max_wal_bytes,
       pg_has_role('pg_execute_server_program', 'USAGE') AS may_run_programs
