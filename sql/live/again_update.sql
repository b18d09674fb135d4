-- name: live_again_update
-- :into ONLY pg_catalog.pg_class
-- :stage pg_catalog.pg_class
-- :same new.oid = t.oid
-- :set relname = new.relname
-- :differs new.relname IS DISTINCT FROM t.relname
-- columns: none
UPDATE :into AS t
   SET :set
  FROM :stage AS new
 WHERE :same
   AND (:differs)
