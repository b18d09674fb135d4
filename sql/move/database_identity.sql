-- name: move_database_identity
-- Which database of its cluster this is, and which run of the server: another server made from a
-- physical copy has the same of all but the moment it was started in.
-- columns: oid, started
SELECT d.oid,
       extract(epoch FROM pg_postmaster_start_time())::numeric(20, 6) AS started
  FROM pg_catalog.pg_database AS d
 WHERE d.datname = current_database()
