-- name: assess_slot_wal_keep
-- max_slot_wal_keep_size, where the slot would be lost after less than 4 GB of changes that homeport
-- did not read: at a steady 10 MB/s of WAL a broken connection of seven minutes.
-- columns: object, fix
SELECT format('max_slot_wal_keep_size = %s', current_setting('max_slot_wal_keep_size')) AS object,
       CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = 'neon_superuser')
            THEN '-- Neon sets it for the project: keep the move short, and ask Neon''s support to raise it for a large database'
            ELSE E'ALTER SYSTEM SET max_slot_wal_keep_size = ''4GB''; -- with that much disk to spare\nSELECT pg_reload_conf();'
       END AS fix
  FROM pg_catalog.pg_settings AS s
 WHERE s.name = 'max_slot_wal_keep_size'
   AND s.setting::bigint BETWEEN 0 AND 4095
