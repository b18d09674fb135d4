-- Indexes of every method and option, statistics objects, clustering.
CREATE SCHEMA zoo_index;
CREATE TABLE zoo_index.thing (
    id integer PRIMARY KEY, name text, code text, n integer, m numeric, tags text[], doc jsonb,
    spot point, span int4range, body tsvector, at timestamptz, mood zoo_types.mood, host inet,
    flag boolean
);
INSERT INTO zoo_index.thing SELECT g, 'Name ' || g, 'code-' || g % 50, g % 100, g / 7.0,
    ARRAY['t' || g % 5, 't' || g % 3], jsonb_build_object('k', g, 'list', ARRAY[g, g + 1]),
    point(g, -g), int4range(g, g + 10), to_tsvector('simple', 'word' || g || ' common'),
    '2026-01-01 00:00:00+00'::timestamptz + g * '1 min'::interval,
    (enum_range(NULL::zoo_types.mood))[1 + g % 7], ('10.0.' || g % 256 || '.1')::inet, g % 3 = 0
    FROM generate_series(1, 2000) AS g;

CREATE INDEX by_expression ON zoo_index.thing (lower(name), (n + 1), (doc ->> 'k'));
CREATE INDEX by_function ON zoo_index.thing (zoo_code.normal(name), zoo_code.twice(n));
CREATE INDEX partial ON zoo_index.thing (n) WHERE flag AND code <> 'it''s "odd"';
CREATE UNIQUE INDEX covering ON zoo_index.thing (id DESC) INCLUDE (name, "code");
CREATE INDEX ordered ON zoo_index.thing (n DESC NULLS LAST, m ASC NULLS FIRST, id DESC);
CREATE INDEX with_opclass ON zoo_index.thing (name text_pattern_ops, code varchar_pattern_ops);
CREATE INDEX with_own_opclass ON zoo_index.thing (n zoo_code.abs_ops);
CREATE INDEX with_collation ON zoo_index.thing (name COLLATE "C" DESC, code COLLATE "POSIX");
CREATE INDEX with_options ON zoo_index.thing (n) WITH (fillfactor = 55, deduplicate_items = off);
CREATE INDEX hashed ON zoo_index.thing USING hash (code) WITH (fillfactor = 70);
CREATE INDEX gin_array ON zoo_index.thing USING gin (tags) WITH (fastupdate = off);
CREATE INDEX gin_json ON zoo_index.thing USING gin (doc);
CREATE INDEX gin_path ON zoo_index.thing USING gin (doc jsonb_path_ops);
CREATE INDEX gin_text ON zoo_index.thing USING gin (body) WITH (gin_pending_list_limit = 128);
CREATE INDEX gist_point ON zoo_index.thing USING gist (spot) WITH (buffering = on);
CREATE INDEX gist_range ON zoo_index.thing USING gist (span, spot) INCLUDE (id);
CREATE INDEX gist_text ON zoo_index.thing USING gist (body tsvector_ops (siglen = 200));
CREATE INDEX spgist_point ON zoo_index.thing USING spgist (spot quad_point_ops);
CREATE INDEX spgist_text ON zoo_index.thing USING spgist (name);
CREATE INDEX spgist_inet ON zoo_index.thing USING spgist (host);
CREATE INDEX brin_time ON zoo_index.thing USING brin (at, n) WITH (pages_per_range = 4, autosummarize = on);
CREATE INDEX brin_multi ON zoo_index.thing
    USING brin (n int4_minmax_multi_ops (values_per_range = 16), code text_bloom_ops);
CREATE INDEX by_enum ON zoo_index.thing (mood, id);
CREATE INDEX "Index ""named"" oddly, 100%" ON zoo_index.thing (flag);
CREATE UNIQUE INDEX only_one_null ON zoo_index.thing ((flag IS NULL)) WHERE flag IS NULL;
\if :has_icu
CREATE INDEX icu_sorted ON zoo_index.thing (name COLLATE zoo_types.german_phonebook);
\endif
CREATE FUNCTION zoo_index.row_id(zoo_index.thing) RETURNS integer LANGUAGE sql IMMUTABLE
    AS 'SELECT $1.id';
CREATE INDEX whole_row ON zoo_index.thing (zoo_index.row_id(thing.*)) WHERE id < 10;
ALTER INDEX zoo_index.by_expression ALTER COLUMN 2 SET STATISTICS 300;
ALTER TABLE zoo_index.thing CLUSTER ON by_enum;
COMMENT ON INDEX zoo_index.partial IS 'an index with a condition';

CREATE STATISTICS zoo_index.all_kinds ON n, code, mood FROM zoo_index.thing;
CREATE STATISTICS zoo_index."one ""kind""" (ndistinct) ON n, code FROM zoo_index.thing;
CREATE STATISTICS zoo_index.two_kinds (dependencies, mcv) ON code, flag, n FROM zoo_index.thing;
CREATE STATISTICS zoo_index.expressions ON (lower(name)), (n % 10), code FROM zoo_index.thing;
CREATE STATISTICS zoo_index.one_expression ON (upper(code)) FROM zoo_index.thing;
ALTER STATISTICS zoo_index.all_kinds SET STATISTICS 42;
ALTER STATISTICS zoo_index.two_kinds OWNER TO zoo_owner;
COMMENT ON STATISTICS zoo_index.all_kinds IS 'an extended statistics object';
