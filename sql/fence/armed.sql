-- name: fence_armed
-- Whether any of the fence is armed, and whether there is a table where settings are noted.
-- columns: armed, has_notes
SELECT EXISTS (SELECT
                 FROM pg_catalog.pg_trigger
                WHERE tgname = 'homeport_fence' AND tgenabled <> 'D' AND NOT tgisinternal),
       pg_catalog.to_regclass('homeport.fence_setting') IS NOT NULL
