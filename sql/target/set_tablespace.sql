-- name: target_set_tablespace
-- The tablespace of what is created next in this transaction, where the target has one of this name.
-- $1 text  tablespace, '' for the default
-- columns: set_config
SELECT pg_catalog.set_config(
           'default_tablespace',
           COALESCE((SELECT spcname FROM pg_catalog.pg_tablespace WHERE spcname = $1), ''),
           true)
