"""The fingerprint of a catalogue (rule 20): every change of the schema is named, and nothing else is."""

import subprocess

import pytest

import tools
import zoo
import zoo_mutations

VERSIONS = (14, 15, 16, 17, 18)


def take(db, path):
    path.write_text(tools.run("fingerprint_tool", "take", "--url", db.url), encoding="utf-8")
    return path


def changes(db, path):
    return [tuple(change) for change in tools.run("fingerprint_tool", "compare", "--url", db.url, "--with", path)]


def is_schema(mutation):
    return mutation.kinds == zoo_mutations.SCHEMA


@pytest.fixture
def filled(database):
    def make(version):
        db = database(version)
        zoo.load(db)
        return db
    return make


@pytest.mark.parametrize("version", [v if v == 15 else pytest.param(v, marks=pytest.mark.plain) for v in VERSIONS])
def test_rule_20_every_change_of_the_schema_is_named_and_no_change_of_rows_is(filled, tmp_path, version):
    base = filled(version)
    unseen, misled, seen = [], [], 0
    for group in zoo.batches(base):
        copy = base.server.create_db(options=f'TEMPLATE "{base.name}"')
        before = take(copy, tmp_path / "before")
        rows = [mutation for mutation in group if not is_schema(mutation)]
        for mutation in rows:
            zoo.mutate(copy, mutation)
        if not any(mutation.name.startswith("large object") for mutation in rows):
            misled += changes(copy, before)
        for mutation in group:
            if is_schema(mutation):
                zoo.mutate(copy, mutation)
        found = " ".join(name for _, name in changes(copy, before)).replace('""', '"')
        for mutation in group:
            if is_schema(mutation):
                seen += 1
                if mutation.object.replace('""', '"').strip('"') not in found:
                    unseen.append(mutation.name)
        copy.server.sql(f'DROP DATABASE "{copy.name}" WITH (FORCE)')
    assert unseen == [] and misled == []
    assert seen > 70


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.plain
def test_rule_20_it_is_the_same_after_what_changes_no_schema(filled, pg_bin, tmp_path, version):
    base = filled(version)
    before = take(base, tmp_path / "before")
    if version in (15, 17):
        subprocess.run([pg_bin(version) / "pg_dump", "-Fc", "-f", tmp_path / "dump", base.url], check=True, capture_output=True)
    for change in zoo.NO_DIFFERENCE:
        zoo.mutate(base, change)
    base.sql("ANALYZE")
    base.sql("VACUUM FULL zoo.many_blocks")
    base.sql("CREATE TEMP TABLE gone (i int)")
    base.sql("REINDEX SCHEMA zoo_index")
    base.sql("GRANT SELECT ON zoo.no_key TO zoo_reader")
    base.sql("REVOKE SELECT ON zoo.no_key FROM zoo_reader")
    base.server.restart()
    assert changes(base, before) == []


def test_rule_20_what_homeport_makes_is_left_out(database, tmp_path):
    db = database(15)
    db.script("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);"
              "CREATE PUBLICATION everything FOR ALL TABLES")
    before = take(db, tmp_path / "before")
    tools.run("fence_tool", "prepare", "--url", db.url, "--tables", "a,b")
    db.script("CREATE TABLE homeport.progress (id int PRIMARY KEY); COMMENT ON TABLE homeport.progress IS 'x';"
              "CREATE INDEX ON homeport.progress ((id + 1)); CREATE TYPE homeport.t AS ENUM ('a');"
              "COMMENT ON SCHEMA homeport IS 'y'; COMMENT ON TRIGGER homeport_fence ON a IS 'z';"
              "CREATE PUBLICATION homeport_abc FOR TABLE a")
    tools.run("fence_tool", "all", "--url", db.url, "--tables", "a,b")
    assert changes(db, before) == []
    tools.run("fence_tool", "remove", "--url", db.url)
    assert changes(db, before) == []


@pytest.mark.parametrize("statement, kind, thing", (
    ("ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO PUBLIC", "+", "default privileges for postgres on tables"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON FUNCTIONS TO PUBLIC", "+", "default privileges for postgres on functions in public"),
    ("CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION noticed()", "+", "event trigger watch"),
    ("CREATE PUBLICATION mine FOR TABLE a (id)", "+", "publication mine"),
    ("ALTER PUBLICATION chosen DROP TABLE a", "~", "publication chosen"),
    ("ALTER PUBLICATION chosen SET TABLE a WHERE (id > 5)", "~", "publication chosen"),
    ("DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY)", "~", "table public.b"),  # it is not published any more
    ("ALTER TABLE b RENAME TO c", "+", "table public.c"),
    ("ALTER TABLE b SET SCHEMA other", "-", "table public.b"),
    ("CREATE UNLOGGED TABLE new (id int)", "+", "table public.new"),
    ("CREATE TABLE part_2 PARTITION OF part FOR VALUES IN (2)", "+", "table public.part_2"),
    ("ALTER TABLE part DETACH PARTITION part_1", "~", "table public.part_1"),
    ("SELECT lo_create(77)", "+", "large object 77"),
    ("CREATE MATERIALIZED VIEW sums AS SELECT 1", "+", "materialized view public.sums"),
    ("ALTER TABLE a DISABLE TRIGGER tell", "~", "trigger tell on public.a"),
    ("ALTER TABLE a REPLICA IDENTITY FULL", "~", "table public.a"),
    ("ALTER TABLE a ALTER id SET DEFAULT 5", "~", "column public.a.id"),
    ("CREATE EXTENSION pg_trgm", "+", "extension pg_trgm"),
    ("CREATE SCHEMA \"line\nfeed \\ and \"\"quote\"", "+", "schema \"line\nfeed \\ and \"\"quote\""),
))
def test_rule_20_a_single_change(database, tmp_path, statement, kind, thing):
    db = database(15)
    db.script("""
        CREATE SCHEMA other;
        CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY);
        CREATE TABLE part (i int) PARTITION BY LIST (i);
        CREATE TABLE part_1 PARTITION OF part FOR VALUES IN (1);
        CREATE FUNCTION noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER tell AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION told();
        CREATE PUBLICATION chosen FOR TABLE a, b;
        """)
    before = take(db, tmp_path / "before")
    db.script(statement)
    found = changes(db, before)
    assert (kind, thing) in found
    assert len(found) < 12


def test_rule_20_an_extensions_members_are_its_own(database, tmp_path):
    db = database(15)
    before = take(db, tmp_path / "before")
    db.script("CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION btree_gist")
    assert {name for _, name in changes(db, before)} == {"extension hstore", "extension citext", "extension btree_gist"}


def test_rule_20_many_changes_are_all_named(database, tmp_path):
    db = database(15)
    before = take(db, tmp_path / "before")
    db.script("".join(f"CREATE TABLE t{i} (id int, note text);" for i in range(500)))
    found = changes(db, before)
    assert {c for c in found if c[1].startswith("table ")} == {("+", f"table public.t{i}") for i in range(500)}
    before = take(db, tmp_path / "before")
    db.script("".join(f"DROP TABLE t{i};" for i in range(500)))
    assert all(kind == "-" for kind, _ in changes(db, before)) and len(changes(db, before)) >= 1500


def test_rule_20_it_is_quick(database, tmp_path):
    best = {}
    for count in (100, 1000):
        db = database(15)
        db.script("".join(
            f"CREATE TABLE t{i} (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text NOT NULL DEFAULT 'x', b int,"
            f" c timestamptz DEFAULT now(), d jsonb, e numeric(10, 2), f uuid UNIQUE, g text[] CHECK (cardinality(g) < 9));"
            f"CREATE INDEX ON t{i} (a, b); CREATE INDEX ON t{i} (lower(a)) WHERE b > 5;" for i in range(count)))
        db.sql("ANALYZE")
        best[count] = tools.run("fingerprint_tool", "take", "--url", db.url, "--times", 5)["ms"]
    print(best)
    assert best[100] < 200 and best[1000] < 2000  # to reach: 100 and 1,000; the machine is shared


def test_a_fingerprint_that_was_not_kept_whole_is_refused(database, tmp_path):
    db = database(15)
    db.script("CREATE TABLE a (id int PRIMARY KEY, note text)")
    text = tools.run("fingerprint_tool", "take", "--url", db.url)
    lines = text.splitlines(keepends=True)
    damaged = tmp_path / "damaged"
    for bad in ("", "\n", text[:-5], "".join(lines[1:]), "".join(lines[:-1]), text.replace("note", "nota"),
                lines[0] + text, "x" + text):
        damaged.write_text(bad, encoding="utf-8")
        assert "fingerprint" in tools.run("fingerprint_tool", "compare", "--url", db.url, "--with", damaged, rc=1)
