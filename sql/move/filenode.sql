-- name: move_filenode
-- Tables whose storage is another than the snapshot saw: rewritten or truncated
-- after it was taken and before they were locked, so that the snapshot would
-- read no row and no error (MOVE.md 3). pg_relation_filenode() tells the
-- present, pg_class what the snapshot sees; 0 is a mapped catalogue.
-- $1 oid[]  tables, locked in this transaction
-- columns: oid
SELECT c.oid
  FROM pg_catalog.pg_class AS c
 WHERE c.oid = ANY ($1::oid[])
   AND c.relfilenode <> 0
   AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode
