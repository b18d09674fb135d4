-- name: assess_partition_exclusion
-- Exclusion constraints of partitioned tables that have partitions.
-- $1 text[]  schemas to leave out
-- columns: object, fix
SELECT format('%I.%I %I', n.nspname, c.relname, o.conname) AS object,
       format('ALTER TABLE %I.%I DROP CONSTRAINT %I; -- ALTER TABLE %1$I.%2$I ADD CONSTRAINT %3$I %4$s;',
              n.nspname, c.relname, o.conname, pg_get_constraintdef(o.oid)) AS fix
  FROM pg_catalog.pg_constraint AS o
  JOIN pg_catalog.pg_class AS c ON c.oid = o.conrelid
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE o.contype = 'x'
   AND c.relkind = 'p'
   AND o.conparentid = 0
   AND EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhparent = c.oid)
   AND n.nspname <> ALL ($1::text[])
 ORDER BY 1
