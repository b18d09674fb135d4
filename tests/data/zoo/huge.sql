-- Values of 200 MB each, made on demand since this takes its time: not part of
-- zoo.sql. psql -X -q -v megabytes=200 -d DATABASE -f huge.sql
\set ON_ERROR_STOP on
SET search_path = '';
\if :{?megabytes}
\else
\set megabytes 200
\endif
CREATE SCHEMA zoo_huge;
CREATE TABLE zoo_huge.value (id integer PRIMARY KEY, kind text, body text, data bytea);
-- Not compressed: what is stored and what goes over the wire is of the full size.
ALTER TABLE zoo_huge.value ALTER body SET STORAGE EXTERNAL, ALTER data SET STORAGE EXTERNAL;
-- 1 MB that repeats, since random bytes would take minutes; each piece is told apart by its number.
CREATE TEMP TABLE piece AS
    SELECT pg_catalog.string_agg(pg_catalog.md5(g::text), '' ORDER BY g) AS body
      FROM pg_catalog.generate_series(1, 32767) AS g;
INSERT INTO zoo_huge.value (id, kind, body)
    SELECT 1, 'text', pg_catalog.string_agg(pg_catalog.lpad(n::text, 32, E'\\\t') || p.body, '' ORDER BY n)
      FROM piece AS p, pg_catalog.generate_series(1, :megabytes) AS n;
-- Every byte value, and in text form twice as long as it is.
INSERT INTO zoo_huge.value (id, kind, data)
    SELECT 2, 'bytea', pg_catalog.string_agg(pg_catalog.decode(pg_catalog.lpad(pg_catalog.to_hex(n), 64, '0')
           || p.body || p.body, 'hex'), '' ORDER BY n)
      FROM piece AS p, pg_catalog.generate_series(1, :megabytes) AS n;
INSERT INTO zoo_huge.value VALUES (3, 'small', 'after the large ones', '\x00');
