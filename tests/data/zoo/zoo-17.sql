-- What PostgreSQL 17 brought.
CREATE SCHEMA zoo_17;
CREATE TABLE zoo_17.intervals (id integer PRIMARY KEY, span interval, at timestamptz);
INSERT INTO zoo_17.intervals VALUES (1, 'infinity', 'infinity'), (2, '-infinity', '-infinity');
-- One identity for all partitions; exclusion over partitions; their access method.
CREATE TABLE zoo_17.numbered (id integer GENERATED ALWAYS AS IDENTITY (START 10), k integer, v text,
    EXCLUDE USING btree (k WITH =)) PARTITION BY LIST (k) USING zoo_heap;
CREATE TABLE zoo_17.numbered_1 PARTITION OF zoo_17.numbered FOR VALUES IN (1);
CREATE TABLE zoo_17.numbered_rest PARTITION OF zoo_17.numbered DEFAULT USING heap;
INSERT INTO zoo_17.numbered (k, v) VALUES (1, 'a'), (2, 'b'), (3, 'c');
CREATE TABLE zoo_17.recomputed (id integer PRIMARY KEY, a integer,
    b integer GENERATED ALWAYS AS (a + 1) STORED);
INSERT INTO zoo_17.recomputed SELECT g, g FROM generate_series(1, 5) AS g;
ALTER TABLE zoo_17.recomputed ALTER b SET EXPRESSION AS (a * 10);
CREATE COLLATION zoo_17.builtin (provider = builtin, locale = 'C.UTF-8');
CREATE TABLE zoo_17.sorted (t text COLLATE zoo_17.builtin PRIMARY KEY);
INSERT INTO zoo_17.sorted VALUES ('ä'), ('Z'), ('z'), ('');
CREATE VIEW zoo_17.json_table_view AS
    SELECT t.id, j.item FROM zoo_index.thing AS t,
           JSON_TABLE(t.doc, '$.list[*]' COLUMNS (item integer PATH '$' DEFAULT 0 ON EMPTY)) AS j;
CREATE VIEW zoo_17.merge_support AS SELECT JSON_VALUE(doc, '$.k' RETURNING integer) AS k FROM zoo_index.thing;
GRANT MAINTAIN ON zoo_17.intervals TO zoo_writer;
