-- Views on views, recursive and updatable ones, rules, materialised views.
CREATE SCHEMA zoo_views;
CREATE VIEW zoo_views.first AS SELECT id, name, n, tags FROM zoo_index.thing WHERE n < 50;
CREATE VIEW zoo_views.second (a, "B") AS SELECT id, upper(name) FROM zoo_views.first;
CREATE VIEW zoo_views.third AS
    SELECT s.*, f.n FROM zoo_views.second AS s JOIN zoo_views.first AS f ON f.id = s.a;
CREATE RECURSIVE VIEW zoo_views.chain (id, boss, depth) AS
    SELECT id, boss, 1 FROM zoo_rules.person WHERE boss IS NULL
    UNION ALL
    SELECT p.id, p.boss, c.depth + 1 FROM zoo_rules.person AS p JOIN chain AS c ON p.boss = c.id;
CREATE VIEW zoo_views.writable WITH (security_barrier = true, check_option = cascaded) AS
    SELECT id, note FROM zoo.no_row WHERE id > 0;
CREATE VIEW zoo_views.local_check AS SELECT id, note FROM zoo_views.writable WHERE id < 100
    WITH LOCAL CHECK OPTION;
ALTER VIEW zoo_views.writable ALTER COLUMN note SET DEFAULT 'from the view''s default';
-- Needs the primary key of another table: it can be made only after the keys.
CREATE VIEW zoo_views.needs_key AS
    SELECT p.a, p.b, p.c, p.d, count(c.id) AS children
      FROM zoo_rules.parent AS p LEFT JOIN zoo_rules.child AS c ON (c.a, c.b) = (p.a, p.b)
     GROUP BY p.a, p.b;
CREATE VIEW zoo_views.on_needs_key AS SELECT a, children FROM zoo_views.needs_key WHERE children > 0;
CREATE FUNCTION zoo_views.atomic_needs_key() RETURNS SETOF zoo_rules.parent LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT a, b, c, d FROM zoo_rules.parent GROUP BY a, b;
    END;
-- Types of rows, and functions over them.
CREATE FUNCTION zoo_views.of_row(zoo_views.first) RETURNS text LANGUAGE sql STABLE
    AS 'SELECT $1.name';
CREATE VIEW zoo_views.calls AS SELECT f.id, zoo_views.of_row(f.*) AS name, t."Square"
    FROM zoo_views.first AS f CROSS JOIN LATERAL zoo_code.table_of(2) AS t;
CREATE VIEW zoo_views.everything AS
    WITH w AS MATERIALIZED (SELECT 1 AS a, 'x'::text COLLATE "C" AS b)
    SELECT DISTINCT ON (w.a) w.a, w.b, row_number() OVER (PARTITION BY w.a ORDER BY w.b DESC) AS r,
           GROUPING(w.a), array_agg(w.b ORDER BY w.b) FILTER (WHERE w.a > 0) AS list,
           '1.0'::numeric + .5 AS "quoted ""name""", E'\\ ''' AS literal, now() AT TIME ZONE 'UTC' AS at
      FROM w LEFT JOIN LATERAL (VALUES (1), (2)) AS v (x) ON v.x = w.a
     GROUP BY GROUPING SETS ((w.a, w.b), (w.a)) ORDER BY w.a, w.b LIMIT 5;
COMMENT ON VIEW zoo_views.third IS 'a view on views';
COMMENT ON COLUMN zoo_views.second."B" IS 'a column of a view';

CREATE RULE "redirect insert" AS ON INSERT TO zoo_views.second
    DO INSTEAD INSERT INTO zoo.no_row VALUES (NEW.a, NEW."B");
CREATE TABLE zoo_views.ruled (id integer PRIMARY KEY, v text);
CREATE TABLE zoo_views.rule_log (at integer, v text);
CREATE RULE also_log AS ON INSERT TO zoo_views.ruled WHERE NEW.id > 0
    DO ALSO INSERT INTO zoo_views.rule_log VALUES (NEW.id, NEW.v);
CREATE RULE no_delete AS ON DELETE TO zoo_views.ruled DO INSTEAD NOTHING;
CREATE RULE disabled_rule AS ON UPDATE TO zoo_views.ruled DO ALSO NOTIFY zoo;
INSERT INTO zoo_views.ruled SELECT g, 'v' || g FROM generate_series(1, 10) AS g;
ALTER TABLE zoo_views.ruled DISABLE RULE disabled_rule;
ALTER TABLE zoo_views.ruled ENABLE ALWAYS RULE also_log;
COMMENT ON RULE also_log ON zoo_views.ruled IS 'a rule';

CREATE MATERIALIZED VIEW zoo_views.totals WITH (fillfactor = 90) AS
    SELECT code, count(*) AS things, sum(m) AS total FROM zoo_index.thing GROUP BY code;
CREATE UNIQUE INDEX totals_code ON zoo_views.totals (code) INCLUDE (total);
CREATE INDEX totals_expression ON zoo_views.totals ((things * 2) DESC) WHERE total > 0;
CREATE MATERIALIZED VIEW zoo_views.of_totals AS SELECT max(total) AS most FROM zoo_views.totals;
CREATE VIEW zoo_views.on_materialised AS SELECT most FROM zoo_views.of_totals;
CREATE MATERIALIZED VIEW zoo_views.a_chain AS SELECT most * 2 AS twice FROM zoo_views.on_materialised;
CREATE MATERIALIZED VIEW zoo_views.unpopulated AS SELECT 1 AS one WITH NO DATA;
CREATE INDEX unpopulated_one ON zoo_views.unpopulated (one);
CREATE MATERIALIZED VIEW zoo_views.on_key AS
    SELECT p.a, p.b, p.c FROM zoo_rules.parent AS p GROUP BY p.a, p.b;
ALTER MATERIALIZED VIEW zoo_views.totals ALTER COLUMN things SET STATISTICS 77;
ALTER MATERIALIZED VIEW zoo_views.totals CLUSTER ON totals_code;
COMMENT ON MATERIALIZED VIEW zoo_views.totals IS 'a materialised view';
