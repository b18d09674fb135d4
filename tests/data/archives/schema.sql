-- What the archives beside this file were made of, on an empty database called `shop` of a server of
-- the version in their names (made by hand; small, as tests read them once for each of their bytes):
--
--   psql -d shop -f schema.sql
--   pg_dump -Fc -Z0 --schema-only -d shop -f pg15.dump           15's of 15, 17's of 17
--   pg_dump -Fc -Z0 --schema-only -d shop -f pg17-of-pg15.dump   17's of 15
SET client_min_messages = warning;
CREATE ROLE shop_owner;
CREATE ROLE "shop ""reader""";
CREATE SCHEMA "My Shop" AUTHORIZATION shop_owner;
SET ROLE shop_owner;
CREATE TYPE "My Shop".state AS ENUM ('new', 'it''s; done');
CREATE TABLE "My Shop".users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL DEFAULT 'a;b',
    pg_attver integer
);
ALTER TABLE "My Shop".users ALTER COLUMN name SET (n_distinct = 5);
ALTER TABLE "My Shop".users ADD CONSTRAINT users_attver_key UNIQUE (name, pg_attver);
CREATE TABLE "My Shop".orders (
    id bigint PRIMARY KEY,
    user_id bigint REFERENCES "My Shop".users,
    state "My Shop".state
);
CREATE INDEX orders_state ON "My Shop".orders (state) WHERE state <> 'new';
CREATE STATISTICS "My Shop".orders_stat ON user_id, state FROM "My Shop".orders;
CREATE VIEW "My Shop".open AS SELECT id FROM "My Shop".orders WHERE state = 'new';
CREATE FUNCTION "My Shop".kind(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
    SELECT 'x;';
    SELECT CASE WHEN n > 1 THEN 'many' ELSE 'one' END;
END;
COMMENT ON TABLE "My Shop".users IS 'Who buys; "here"
and there.';
ALTER TABLE "My Shop".users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON "My Shop".users FOR SELECT TO shop_owner, "shop ""reader""" USING (id > 0);
GRANT SELECT ON "My Shop".users TO "shop ""reader""";
ALTER DEFAULT PRIVILEGES IN SCHEMA "My Shop" GRANT SELECT ON TABLES TO "shop ""reader""";
