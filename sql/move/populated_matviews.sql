-- name: move_populated_matviews
-- Those of the source that have content: the others stay WITH NO DATA.
-- columns: schema, name
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'm'
   AND c.relispopulated
