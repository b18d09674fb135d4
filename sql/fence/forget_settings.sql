-- name: fence_forget_settings
-- The last of lifting: default_transaction_read_only is as it was, and no session goes on that began
-- before.
-- columns: none
DO $fence$
BEGIN
    IF pg_catalog.to_regclass('homeport.fence_setting') IS NOT NULL THEN
        EXECUTE 'DELETE FROM homeport.fence_setting';
    END IF;
END
$fence$
