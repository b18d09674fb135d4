-- The roles that own things and are granted things in the zoo. Roles belong to
-- the cluster, no dump of a database carries them: load this on the target too.
-- May be run again. None can log in.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['zoo_owner', 'zoo_reader', 'zoo_writer', 'zoo_admin',
                                'Zoo "Röle" 1']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
            EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;
GRANT zoo_reader TO zoo_writer;
GRANT zoo_writer TO zoo_admin;
