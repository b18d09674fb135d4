-- name: move_filenode
-- Tables whose storage is another than the snapshot saw: rewritten or truncated
-- after it was taken and before they were locked, so that the snapshot would
-- read no row and no error (rule 3); and those whose name, or the name of a
-- column, is another one's now, which would be read in their place. The
-- functions tell the present, the catalogue what the snapshot sees; a filenode
-- of 0 is a mapped catalogue's.
-- $1 oid[]  tables, locked in this transaction
-- columns: oid
SELECT c.oid
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::oid[])
   AND (c.relfilenode <> 0 AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode
        OR pg_catalog.to_regclass(pg_catalog.format('%I.%I', n.nspname, c.relname)) IS DISTINCT FROM c.oid
        OR EXISTS (SELECT
                     FROM pg_catalog.pg_attribute AS a
                    WHERE a.attrelid = c.oid
                      AND a.attnum > 0
                      AND NOT a.attisdropped
                      AND (pg_catalog.pg_identify_object(
                               'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, a.attnum)).identity
                          IS DISTINCT FROM
                          pg_catalog.format('%I.%I.%I', n.nspname, c.relname, a.attname)))
