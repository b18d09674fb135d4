-- name: fence_lift
-- Takes the fence back: the triggers are disabled, default_transaction_read_only is as it was. Can
-- be done again. Triggers of the app that rested meanwhile (live/quiet_triggers.sql) are awake again.
-- What the owner runs by hand is this as well, so it needs nothing of ours. What was set before stays
-- noted until it is forgotten (forget_settings.sql).
-- columns: none
DO $fence$
DECLARE
    item record;
    value text;
BEGIN
    FOR item IN
        SELECT n.nspname, c.relname
          FROM pg_catalog.pg_trigger AS t
          JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE t.tgname = 'homeport_fence' AND t.tgenabled <> 'D' AND NOT t.tgisinternal
         ORDER BY 1, 2
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER homeport_fence', item.nspname, item.relname);
    END LOOP;
    FOR item IN
        SELECT n.nspname, c.relname, t.tgname,
               NULLIF(pg_catalog.substr(d.description, pg_catalog.length('homeport: at rest. ') + 1), '') AS note
          FROM pg_catalog.pg_trigger AS t
          JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_description AS d ON d.objoid = t.oid AND d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
         WHERE d.description LIKE 'homeport: at rest. %'
         ORDER BY 1, 2, 3
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE ONLY %I.%I ENABLE TRIGGER %I', item.nspname, item.relname, item.tgname);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER %I ON %I.%I IS %L', item.tgname, item.nspname, item.relname, item.note);
    END LOOP;
    IF pg_catalog.to_regclass('homeport.fence_setting') IS NOT NULL THEN
        FOR item IN EXECUTE 'SELECT role_name, previous FROM homeport.fence_setting' LOOP
            value = CASE WHEN item.previous IS NULL THEN 'RESET default_transaction_read_only'
                         ELSE pg_catalog.format('SET default_transaction_read_only = %L', item.previous) END;
            IF item.role_name = '' THEN
                EXECUTE pg_catalog.format('ALTER DATABASE %I %s', pg_catalog.current_database(), value);
            ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = item.role_name) THEN
                EXECUTE pg_catalog.format('ALTER ROLE %I IN DATABASE %I %s', item.role_name, pg_catalog.current_database(), value);
            END IF;
        END LOOP;
    END IF;
END
$fence$
