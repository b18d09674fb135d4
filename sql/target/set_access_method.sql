-- name: target_set_access_method
-- The table access method of what is created next in this transaction.
-- $1 text  access method
-- columns: set_config
SELECT pg_catalog.set_config('default_table_access_method', $1, true)
