-- name: apply_has_children
-- Whether deleting a row of this table takes rows of others with it, or changes them.
-- $1 oid  table
-- columns: has_children
SELECT EXISTS (SELECT
                 FROM pg_catalog.pg_constraint AS f
                WHERE f.contype = 'f'
                  AND f.confdeltype NOT IN ('a', 'r')
                  AND f.confrelid IN (SELECT $1::oid
                                       UNION ALL
                                      SELECT a.relid FROM pg_catalog.pg_partition_ancestors($1::oid) AS a (relid)))
