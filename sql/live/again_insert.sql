-- name: live_again_insert
-- :table pg_catalog.pg_class
-- :into ONLY pg_catalog.pg_class
-- :stage pg_catalog.pg_class
-- :columns oid, relname
-- :same new.oid = t.oid
-- columns: none
INSERT INTO :table (:columns) OVERRIDING SYSTEM VALUE
SELECT :columns FROM :stage AS new WHERE NOT EXISTS (SELECT FROM :into AS t WHERE :same)
