-- Rows marked as built in come with the extension, the others belong to the user.
CREATE TABLE @extschema@.setting (key text PRIMARY KEY, value text, built_in boolean NOT NULL);
INSERT INTO @extschema@.setting VALUES ('built in', 'from the script', true);
CREATE SEQUENCE @extschema@.setting_number;
-- Empty in the script, all of it the user's.
CREATE TABLE @extschema@.whole_config (key text PRIMARY KEY, value text);
-- Content of the extension alone.
CREATE TABLE @extschema@.not_config (id integer PRIMARY KEY, name text);
INSERT INTO @extschema@.not_config SELECT g, 'row ' || g FROM pg_catalog.generate_series(1, 10) AS g;
CREATE FUNCTION @extschema@.version_of_zoo() RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT '1.0'$$;
SELECT pg_catalog.pg_extension_config_dump('@extschema@.setting', 'WHERE NOT built_in');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.whole_config', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.setting_number', '');
