-- name: live_find_table
-- $1 text  a table as its owner writes it; without a schema it is public's
-- columns: schema, table
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = pg_catalog.to_regclass(CASE WHEN $1::text ~ '[.]' THEN $1::text ELSE 'public.' || $1::text END)
