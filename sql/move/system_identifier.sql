-- name: move_system_identifier
-- Which cluster this is; with the start time of the server it tells two servers apart, also where
-- one was made from a physical copy of the other. A provider may have revoked it.
-- columns: system_identifier
SELECT c.system_identifier FROM pg_control_system() AS c
