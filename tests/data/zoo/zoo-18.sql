-- What PostgreSQL 18 brought.
CREATE SCHEMA zoo_18;
CREATE TABLE zoo_18.virtual (id integer PRIMARY KEY, name text,
    computed text GENERATED ALWAYS AS (upper(name)) VIRTUAL,
    also integer GENERATED ALWAYS AS (id * 2),
    kept integer GENERATED ALWAYS AS (id * 3) STORED);
INSERT INTO zoo_18.virtual (id, name) SELECT g, 'name ' || g FROM generate_series(1, 20) AS g;
CREATE TABLE zoo_18.only_virtual (a integer GENERATED ALWAYS AS (1 + 1));
INSERT INTO zoo_18.only_virtual DEFAULT VALUES;
INSERT INTO zoo_18.only_virtual DEFAULT VALUES;
CREATE TABLE zoo_18.not_enforced (id integer PRIMARY KEY, v integer,
    CONSTRAINT wishful CHECK (v > 0) NOT ENFORCED,
    CONSTRAINT wishful_key FOREIGN KEY (v) REFERENCES zoo.no_row NOT ENFORCED);
INSERT INTO zoo_18.not_enforced VALUES (1, -1), (2, 5);
CREATE TABLE zoo_18.named_not_null (id integer CONSTRAINT "my ""not null""" NOT NULL, v integer, w integer
    CONSTRAINT inherits_not NOT NULL NO INHERIT);
INSERT INTO zoo_18.named_not_null VALUES (1, NULL, 1);
ALTER TABLE zoo_18.named_not_null ADD CONSTRAINT later_not_null NOT NULL v NOT VALID;
COMMENT ON CONSTRAINT later_not_null ON zoo_18.named_not_null IS 'broken by a row';
\if :has_contrib
CREATE TABLE zoo_18.price (product integer, valid daterange, amount numeric,
    PRIMARY KEY (product, valid WITHOUT OVERLAPS));
INSERT INTO zoo_18.price VALUES (1, '[2026-01-01,2026-02-01)', 1.0), (1, '[2026-02-01,)', 1.50);
CREATE TABLE zoo_18.sale (id integer PRIMARY KEY, product integer, during daterange,
    FOREIGN KEY (product, PERIOD during) REFERENCES zoo_18.price (product, PERIOD valid));
INSERT INTO zoo_18.sale VALUES (1, 1, '[2026-01-15,2026-02-15)');
\endif
CREATE TABLE zoo_18.uuids (id uuid PRIMARY KEY DEFAULT uuidv7(), n integer);
INSERT INTO zoo_18.uuids SELECT md5(g::text)::uuid, g FROM generate_series(1, 10) AS g;
CREATE COLLATION zoo_18.folded (provider = builtin, locale = 'PG_UNICODE_FAST');
CREATE PUBLICATION zoo_18_generated FOR TABLE zoo_18.virtual
    WITH (publish = 'insert', publish_generated_columns = stored);
