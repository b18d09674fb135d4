-- name: apply_parents
-- Tables whose rows take rows of this one with them, or change them (rule 19): parents of foreign keys
-- with a referential action, of the table itself and of what it is a partition of.
-- $1 oid  table
-- columns: schema, name
SELECT DISTINCT n.nspname, p.relname
  FROM pg_catalog.pg_constraint AS f
  JOIN pg_catalog.pg_class AS p ON p.oid = f.confrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = p.relnamespace
 WHERE f.contype = 'f'
   AND (f.confdeltype NOT IN ('a', 'r') OR f.confupdtype NOT IN ('a', 'r'))
   AND f.conrelid IN (SELECT $1::oid UNION ALL SELECT a.relid FROM pg_catalog.pg_partition_ancestors($1::oid) AS a (relid))
