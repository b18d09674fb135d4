-- name: apply_rights
-- Whether staging tables may be made here.
-- columns: temporary
SELECT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMP')
