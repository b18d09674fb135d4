-- What PostgreSQL 16 brought.
CREATE SCHEMA zoo_16;
CREATE TABLE zoo_16.storage_in_create (id integer PRIMARY KEY, a text STORAGE EXTERNAL,
    b text STORAGE main COMPRESSION pglz);
INSERT INTO zoo_16.storage_in_create VALUES (1, repeat('a', 5000), repeat('b', 5000));
-- Before 16 such a byte cannot be written as text at all.
CREATE TABLE zoo_16.high_chars (id integer PRIMARY KEY, c "char");
INSERT INTO zoo_16.high_chars SELECT g, g::"char" FROM generate_series(-128, 127) AS g;
CREATE TABLE zoo_16.numbers (id integer PRIMARY KEY, v integer DEFAULT 0x_ff_ff, w bigint DEFAULT 0b1010);
INSERT INTO zoo_16.numbers (id) VALUES (1_000);
CREATE VIEW zoo_16.json_view AS
    SELECT doc IS JSON OBJECT AS is_object, JSON_OBJECT('a': id, 'b': name) AS made,
           JSON_ARRAYAGG(n NULL ON NULL) OVER () AS list FROM zoo_index.thing;
CREATE VIEW zoo_16.any_value_view AS SELECT any_value(n) AS n, code FROM zoo_index.thing GROUP BY code;
\if :has_icu
CREATE COLLATION zoo_16.with_rules (provider = icu, locale = '', rules = '&V << w <<< W');
\endif
