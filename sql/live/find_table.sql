-- name: live_find_table
-- $1 text  a table as its owner writes it
-- columns: schema, table, kind
SELECT n.nspname, c.relname, c.relkind
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = pg_catalog.to_regclass($1)
    OR (pg_catalog.to_regclass($1) IS NULL
        AND c.oid = pg_catalog.to_regclass('public.' || $1))
