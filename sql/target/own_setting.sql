-- name: target_own_setting
-- What ALTER SYSTEM has set it to, which may not be in force yet; no row where it has not.
-- $1 text  name of the setting
-- columns: setting
SELECT f.setting
  FROM pg_catalog.pg_file_settings AS f
 WHERE f.name = $1::text
   AND f.sourcefile LIKE '%postgresql.auto.conf'
 ORDER BY f.seqno DESC
 LIMIT 1
