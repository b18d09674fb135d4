-- name: apply_referrers
-- Tables whose foreign keys point to this one, or to a partition of it: TRUNCATE of it has to name them.
-- $1 oid  table
-- columns: schema, name, partitioned
SELECT DISTINCT n.nspname, c.relname, c.relkind = 'p'
  FROM pg_catalog.pg_constraint AS f
  JOIN pg_catalog.pg_class AS c ON c.oid = f.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE f.contype = 'f'
   AND f.conrelid <> f.confrelid
   AND f.confrelid IN (SELECT $1::oid UNION ALL SELECT t.relid FROM pg_catalog.pg_partition_tree($1::oid) AS t)
