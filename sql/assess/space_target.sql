-- name: assess_space_target
-- Where the target keeps its data (NULL: this role may not know), when its server started (to
-- recognise the same folder from outside), how much WAL it keeps, and whether this role may run a
-- program there. The database's tables, and what sorting its indexes takes, are in its tablespace: the
-- folder below data_directory that leads there, and where that is (NULL: in data_directory).
-- columns: data_directory, started, max_wal_bytes, may_run_programs, tablespace_folder, tablespace_location
SELECT (SELECT s.setting FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'data_directory') AS data_directory,
       floor(extract(epoch FROM pg_postmaster_start_time()))::bigint AS started,
       (SELECT s.setting::bigint * 1048576 FROM pg_catalog.pg_settings AS s
         WHERE s.name = 'max_wal_size') AS max_wal_bytes,
       pg_has_role('pg_execute_server_program', 'USAGE') AS may_run_programs,
       CASE WHEN t.spcname <> 'pg_default' THEN 'pg_tblspc/' || t.oid END AS tablespace_folder,
       nullif(pg_tablespace_location(t.oid), '') AS tablespace_location
  FROM pg_catalog.pg_database AS d
  JOIN pg_catalog.pg_tablespace AS t ON t.oid = d.dattablespace
 WHERE d.datname = current_database()
