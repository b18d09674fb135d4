-- What PostgreSQL 15 brought.
CREATE SCHEMA zoo_15;
CREATE TABLE zoo_15.nulls (id integer PRIMARY KEY, a integer, b integer,
    UNIQUE NULLS NOT DISTINCT (a, b));
INSERT INTO zoo_15.nulls VALUES (1, 1, NULL), (2, NULL, NULL), (3, 1, 1);
CREATE UNIQUE INDEX nulls_index ON zoo_15.nulls ((a + b)) NULLS NOT DISTINCT WHERE id > 1;
CREATE TABLE zoo_15.partly_nulled (id integer PRIMARY KEY, a integer, b text,
    FOREIGN KEY (a, b) REFERENCES zoo_rules.parent ON DELETE SET NULL (b));
INSERT INTO zoo_15.partly_nulled SELECT g, g, 'b' || g FROM generate_series(1, 10) AS g;
CREATE TABLE zoo_15.scales (id integer PRIMARY KEY, thousands numeric(5, -3), tiny numeric(3, 6));
INSERT INTO zoo_15.scales VALUES (1, 123456, 0.000123), (2, -99999000, 0), (3, 'NaN', 'NaN');
CREATE UNLOGGED SEQUENCE zoo_15.unlogged_sequence START 5;
SELECT nextval('zoo_15.unlogged_sequence');
CREATE VIEW zoo_15.as_invoker WITH (security_invoker = true) AS SELECT id FROM zoo_15.nulls;
CREATE MATERIALIZED VIEW zoo_15.other_access USING zoo_heap AS SELECT 1 AS a;
CREATE PUBLICATION zoo_15_filtered FOR
    TABLE zoo.many_blocks WHERE (id > 10), zoo_15.nulls WHERE (id <> 2 AND a IS NOT NULL),
    TABLES IN SCHEMA zoo_index, "select"
    WITH (publish = 'insert');
CREATE PUBLICATION zoo_15_columns FOR TABLE zoo.altered (id, fast) WHERE (id > 3),
    "Odd ""Schema"".x"."Table.with ""quotes"" and 'more'" ("Id", "with space")
    WITH (publish = 'insert, delete');
-- Switched off on one partition, whose own name for it differs.
CREATE TRIGGER cloned AFTER INSERT ON zoo_parts.event FOR EACH ROW
    EXECUTE FUNCTION zoo_trigger.write_log('cloned');
ALTER TRIGGER cloned ON zoo_parts.event RENAME TO "cloned, renamed";
ALTER TABLE zoo_parts.event_old ENABLE ALWAYS TRIGGER "cloned, renamed";
