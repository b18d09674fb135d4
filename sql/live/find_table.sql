-- name: live_find_table
-- The tables that have the rows of one: itself, or the partitions of a partitioned table.
-- $1 text  a table as its owner writes it; without a schema it is public's
-- columns: schema, table
SELECT n.nspname, c.relname
  FROM (SELECT pg_catalog.to_regclass(CASE WHEN $1::text ~ '[.]' THEN $1::text ELSE 'public.' || $1::text END)) AS t (oid)
  JOIN pg_catalog.pg_class AS c
    ON c.oid = t.oid OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(t.oid))
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
 ORDER BY 1, 2
