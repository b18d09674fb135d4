-- name: live_again_delete
-- :into ONLY pg_catalog.pg_class
-- :stage pg_catalog.pg_class
-- :same new.oid = t.oid
-- columns: none
DELETE FROM :into AS t WHERE NOT EXISTS (SELECT FROM :stage AS new WHERE :same)
