-- Owners, privileges, default privileges, row-level security.
CREATE SCHEMA zoo_secure AUTHORIZATION zoo_admin;
CREATE SCHEMA zoo_empty;
CREATE TABLE zoo_secure.account (id integer PRIMARY KEY, owner name NOT NULL, tenant integer,
    secret text, note text);
INSERT INTO zoo_secure.account SELECT g, CASE WHEN g % 2 = 0 THEN 'zoo_owner' ELSE 'zoo_reader' END,
    g % 3, 'secret ' || g, 'note ' || g FROM generate_series(1, 30) AS g;
ALTER TABLE zoo_secure.account OWNER TO zoo_owner;
ALTER TABLE zoo_secure.account ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON zoo_secure.account USING (owner = current_user);
CREATE POLICY "read ""all""" ON zoo_secure.account FOR SELECT TO zoo_admin, "Zoo ""Röle"" 1" USING (true);
CREATE POLICY insert_own ON zoo_secure.account AS PERMISSIVE FOR INSERT TO zoo_writer
    WITH CHECK (owner = current_user AND tenant > 0);
CREATE POLICY never_tenant_2 ON zoo_secure.account AS RESTRICTIVE FOR UPDATE TO PUBLIC
    USING (tenant <> 2) WITH CHECK (tenant <> 2);
CREATE POLICY with_subquery ON zoo_secure.account FOR DELETE TO zoo_reader, zoo_writer
    USING (EXISTS (SELECT FROM zoo.no_key AS k WHERE k.a = account.id));
COMMENT ON POLICY own_rows ON zoo_secure.account IS 'a policy';
CREATE TABLE zoo_secure.locked (id integer PRIMARY KEY);
ALTER TABLE zoo_secure.locked ENABLE ROW LEVEL SECURITY;
INSERT INTO zoo_secure.locked VALUES (1), (2);
CREATE TABLE zoo_secure.policy_not_enabled (id integer PRIMARY KEY);
CREATE POLICY sleeping ON zoo_secure.policy_not_enabled FOR SELECT USING (false);

-- Privileges: on tables and columns, passed on by somebody else, taken from
-- the owner and from everybody.
GRANT USAGE ON SCHEMA zoo_secure, zoo_types TO zoo_reader;
GRANT CREATE, USAGE ON SCHEMA zoo_secure TO zoo_writer WITH GRANT OPTION;
GRANT SELECT ON zoo_secure.account TO zoo_reader WITH GRANT OPTION;
GRANT SELECT (id, note), UPDATE (note), REFERENCES (id) ON zoo_secure.account TO zoo_writer;
GRANT INSERT (id), INSERT ("Id") ON "Odd ""Schema"".x"."Table.with ""quotes"" and 'more'"
    TO "Zoo ""Röle"" 1";
GRANT ALL ON zoo.no_key TO zoo_admin;
GRANT SELECT, TRUNCATE, TRIGGER ON zoo.no_row TO PUBLIC;
REVOKE DELETE, TRUNCATE ON zoo_secure.account FROM zoo_owner;
SET SESSION AUTHORIZATION zoo_reader;
GRANT SELECT ON zoo_secure.account TO "Zoo ""Röle"" 1";
RESET SESSION AUTHORIZATION;
GRANT USAGE, SELECT ON SEQUENCE zoo.never_called TO zoo_writer;
GRANT UPDATE ON SEQUENCE zoo."Odd ""sequence"" 100%" TO zoo_writer;
REVOKE EXECUTE ON FUNCTION zoo_code.add_one(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION zoo_code.add_one(integer) TO zoo_reader;
GRANT EXECUTE ON PROCEDURE zoo_code.transfer(integer, integer) TO zoo_writer;
REVOKE ALL ON FUNCTION zoo_code.product(numeric) FROM PUBLIC;
REVOKE USAGE ON TYPE zoo_types.mood FROM PUBLIC;
GRANT USAGE ON TYPE zoo_types.mood TO zoo_reader;
GRANT USAGE ON DOMAIN zoo_types.positive TO zoo_writer;
REVOKE USAGE ON LANGUAGE zoo_language FROM PUBLIC;
GRANT USAGE ON LANGUAGE zoo_language, plpgsql TO zoo_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER zoo_wrapper TO zoo_admin;
GRANT USAGE ON FOREIGN SERVER "zoo server" TO zoo_reader;
GRANT SELECT ON zoo_views.totals, zoo_views.second TO zoo_reader;
GRANT SELECT (a) ON zoo_views.third TO zoo_reader;
-- On what the server itself brings: a dump carries what differs from it.
REVOKE EXECUTE ON FUNCTION pg_catalog.pg_sleep(double precision) FROM PUBLIC;
GRANT SELECT ON pg_catalog.pg_authid TO zoo_admin;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO zoo_reader;
COMMENT ON SCHEMA public IS 'not the standard comment';

ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner GRANT SELECT ON TABLES TO zoo_reader;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_owner IN SCHEMA zoo GRANT ALL ON SEQUENCES TO zoo_writer;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_admin REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_admin GRANT USAGE ON TYPES TO "Zoo ""Röle"" 1" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE zoo_admin GRANT CREATE ON SCHEMAS TO zoo_writer;

-- Owners.
ALTER TABLE zoo.serials OWNER TO zoo_owner;
ALTER TABLE zoo."Case" OWNER TO "Zoo ""Röle"" 1";
ALTER TABLE zoo_parts.event OWNER TO zoo_writer;
ALTER SEQUENCE zoo.cyclic OWNER TO zoo_admin;
ALTER TYPE zoo_types.mood OWNER TO zoo_owner;
ALTER DOMAIN zoo_types.positive OWNER TO zoo_owner;
ALTER FUNCTION zoo_code.quoting() OWNER TO zoo_writer;
ALTER PROCEDURE zoo_code.transfer(integer, integer) OWNER TO zoo_admin;
ALTER AGGREGATE zoo_code.product(numeric) OWNER TO zoo_owner;
ALTER OPERATOR zoo_code.|<| (integer, integer) OWNER TO zoo_owner;
ALTER OPERATOR CLASS zoo_code.abs_ops USING btree OWNER TO zoo_owner;
ALTER VIEW zoo_views.second OWNER TO zoo_owner;
ALTER SCHEMA zoo_views OWNER TO zoo_admin;
ALTER SERVER "zoo server" OWNER TO zoo_reader;
ALTER TEXT SEARCH CONFIGURATION zoo_search.my_config OWNER TO zoo_owner;
ALTER COLLATION zoo_types."my C" OWNER TO zoo_owner;
ALTER CONVERSION zoo_code.my_latin1 OWNER TO zoo_owner;
