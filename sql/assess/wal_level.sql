-- name: assess_wal_level
-- wal_level, where it does not carry logical changes.
-- columns: object, fix
SELECT format('wal_level = %s', current_setting('wal_level')) AS object,
       CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'neon_superuser')
            THEN '-- in Neon''s console: Settings, Logical replication, Enable (all computes of the project restart, and it cannot be undone)'
            WHEN EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'rds_superuser')
            THEN '-- in the parameter group: rds.logical_replication = 1, then reboot the instance'
            ELSE 'ALTER SYSTEM SET wal_level = ''logical''; -- then restart the server'
       END AS fix
 WHERE current_setting('wal_level') <> 'logical'
