-- name: verify_roles
-- Every role of the server.
-- columns: name
SELECT r.rolname
  FROM pg_catalog.pg_roles AS r
 ORDER BY 1
