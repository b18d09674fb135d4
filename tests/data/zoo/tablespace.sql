-- Objects in a tablespace, apart from zoo.sql: it belongs to the cluster, and
-- the target may lack it. From PostgreSQL 15 on, whose tablespaces may lie in
-- the data folder itself.
\set ON_ERROR_STOP on
SET allow_in_place_tablespaces = true;
CREATE TABLESPACE zoo_space LOCATION '';
CREATE SCHEMA zoo_space;
CREATE TABLE zoo_space.inside (id integer PRIMARY KEY USING INDEX TABLESPACE zoo_space, v text)
    TABLESPACE zoo_space;
INSERT INTO zoo_space.inside VALUES (1, 'a'), (2, 'b');
CREATE INDEX inside_v ON zoo_space.inside (v) TABLESPACE zoo_space;
CREATE INDEX outside_v ON zoo_space.inside (lower(v));
ALTER TABLE zoo_space.inside ADD EXCLUDE (v WITH =) USING INDEX TABLESPACE zoo_space;
CREATE TABLE zoo_space.outside (id integer PRIMARY KEY USING INDEX TABLESPACE zoo_space, v text UNIQUE);
CREATE TABLE zoo_space.parts (id integer, v text) PARTITION BY LIST (id);
CREATE TABLE zoo_space.part_1 PARTITION OF zoo_space.parts FOR VALUES IN (1) TABLESPACE zoo_space;
CREATE INDEX parts_v ON zoo_space.parts (v) TABLESPACE zoo_space;
CREATE MATERIALIZED VIEW zoo_space.seen TABLESPACE zoo_space AS SELECT count(*) AS n FROM zoo_space.inside;
CREATE INDEX seen_n ON zoo_space.seen (n) TABLESPACE zoo_space;
CREATE INDEX seen_outside ON zoo_space.seen ((n + 1));
