-- name: assess_neon_auth
-- The tables of Neon Auth: rows that a service outside of the database keeps up to date.
-- columns: object, fix
SELECT format('%I.%I', n.nspname, c.relname) AS object, NULL AS fix
  FROM pg_catalog.pg_namespace AS n
  JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p')
 WHERE n.nspname = 'neon_auth'
 ORDER BY 1
