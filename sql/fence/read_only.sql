-- name: fence_read_only
-- New transactions of this database are read-only by default, also of roles that have a setting of
-- their own for it, which would win over the database's. What was set before is noted first, once.
-- A role that we may not alter is left to the triggers.
-- columns: none
DO $fence$
DECLARE
    here CONSTANT oid NOT NULL DEFAULT (SELECT oid FROM pg_catalog.pg_database
                                         WHERE datname = pg_catalog.current_database());
    setting record;
BEGIN
    FOR setting IN
        WITH given AS (
            SELECT s.setdatabase, s.setrole, pg_catalog.substr(c.config, pg_catalog.strpos(c.config, '=') + 1) AS value
              FROM pg_catalog.pg_db_role_setting AS s,
                   pg_catalog.unnest(s.setconfig) AS c (config)
             WHERE pg_catalog.lower(pg_catalog.split_part(c.config, '=', 1)) = 'default_transaction_read_only'
               AND s.setdatabase IN (0, here)
        )
        SELECT '' AS role_name,
               (SELECT g.value FROM given AS g WHERE g.setdatabase = here AND g.setrole = 0) AS value
        UNION ALL
        SELECT r.rolname,
               (SELECT g.value FROM given AS g WHERE g.setdatabase = here AND g.setrole = r.oid)
          FROM pg_catalog.pg_roles AS r
         WHERE r.oid IN (SELECT g.setrole FROM given AS g)
    LOOP
        BEGIN
            INSERT INTO homeport.fence_setting (role_name, previous)
            VALUES (setting.role_name, setting.value) ON CONFLICT DO NOTHING;
            IF setting.role_name = '' THEN
                EXECUTE pg_catalog.format('ALTER DATABASE %I SET default_transaction_read_only = on',
                                          pg_catalog.current_database());
            ELSE
                EXECUTE pg_catalog.format('ALTER ROLE %I IN DATABASE %I SET default_transaction_read_only = on',
                                          setting.role_name, pg_catalog.current_database());
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            IF setting.role_name = '' THEN
                RAISE;
            END IF;
        END;
    END LOOP;
END
$fence$
