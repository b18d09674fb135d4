-- name: owner_read
-- The move that homeport's schema belongs to; NULL, or no row, where nobody has said so.
-- columns: id
SELECT substring(pg_catalog.obj_description(n.oid, 'pg_namespace') FROM '^homeport: state of move ([^;]+);')
  FROM pg_catalog.pg_namespace AS n
 WHERE n.nspname = 'homeport'
