-- name: assess_unsafe_setting
-- Settings with which a crash of the target's server destroys its databases.
-- columns: object, fix
SELECT format('%s = %s', s.name, s.setting) AS object,
       format(E'ALTER SYSTEM SET %I = ''on'';\nSELECT pg_reload_conf();', s.name) AS fix
  FROM pg_catalog.pg_settings AS s
 WHERE s.name IN ('fsync', 'full_page_writes')
   AND s.setting = 'off'
 ORDER BY 1
