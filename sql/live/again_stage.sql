-- name: live_again_stage
-- Where a table's rows wait that are copied again, to be compared with those that are there.
-- :columns relname
-- :into ONLY pg_catalog.pg_class
-- :stage homeport_again_1
-- columns: none
CREATE TEMPORARY TABLE :stage AS SELECT :columns FROM :into WITH NO DATA
