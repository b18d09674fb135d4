-- Types of every kind: enum, domain, composite, range, base; over each other.
CREATE SCHEMA zoo AUTHORIZATION zoo_owner;
CREATE SCHEMA zoo_types;
COMMENT ON SCHEMA zoo IS 'Where most of the animals live; it''s "quoted", and has a \ and a
second line';

-- The label's order is not the order in which labels were made.
CREATE TYPE zoo_types.mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE zoo_types.mood ADD VALUE 'so-so' BEFORE 'ok';
ALTER TYPE zoo_types.mood ADD VALUE 'it''s "great"' AFTER 'happy';
ALTER TYPE zoo_types.mood ADD VALUE 'with space, comma' BEFORE 'sad';
ALTER TYPE zoo_types.mood ADD VALUE 'größer\' AFTER 'ok';
COMMENT ON TYPE zoo_types.mood IS 'an enum with labels that need quoting';
CREATE TYPE zoo_types.no_label AS ENUM ();
CREATE TYPE zoo_types.unused AS ENUM ('first', 'second', 'third');
CREATE TYPE zoo_types."Mixed Case Enum" AS ENUM ('A', 'a', '');

CREATE DOMAIN zoo_types.positive AS integer
    CONSTRAINT is_positive CHECK (VALUE > 0)
    CONSTRAINT "not 13" CHECK (VALUE <> 13);
COMMENT ON DOMAIN zoo_types.positive IS 'a domain with two checks';
COMMENT ON CONSTRAINT is_positive ON DOMAIN zoo_types.positive IS 'the first of them';
CREATE DOMAIN zoo_types.small_positive AS zoo_types.positive DEFAULT 7 CHECK (VALUE < 100);
CREATE DOMAIN zoo_types.email AS text COLLATE "C" NOT NULL CHECK (VALUE ~ '^[^@]+@[^@]+$');
CREATE DOMAIN zoo_types.int_list AS integer[] CHECK (array_length(VALUE, 1) < 10);
CREATE DOMAIN zoo_types.mood_list AS zoo_types.mood[];
CREATE DOMAIN zoo_types.relation AS regclass;
CREATE DOMAIN zoo_types.late_check AS integer;

CREATE TYPE zoo_types.point3 AS (x double precision, y double precision, z double precision);
COMMENT ON TYPE zoo_types.point3 IS 'a composite';
COMMENT ON COLUMN zoo_types.point3.x IS 'its first attribute';
CREATE TYPE zoo_types.nested AS (
    label text COLLATE "C",
    centre zoo_types.point3,
    corners zoo_types.point3[],
    mood zoo_types.mood,
    "odd, name" zoo_types.positive
);
-- A composite that has lost an attribute and gained another.
CREATE TYPE zoo_types.changed AS (a integer, gone text, b text);
ALTER TYPE zoo_types.changed DROP ATTRIBUTE gone;
ALTER TYPE zoo_types.changed ADD ATTRIBUTE c date;
CREATE TYPE zoo_types.no_attribute AS ();
CREATE DOMAIN zoo_types.checked_point AS zoo_types.point3 
    CHECK (VALUE IS NULL OR (VALUE).z IS NOT NULL);

CREATE FUNCTION zoo_types.minutes_between(a time, b time) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT
    AS 'SELECT pg_catalog.date_part(''epoch'', a - b) / 60';
CREATE TYPE zoo_types.time_range AS RANGE (
    subtype = time,
    subtype_diff = zoo_types.minutes_between,
    multirange_type_name = zoo_types."time ranges"
);
CREATE TYPE zoo_types.text_range AS RANGE (subtype = text, collation = "C");
CREATE DOMAIN zoo_types.office_hours AS zoo_types.time_range
    CHECK (VALUE <@ '[08:00,18:00]'::zoo_types.time_range);

-- A base type of functions that every server has. It has no binary form.
CREATE TYPE zoo_types.word;
CREATE FUNCTION zoo_types.word_in(cstring) RETURNS zoo_types.word
    LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION zoo_types.word_out(zoo_types.word) RETURNS cstring
    LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE zoo_types.word (
    INPUT = zoo_types.word_in,
    OUTPUT = zoo_types.word_out,
    LIKE = text,
    CATEGORY = 'S',
    DELIMITER = ';'
);
COMMENT ON TYPE zoo_types.word IS 'a base type';
CREATE TYPE zoo_types.only_a_shell;

CREATE CAST (zoo_types.word AS text) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE CAST (text AS zoo_types.word) WITHOUT FUNCTION;
CREATE FUNCTION zoo_types.mood_to_int(zoo_types.mood) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT
    AS $$SELECT pg_catalog.array_position(pg_catalog.enum_range(NULL::zoo_types.mood), $1)$$;
CREATE CAST (zoo_types.mood AS integer)
    WITH FUNCTION zoo_types.mood_to_int(zoo_types.mood) AS ASSIGNMENT;
CREATE CAST (zoo_types.point3 AS text) WITH INOUT;
COMMENT ON CAST (zoo_types.mood AS integer) IS 'position of the label';

\if :has_icu
CREATE COLLATION zoo_types.german_phonebook (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION zoo_types.case_blind
    (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
COMMENT ON COLLATION zoo_types.case_blind IS 'not deterministic: a equals A';
\endif
CREATE COLLATION zoo_types."my C" FROM "C";
