-- name: target_parents
-- Tables whose statistics are of their children's rows as well: ANALYZE of each child does not make
-- them, nor does autovacuum for a partitioned one.
-- columns: schema, name
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE (c.relkind = 'p' OR (c.relkind = 'r' AND c.relhassubclass))
   AND n.nspname !~ '^pg_'
   AND n.nspname NOT IN ('information_schema', 'homeport')
 ORDER BY c.relkind DESC, 1, 2
