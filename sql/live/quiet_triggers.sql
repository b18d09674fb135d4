-- name: live_quiet_triggers
-- Puts the app's triggers to rest on a side that changes flow back to, where this role may not set
-- session_replication_role: they have fired where the changes were made. Their comments say which
-- they are; fence/lift.sql wakes them, before or with the first writer.
-- columns: none
DO $quiet$
DECLARE
    item record;
BEGIN
    BEGIN
        PERFORM pg_catalog.set_config('session_replication_role', 'replica', true);
        PERFORM pg_catalog.set_config('session_replication_role', 'origin', true);
        RETURN;
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;
    FOR item IN
        SELECT n.nspname, c.relname, t.tgname,
               'homeport: at rest. ' || COALESCE(pg_catalog.obj_description(t.oid, 'pg_trigger'), '') AS note
          FROM pg_catalog.pg_trigger AS t
          JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
          JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
         WHERE NOT t.tgisinternal
           AND t.tgenabled = 'O'
           AND t.tgname <> 'homeport_fence'
           AND EXISTS (SELECT FROM pg_catalog.pg_trigger AS f WHERE f.tgrelid = t.tgrelid AND f.tgname = 'homeport_fence')
         ORDER BY 1, 2, 3
    LOOP
        EXECUTE pg_catalog.format('ALTER TABLE ONLY %I.%I DISABLE TRIGGER %I', item.nspname, item.relname, item.tgname);
        EXECUTE pg_catalog.format('COMMENT ON TRIGGER %I ON %I.%I IS %L', item.tgname, item.nspname, item.relname, item.note);
    END LOOP;
END
$quiet$
