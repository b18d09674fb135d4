-- Extensions, values of their types, their configuration tables, and foreign data.
CREATE SCHEMA zoo_ext;
COMMENT ON SCHEMA zoo_ext IS 'extensions live here';
\if :has_contrib
CREATE SCHEMA contrib;
CREATE EXTENSION hstore SCHEMA contrib;
CREATE EXTENSION citext SCHEMA contrib;
CREATE EXTENSION pg_trgm SCHEMA contrib;
CREATE EXTENSION btree_gist SCHEMA contrib;
CREATE EXTENSION btree_gin SCHEMA contrib;
CREATE EXTENSION intarray SCHEMA contrib;
CREATE EXTENSION cube SCHEMA contrib;
CREATE EXTENSION earthdistance SCHEMA contrib CASCADE;
CREATE EXTENSION ltree SCHEMA contrib;
CREATE EXTENSION seg SCHEMA contrib;
CREATE EXTENSION isn SCHEMA contrib;
CREATE EXTENSION bloom SCHEMA contrib;
CREATE EXTENSION unaccent SCHEMA contrib;
CREATE EXTENSION tablefunc SCHEMA contrib;
CREATE EXTENSION fuzzystrmatch SCHEMA contrib;
CREATE EXTENSION pgcrypto SCHEMA contrib;
CREATE EXTENSION dict_int SCHEMA contrib;
COMMENT ON EXTENSION hstore IS 'our own words about hstore';

SET search_path = contrib;
CREATE TABLE zoo_ext.contrib_values (
    id integer PRIMARY KEY, pairs hstore, blind citext UNIQUE, path ltree, query lquery,
    cube cube, seg seg, isbn isbn13, ints integer[], pair_list hstore[], blind_list citext[],
    secret bytea
);
INSERT INTO zoo_ext.contrib_values VALUES
    (0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (1, '', '', '', '*', '(0)', '1', '978-0-393-04002-9', '{}', '{}', '{}', ''),
    (2, '"a \"q\""=>NULL, "=>"=>"\\", ü=>"x"', 'MiXed', 'Top.Science.Astronomy', '*.Science{1,2}.!x|y',
        '(1,2),(3,4)', '1.00 .. 2.0', '978-3-16-148410-0', '{3,1,2}',
        ARRAY['a=>1', NULL]::hstore[], '{A,"b c"}', digest('x', 'sha256')),
    (3, (SELECT hstore(array_agg('k' || g), array_agg('v' || g)) FROM generate_series(1, 200) AS g), 'other',
        'a.b.c', 'a.b', '(NaN,-0)', '~5', NULL, '{5}', NULL, NULL, NULL);
CREATE INDEX contrib_hstore ON zoo_ext.contrib_values USING gist (pairs);
CREATE INDEX contrib_ltree ON zoo_ext.contrib_values USING gist (path);
CREATE INDEX contrib_ints ON zoo_ext.contrib_values USING gin (ints gin__int_ops);
CREATE INDEX contrib_cube ON zoo_ext.contrib_values USING gist (cube);
CREATE INDEX contrib_trgm ON zoo_ext.contrib_values USING gin ((blind::text) gin_trgm_ops);
CREATE INDEX contrib_bloom ON zoo_ext.contrib_values USING bloom (id) WITH (length = 80, col1 = 2);
CREATE TABLE zoo_ext.reservations (room integer, during tsrange, guest citext,
    EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO zoo_ext.reservations SELECT g % 5, tsrange('2026-01-01'::timestamp + g * '1 day'::interval,
    '2026-01-02'::timestamp + g * '1 day'::interval), 'Guest ' || g FROM generate_series(1, 50) AS g;
CREATE TABLE zoo_ext.citext_key (name citext PRIMARY KEY, v integer);
INSERT INTO zoo_ext.citext_key VALUES ('Alpha', 1), ('beta', 2), ('GAMMA', 3), ('_', 4);
CREATE TEXT SEARCH DICTIONARY zoo_ext.numbers (TEMPLATE = intdict_template, MAXLEN = 4, REJECTLONG = true);
-- Tied to an extension, and a right on one of its members.
CREATE FUNCTION zoo_ext.no_accents(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT
    AS $$SELECT contrib.unaccent('contrib.unaccent', $1)$$;
ALTER FUNCTION zoo_ext.no_accents(text) DEPENDS ON EXTENSION unaccent;
CREATE INDEX without_accents ON zoo_ext.reservations (zoo_ext.no_accents(guest::text));
REVOKE EXECUTE ON FUNCTION contrib.digest(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION contrib.digest(text, text) TO zoo_reader;
RESET search_path;
SET search_path = '';
SELECT pg_temp.has_available('uuid-ossp') AS has_uuid
\gset
\if :has_uuid
CREATE EXTENSION "uuid-ossp" SCHEMA contrib;
CREATE TABLE zoo_ext.uuids (id uuid DEFAULT contrib.uuid_generate_v5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'zoo'),
    n integer PRIMARY KEY);
INSERT INTO zoo_ext.uuids (n) VALUES (1), (2);
\endif

CREATE EXTENSION file_fdw SCHEMA contrib;
CREATE SERVER zoo_files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE zoo_ext.passwd (name text, rest text OPTIONS (force_not_null 'true'))
    SERVER zoo_files OPTIONS (filename '/nonexistent/zoo.csv', format 'csv', delimiter ':');
CREATE EXTENSION postgres_fdw SCHEMA contrib;
CREATE SERVER zoo_remote TYPE 'a type' VERSION '1.0' FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host '127.0.0.1', port '1', dbname 'it''s "elsewhere"');
CREATE USER MAPPING FOR zoo_reader SERVER zoo_remote OPTIONS ("user" 'remote', password 'kept-to-itself');
CREATE FOREIGN TABLE zoo_ext.remote_table (id integer OPTIONS (column_name 'ID') NOT NULL,
    v text DEFAULT 'x', CHECK (id > 0)) SERVER zoo_remote OPTIONS (schema_name 'a', table_name 'b');
COMMENT ON FOREIGN TABLE zoo_ext.remote_table IS 'never reached';
COMMENT ON SERVER zoo_remote IS 'a server';
\endif

-- A wrapper without a handler, which every server can have.
CREATE FOREIGN DATA WRAPPER zoo_wrapper OPTIONS (debug 'true', "odd option" 'a "value"');
CREATE SERVER "zoo server" FOREIGN DATA WRAPPER zoo_wrapper;
CREATE USER MAPPING FOR PUBLIC SERVER "zoo server" OPTIONS (a 'b');
CREATE FOREIGN TABLE zoo_ext.nowhere (a integer, b zoo_types.mood) SERVER "zoo server";
COMMENT ON FOREIGN DATA WRAPPER zoo_wrapper IS 'a wrapper';

-- Our own extension (tests/data/zoo/ext): configuration tables and a sequence
-- whose own rows come with the extension and whose other rows must be moved.
\if :has_zoo_ext
CREATE EXTENSION zoo_ext SCHEMA zoo_ext;
INSERT INTO zoo_ext.setting VALUES ('added by the user', 'x "y"', false), ('another', NULL, false);
INSERT INTO zoo_ext.whole_config VALUES ('a', 'first'), ('b', NULL);
INSERT INTO zoo_ext.whole_config VALUES ('c', 'new');
SELECT setval('zoo_ext.setting_number', 77);
INSERT INTO zoo_ext.not_config VALUES (99, 'is not carried by a dump');
GRANT SELECT ON zoo_ext.setting TO zoo_reader;
CREATE TABLE zoo_ext.uses_setting (id integer PRIMARY KEY, key text REFERENCES zoo_ext.setting);
INSERT INTO zoo_ext.uses_setting VALUES (1, 'built in'), (2, 'added by the user');
\endif
