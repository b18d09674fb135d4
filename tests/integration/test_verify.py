"""verify: every difference is found and named, whatever the types, keys and names; equal is equal."""

import signal
import threading

import pytest

import wait
import zoo

# source, target, pg_dump of the move; verify needs one that reads both: 17 has it.
MATRIX = [(14, 17, 17), (15, 16, 15), (15, 17, 17), (16, 17, 17)]


def copy_of(db):
    """A database that is byte for byte the same."""
    return db.server.create_db(options=f'TEMPLATE "{db.name}"')


def verify(homeport, source, target, *args, rc=None, **options):
    result = homeport("verify", "--json", *args, source=source, target=target, **options)
    assert rc is None or result.rc == rc, str(result)
    return result


def found(result, kind=None):
    """{(kind, object, key): detail} of what was listed."""
    return {(d["kind"], d["object"], d["key"]): d["detail"] for d in result.json["list"] if kind in (None, d["kind"])}


@pytest.fixture
def twins(database):
    """twins(sql) -> a database made by the script, and its copy."""
    def make(sql, version=15):
        source = database(version)
        source.script(sql)
        return source, copy_of(source)
    return make


# -- what is refused

@pytest.mark.parametrize("refused, fix", [
    ("REVOKE ALL ON b.two FROM app", "GRANT SELECT ON TABLE b.two TO app;"),
    ("REVOKE ALL ON SCHEMA b FROM app", "GRANT USAGE ON SCHEMA b TO app;"),
])
@pytest.mark.parametrize("side", ["source", "target"])
def test_table_that_may_not_be_read_is_named_with_its_grant(homeport, twins, side, refused, fix):
    source, target = twins("CREATE TABLE one (a int); CREATE SCHEMA b; CREATE TABLE b.two (a int)")
    url = source.role("app")
    sides = {"source": source, "target": target}
    for db in sides.values():
        db.script("GRANT USAGE ON SCHEMA b TO app; GRANT SELECT ON one, b.two TO app")
    sides[side].sql(refused)
    urls = {"source": url, "target": url.replace(source.name, target.name)}
    result = homeport("verify", "--json", **urls)
    assert result.rc == 1
    assert result.json["error"]["sqlstate"] == "42501"
    assert f"Run there: {fix} `homeport check`" in result.json["error"]["hint"]


def test_a_database_is_not_compared_with_itself(homeport, database):
    source = database(15)
    source.sql("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    error = verify(homeport, source, source, rc=2).json["error"]
    assert (error["code"], error["message"]) == ("usage", "source and target are the same database")
    assert "--target" in error["hint"]


# -- the zoo

def test_copy_of_the_zoo_is_equal_and_stays_so_however_it_is_stored(homeport, database, pg_bin):
    source = database(15)
    zoo.load(source)
    target = copy_of(source)
    result = verify(homeport, source, target, "--pg-bin", pg_bin(15), rc=0)
    assert result.json["verified"] is True
    assert result.json["differences"] == 0 and result.json["list"] == []
    assert result.json["schema"] == {"compared": True, "why_not": None, "hint": None}
    assert result.json["rows"] == sum(count for count, _ in zoo.rows(source).values()) - matview_rows(source) \
        - not_carried_rows(source) + source.value("SELECT count(*) FROM pg_largeobject_metadata")
    for change in zoo.NO_DIFFERENCE:
        zoo.mutate(target, change)
    assert verify(homeport, source, target, "--pg-bin", pg_bin(15), rc=0).json["verified"] is True


def matview_rows(db):
    names = [name for (name,) in db.sql("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'm' AND relispopulated")]
    return sum(db.value(f"SELECT count(*) FROM {name}") for name in names)


def not_carried_rows(db):
    return sum(db.value(f"SELECT count(*) FROM {name}") for name in zoo.NOT_CARRIED
               if db.value("SELECT to_regclass(%s)", (name,))) + extension_rows_left_out(db)


def extension_rows_left_out(db):
    """Rows of configuration tables that came with the extension and are no user's."""
    left_out = 0
    for name, condition in db.sql(
            "SELECT c::regclass::text, n FROM pg_extension, unnest(extconfig, extcondition) AS u (c, n) WHERE n <> ''"):
        if db.value("SELECT relkind FROM pg_class WHERE oid = %s::regclass", (name,)) == "r":
            left_out += db.value(f"SELECT count(*) FROM {name}") - db.value(f"SELECT count(*) FROM {name} {condition}")
    return left_out


def named(mutation, differences):
    about = [d for d in differences
             if mutation.object.strip('"') in " ".join(str(d[part]) for part in ("object", "key", "detail"))]
    return any(mutation.kinds is None or d["kind"] in mutation.kinds for d in about)


@pytest.mark.plain
def test_every_mutation_of_the_zoo_is_named(homeport, database, pg_bin):
    source = database(15)
    zoo.load(source)
    for group in zoo.batches(source):
        target = copy_of(source)
        for mutation in group:
            zoo.mutate(target, mutation)
        result = verify(homeport, source, target, "--all", "--pg-bin", pg_bin(15), rc=3)
        assert result.json["verified"] is False
        assert result.json["differences"] >= len(group)
        unseen = [mutation.name for mutation in group if not named(mutation, result.json["list"])]
        assert not unseen, str(result)


@pytest.mark.plain
@pytest.mark.parametrize("source_version, target_version, tools", MATRIX)
def test_zoo_moved_to_a_newer_version_is_equal(homeport, pair, pg_bin, source_version, target_version, tools):
    source, target = pair(source_version, target_version)
    zoo.load(source, target)
    moved = homeport("move", "--once", "--no-verify", "--pg-bin", pg_bin(tools), source=source, target=target)
    assert moved.rc == 0, str(moved)
    assert verify(homeport, source, target, "--pg-bin", pg_bin(17), rc=0).json["schema"]["compared"] is True
    target.sql("DROP INDEX zoo_index.partial; REVOKE SELECT ON zoo.no_key FROM zoo_admin")
    target.sql("CREATE OR REPLACE VIEW zoo_views.second (a, \"B\") AS SELECT id, lower(name) FROM zoo_views.first")
    target.sql("DROP RULE no_delete ON zoo_views.ruled; ALTER VIEW zoo_views.writable RESET (security_barrier)")
    target.sql("DROP VIEW zoo_views.on_needs_key; DROP INDEX zoo_views.totals_expression")
    result = verify(homeport, source, target, "--pg-bin", pg_bin(17), rc=3)
    objects = {d["object"].replace('"', "") for d in result.json["list"]}
    assert objects == {"ACL zoo.TABLE no_key", "INDEX zoo_index.partial", "COMMENT zoo_index.INDEX partial",
                       "VIEW zoo_views.second", "RULE zoo_views.ruled no_delete", "VIEW zoo_views.writable",
                       "VIEW zoo_views.on_needs_key", "INDEX zoo_views.totals_expression"}


# Views and their rules as two versions write them, each on one side only in what it reads.
VIEWS = """
CREATE SCHEMA tenant1; CREATE SCHEMA tenant2;
CREATE TABLE tenant1.t (id int PRIMARY KEY, v text, ref int);
CREATE TABLE tenant2.t (id int PRIMARY KEY, v text, ref int);
CREATE FUNCTION tenant1.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION tenant2.f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE VIEW public.same AS SELECT t.id, upper(v) AS v, (SELECT max(x.id) FROM tenant2.t AS x WHERE x.ref = t.id) AS m
    FROM tenant1.t WHERE v IS DISTINCT FROM 'x' GROUP BY t.id ORDER BY id; -- by its key
CREATE VIEW public.same_alias AS SELECT a.id AS "ID", (a.*)::text AS whole FROM tenant1.t AS a;
CREATE VIEW public.same_query AS WITH c AS (SELECT id FROM tenant1.t) SELECT id FROM c;
CREATE VIEW public.same_sub AS SELECT id FROM (SELECT a.id FROM tenant1.t AS a, tenant2.t AS b) AS s;
CREATE VIEW public.same_function AS SELECT n, o FROM unnest(ARRAY[1, 2]) WITH ORDINALITY AS u (n, o);
CREATE VIEW public.same_sample AS SELECT id FROM tenant1.t TABLESAMPLE system (10);
CREATE VIEW public.same_union AS SELECT id FROM tenant1.t UNION SELECT ref FROM tenant2.t ORDER BY 1;
CREATE VIEW public.same_values AS SELECT * FROM (VALUES (1, 2), (3, 4)) AS w (a, b);
CREATE MATERIALIZED VIEW public.same_material AS SELECT id, v FROM tenant1.t WITH DATA;
CREATE VIEW public.of_tenant AS SELECT id FROM {tenant}.t;
CREATE MATERIALIZED VIEW public.material AS SELECT id FROM {tenant}.t;
CREATE VIEW public.joined AS SELECT {side}.id FROM tenant1.t AS a JOIN tenant2.t AS b ON a.id = b.ref;
CREATE VIEW public.calls AS SELECT {tenant}.f(id) AS f FROM tenant1.t;
CREATE RULE redirect AS ON INSERT TO public.same_sub DO INSTEAD INSERT INTO {tenant}.t (id) VALUES (NEW.id);
"""


@pytest.mark.parametrize("source_version, target_version", ((15, 17), (15, 15), (15, 16)))
def test_views_of_another_relation_are_told_apart_across_versions(homeport, pair, pg_bin, source_version, target_version):
    source, target = pair(source_version, target_version)
    source.script(VIEWS.format(tenant="tenant1", side="a"))
    target.script(VIEWS.format(tenant="tenant2", side="b"))
    result = verify(homeport, source, target, "--pg-bin", pg_bin(17), rc=3)
    assert {d["object"] for d in result.json["list"]} == {
        "VIEW public.of_tenant", "MATERIALIZED VIEW public.material", "VIEW public.joined", "VIEW public.calls",
        "RULE public.same_sub redirect"}


def test_differences_are_counted_in_one_way(homeport, twins):
    source, target = twins("CREATE TABLE t (id int PRIMARY KEY)")
    source.sql("INSERT INTO t SELECT generate_series(1, 1200)")
    result = homeport("verify", source=source, target=target)
    assert result.rc == 3 and " 1,200 differences.\n" in result.out, str(result)
    assert "homeport: 1,200 differences\n" in result.err


# -- rows with a key

KEYED = """
CREATE TABLE item (id integer PRIMARY KEY, name text, amount numeric, at timestamptz);
INSERT INTO item SELECT i, 'name ' || i, i / 7.0, '2026-01-01'::timestamptz + i * interval '1 s' FROM generate_series(1, 1000) AS i;
ANALYZE;
"""


@pytest.mark.tsan
def test_rows_are_named_missing_extra_and_different_with_columns_and_both_values(homeport, twins):
    source, target = twins(KEYED)
    target.sql("DELETE FROM item WHERE id = 7")
    target.sql("INSERT INTO item VALUES (2000, 'new')")
    target.sql("UPDATE item SET name = NULL, amount = 2.0 WHERE id = 14")
    result = verify(homeport, source, target, rc=3)
    assert result.json["verified"] is False
    assert result.json["differences"] == 3
    assert result.json["tables"] == 1 and result.json["rows"] == 1000
    assert found(result) == {
        ("missing", "public.item", "(id)=(7)"): "only on the source",
        ("extra", "public.item", "(id)=(2000)"): "only on the target",
        ("different", "public.item", "(id)=(14)"):
            "name: 'name 14' -> NULL; amount: '2.0000000000000000' -> '2.0'",
    }
    assert result.json["differing_tables"] == [
        {"table": "public.item", "rows_source": 1000, "rows_target": 1000, "missing": 1, "extra": 1, "different": 1}]


def test_first_20_rows_are_named_and_all_of_them_with_all(homeport, twins):
    source, target = twins(KEYED)
    target.sql("UPDATE item SET name = 'x' WHERE id <= 50")
    target.sql("DELETE FROM item WHERE id > 990")
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert result.json["differences"] == 60
    assert len(result.json["list"]) == 20
    result = verify(homeport, source, target, "--rows-only", "--all", rc=3)
    keys = {d["key"] for d in result.json["list"]}
    assert keys == {f"(id)=({i})" for i in [*range(1, 51), *range(991, 1001)]}
    assert result.json["differences"] == 60


def test_exchanged_values_of_two_rows_are_a_difference(homeport, twins):
    """What a sum of sums would not see."""
    source, target = twins("""
        CREATE TABLE same (a timestamp, b timestamp, c text);
        CREATE TABLE keyed (id int PRIMARY KEY, a timestamp, b timestamp);
        INSERT INTO same VALUES ('2026-01-01', '2026-01-02', 'x'), ('2026-01-03', '2026-01-04', 'x');
        INSERT INTO keyed VALUES (1, '2026-01-01', '2026-01-02'), (2, '2026-01-03', '2026-01-04');""")
    target.sql("UPDATE same SET b = CASE b WHEN '2026-01-02' THEN '2026-01-04' ELSE '2026-01-02' END::timestamp")
    target.sql("UPDATE keyed SET b = CASE id WHEN 1 THEN '2026-01-04' ELSE '2026-01-02' END::timestamp")
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert {d["object"] for d in result.json["list"]} == {"public.same", "public.keyed"}
    assert {key for _, _, key in found(result, "different")} == {"(id)=(1)", "(id)=(2)"}
    assert [d["kind"] for d in result.json["list"]].count("count") == 4


def test_column_boundaries_and_nulls_are_no_matter_of_luck(homeport, twins):
    source, target = twins("""
        CREATE TABLE edge (id int PRIMARY KEY, a text, b text, c text, n int, f float8, u uuid, l bigint, j json);
        INSERT INTO edge VALUES (1, 'ab', 'c', NULL, NULL, 0, NULL, 4294967296, '{}'), (2, '', NULL, 'x', 0, NULL, NULL, 1, NULL),
            (3, NULL, '', 'x', NULL, 0, '00000000-0000-0000-0000-000000000000', 0, '""'), (4, '', '', '', 0, 0, NULL, -1, NULL)""")
    target.sql("UPDATE edge SET a = 'a', b = 'bc' WHERE id = 1")
    target.sql("UPDATE edge SET a = NULL, b = '' WHERE id = 2")
    target.sql("UPDATE edge SET u = NULL WHERE id = 3")
    target.sql("UPDATE edge SET n = NULL, f = '-0' WHERE id = 4")
    details = found(verify(homeport, source, target, "--rows-only", rc=3))
    assert details == {
        ("different", "public.edge", "(id)=(1)"): "a: 'ab' -> 'a'; b: 'c' -> 'bc'",
        ("different", "public.edge", "(id)=(2)"): "a: '' -> NULL; b: NULL -> ''",
        ("different", "public.edge", "(id)=(3)"): "u: '00000000-0000-0000-0000-000000000000' -> NULL",
        ("different", "public.edge", "(id)=(4)"): "n: '0' -> NULL; f: '0' -> '-0'",
    }


def test_integers_that_fold_to_one_hash_are_different(homeport, twins):
    """The server's hash of a bigint is the exclusive-or of its halves."""
    source, target = twins("""
        CREATE TABLE big (id int PRIMARY KEY, v bigint, t timestamp);
        INSERT INTO big VALUES (1, 1, '2026-01-01'), (2, 4294967296, '2026-01-01')""")
    target.sql("UPDATE big SET v = 4294967296 WHERE id = 1")
    # 4294967297 us later: the upper half of the timestamp's 64 bits grows by what the lower one does.
    target.sql("UPDATE big SET t = t + interval '4294.967297 s' WHERE id = 2")
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert {key for _, _, key in found(result, "different")} == {"(id)=(1)", "(id)=(2)"}


@pytest.mark.plain
def test_large_object_that_no_query_gives_at_once_is_compared_to_its_end(homeport, twins):
    """Of more than 1 GB, most of it a hole; beside one of two slices and an empty one."""
    source, target = twins("""
        SELECT lo_put(lo_create(7), 1181116006, 'end'), lo_create(8), lo_put(lo_create(9), 16777216, 'x'), lo_create(10)""")
    assert verify(homeport, source, target, rc=0).json["rows"] == 71 + 1 + 2 + 1
    target.sql("SELECT lo_put(7, 1181116008, 'D'), lo_put(7, 600000000, 'x'), lo_unlink(8), lo_put(9, 16777217, 'y')")
    result = verify(homeport, source, target, rc=3)
    rows = {(kind, key) for kind, name, key in found(result) if name == "large objects" and kind != "count"}
    assert rows == {("different", "(loid, at)=(7, 1174405120)"), ("different", "(loid, at)=(7, 587202560)"),
                    ("missing", "(loid, at)=(8, 0)"), ("different", "(loid, at)=(9, 16777216)")}


BIG = """
CREATE TABLE big (id uuid PRIMARY KEY, tenant int NOT NULL, v text);
INSERT INTO big SELECT md5(i::text)::uuid, i % 3, repeat('v', i % 50) FROM generate_series(1, 150000) AS i;
CREATE TABLE texts (code text COLLATE "de-x-icu" PRIMARY KEY, v int);
INSERT INTO texts SELECT CASE i % 3 WHEN 0 THEN 'ä' WHEN 1 THEN 'Z' ELSE 'a_' END || md5(i::text), i FROM generate_series(1, 80000) AS i;
CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE blinds (code text COLLATE blind PRIMARY KEY, v int);
INSERT INTO blinds SELECT md5(i::text), i FROM generate_series(1, 80000) AS i;
CREATE TABLE pairs (tenant text, number bigint, v int, PRIMARY KEY (tenant, number));
INSERT INTO pairs SELECT 'tenant ' || i % 2, i, i FROM generate_series(1, 80000) AS i;
CREATE TABLE odd_key (p numeric, i inet, v int, PRIMARY KEY (i, p));
INSERT INTO odd_key SELECT i / 3.0, '10.0.0.0'::inet + i, i FROM generate_series(1, 70000) AS i;
CREATE TABLE stamps (at timestamptz PRIMARY KEY, v int);
INSERT INTO stamps SELECT '2026-01-01'::timestamptz + i * interval '1 min', i FROM generate_series(1, 70000) AS i;
INSERT INTO stamps VALUES ('infinity', 1), ('-infinity', 2);
CREATE TABLE bits (b bit(20) PRIMARY KEY, v int);
INSERT INTO bits SELECT i::bit(20), i FROM generate_series(1, 70000) AS i;
CREATE TABLE heap (a int, b text);
INSERT INTO heap SELECT i % 30000, md5((i % 30000)::text) FROM generate_series(1, 90000) AS i;
ANALYZE;
"""


@pytest.mark.plain
def test_keys_of_every_kind_are_cut_into_ranges_and_their_rows_found(homeport, twins):
    source, target = twins(BIG)
    assert verify(homeport, source, target, rc=0).json["rows"] == 690002
    changes = {
        "big": ["UPDATE big SET v = 'x' WHERE id = (SELECT min(id::text)::uuid FROM big)",
                "DELETE FROM big WHERE id = (SELECT max(id::text)::uuid FROM big)"],
        "texts": ["UPDATE texts SET v = 0 WHERE v = (SELECT v FROM texts ORDER BY code COLLATE \"C\" LIMIT 1)",
                  "INSERT INTO texts VALUES ('', 1), ('zzz', 2), ('ß', 3)"],
        "blinds": ["UPDATE blinds SET code = upper(code) WHERE v = 5"],
        "pairs": ["UPDATE pairs SET v = -1 WHERE number IN (1, 40000, 80000)"],
        "odd_key": ["UPDATE odd_key SET v = -1 WHERE v = 35000", "UPDATE odd_key SET p = round(p, 3) WHERE v = 3"],
        "stamps": ["DELETE FROM stamps WHERE at = 'infinity'", "UPDATE stamps SET v = 3 WHERE at = '-infinity'"],
        "bits": ["UPDATE bits SET v = 0 WHERE v = 69999"],
        "heap": ["DELETE FROM heap WHERE ctid = (SELECT max(ctid) FROM heap)", "UPDATE heap SET b = '' WHERE a = 17"],
    }
    for statement in [one for some in changes.values() for one in some]:
        target.sql(statement)
    result = verify(homeport, source, target, rc=3)
    counts = {d["table"].split(".")[1]: (d["missing"], d["extra"], d["different"]) for d in result.json["differing_tables"]}
    assert counts == {
        "big": (1, 0, 1), "texts": (0, 3, 1), "blinds": (1, 1, 0), "pairs": (0, 0, 3), "odd_key": (1, 1, 1),
        "stamps": (1, 0, 1), "bits": (0, 0, 1), "heap": (4, 3, 0)}
    assert result.json["differences"] == sum(sum(count) for count in counts.values())
    keys = {(d["object"], d["key"]) for d in result.json["list"]}
    assert ("public.texts", "(code)=()") in keys
    assert ("public.pairs", "(tenant, number)=(tenant 0, 40000)") in keys
    assert ("public.stamps", "(at)=(infinity)") in keys


def test_wide_rows_are_compared_to_the_last_column(homeport, twins):
    columns = ", ".join(f"c{i} int" for i in range(1599))
    source, target = twins(f"CREATE TABLE wide (id int PRIMARY KEY, {columns}); INSERT INTO wide (id, c0) VALUES (1, 1), (2, 2)")
    verify(homeport, source, target, "--rows-only", rc=0)
    target.sql("UPDATE wide SET c1598 = 7, c800 = 0 WHERE id = 2")
    assert found(verify(homeport, source, target, "--rows-only", rc=3)) == {
        ("different", "public.wide", "(id)=(2)"): "c800: NULL -> '0'; c1598: NULL -> '7'"}


def test_long_values_are_shown_where_they_differ(homeport, twins):
    source, target = twins("""
        CREATE TABLE doc (id int PRIMARY KEY, body text, raw bytea);
        INSERT INTO doc VALUES (1, repeat('é', 1000) || 'end', decode(repeat('00', 100000), 'hex')), (2, repeat('y', 5000), '')""")
    target.sql("UPDATE doc SET body = repeat('é', 1000) || E'END\\n', raw = set_byte(raw, 99999, 1) WHERE id = 1")
    target.sql("UPDATE doc SET body = body || '!' WHERE id = 2")
    source.sql("INSERT INTO doc VALUES (3, repeat('é', 300) || 'é!', '')")
    target.sql("INSERT INTO doc VALUES (3, repeat('é', 300) || 'ê!', '')")
    details = found(verify(homeport, source, target, "--rows-only", rc=3))
    first = details[("different", "public.doc", "(id)=(1)")]
    assert first == ("body: ...'" + "é" * 20 + "end' (1,003 characters) -> ...'" + "é" * 20 + "END\\n' (1,004 characters); "
                     "raw: 200,002 -> 200,002 characters, of which the first 2,000 are alike")
    assert details[("different", "public.doc", "(id)=(2)")] == (
        "body: 5,000 -> 5,001 characters, of which the first 2,000 are alike")
    # Both begin with the same byte.
    assert details[("different", "public.doc", "(id)=(3)")] == (
        "body: ...'" + "é" * 20 + "é!' (302 characters) -> ...'" + "é" * 20 + "ê!' (302 characters)")


# -- tables without a key

def test_rows_without_a_key_are_compared_as_often_as_they_are_there(homeport, twins):
    source, target = twins("""
        CREATE TABLE bag (a int, b text);
        INSERT INTO bag SELECT i % 10, 'row' FROM generate_series(1, 100) AS i;
        INSERT INTO bag VALUES (NULL, NULL), (NULL, NULL), (NULL, '');
        CREATE TABLE partial (a int, b int NOT NULL);
        CREATE UNIQUE INDEX ON partial (b) WHERE a > 0;
        INSERT INTO partial VALUES (1, 1), (0, 1), (0, 1);
        CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES; INSERT INTO nothing DEFAULT VALUES;
        CREATE TABLE empty_table (a int)""")
    verify(homeport, source, target, "--rows-only", rc=0)
    target.sql("DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE a = 3 LIMIT 4)")
    target.sql("INSERT INTO bag VALUES (99, 'new'), (99, 'new')")
    target.sql("UPDATE bag SET b = '' WHERE ctid = (SELECT min(ctid) FROM bag WHERE b IS NULL)")
    target.sql("DELETE FROM partial WHERE ctid = (SELECT max(ctid) FROM partial)")
    target.sql("INSERT INTO nothing DEFAULT VALUES")
    target.sql("INSERT INTO empty_table VALUES (NULL)")
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert sorted((d["object"], d["key"], d["detail"]) for d in result.json["list"]) == [
        ("public.bag", None, '(,""): 1 on the source, 2 on the target'),
        ("public.bag", None, "(,): 2 on the source, 1 on the target"),
        ("public.bag", None, "(3,row): 10 on the source, 6 on the target"),
        ("public.bag", None, "(99,new): 0 on the source, 2 on the target"),
        ("public.empty_table", None, "(): 0 on the source, 1 on the target"),
        ("public.nothing", None, "(): 2 on the source, 3 on the target"),
        ("public.partial", None, "(0,1): 2 on the source, 1 on the target"),
    ]
    assert {d["kind"] for d in result.json["list"]} == {"count"}
    assert result.json["differences"] == 4 + 2 + 2 + 1 + 1 + 1


def test_first_20_rows_without_a_key_are_named_and_all_of_them_with_all(homeport, twins):
    source, target = twins("CREATE TABLE bag (a int); INSERT INTO bag SELECT i FROM generate_series(1, 100) AS i")
    target.sql("INSERT INTO bag SELECT i FROM generate_series(1, 30) AS i, generate_series(1, 2)")
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert result.json["differences"] == 60
    assert len(result.json["list"]) == 20
    assert result.json["differing_tables"] == [
        {"table": "public.bag", "rows_source": 100, "rows_target": 160, "missing": 0, "extra": 60, "different": 0}]
    result = verify(homeport, source, target, "--rows-only", "--all", rc=3)
    assert result.json["differences"] == 60
    assert {d["detail"] for d in result.json["list"]} == {f"({i}): 1 on the source, 3 on the target" for i in range(1, 31)}


# -- structure

def test_order_of_rows_and_of_columns_does_not_matter_to_rows(homeport, database):
    source, target = database(15), database(15)
    source.script("CREATE TABLE t (id int PRIMARY KEY, a text, gone int, b int); ALTER TABLE t DROP gone;"
                  "INSERT INTO t SELECT i, 'a' || i, i FROM generate_series(1, 5000) AS i")
    target.script("CREATE TABLE t (b int, a text, id int PRIMARY KEY);"
                  "INSERT INTO t SELECT i, 'a' || i, i FROM generate_series(5000, 1, -1) AS i")
    assert verify(homeport, source, target, "--rows-only", rc=0).json["rows"] == 5000
    result = verify(homeport, source, target, rc=3)
    assert [d["object"] for d in result.json["list"]] == ["TABLE public.t"]


def test_same_values_of_another_type_are_equal_rows_and_a_schema_difference(homeport, twins):
    source, target = twins("CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b text); INSERT INTO t VALUES (1, 'x', 'y')")
    target.sql("ALTER TABLE t ALTER id TYPE bigint, ALTER a TYPE text, ALTER b TYPE char(1)")
    assert found(verify(homeport, source, target, rc=3)) == {
        ("schema", "TABLE public.t", None):
            "id integer NOT NULL; a character varying(10); b text -> id bigint NOT NULL; a text; b character(1)"}


def test_tables_and_columns_on_one_side_only_are_differences_even_without_pg_dump(homeport, twins, tmp_path):
    source, target = twins("CREATE TABLE a (id int PRIMARY KEY, x int, y int); CREATE TABLE b (id int); CREATE SEQUENCE s;"
                           "INSERT INTO a VALUES (1, 2, 3)")
    target.sql("DROP TABLE b; CREATE TABLE c (id int); ALTER TABLE a DROP y; ALTER TABLE a ADD z int; DROP SEQUENCE s")
    wanted = {("schema", "TABLE public.b"), ("schema", "TABLE public.c"), ("schema", "COLUMN public.a.y"),
              ("schema", "COLUMN public.a.z"), ("schema", "SEQUENCE public.s")}
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert {(d["kind"], d["object"]) for d in result.json["list"]} == wanted
    result = verify(homeport, source, target, rc=3)
    assert {d["object"] for d in result.json["list"]} == {
        "TABLE public.a", "TABLE public.b", "TABLE public.c", "SEQUENCE public.s"}


def test_names_that_need_quotes_are_compared_and_named(homeport, twins):
    source, target = twins('''
        CREATE SCHEMA "My ""Schema""";
        CREATE TABLE "My ""Schema"""."T a.b" ("Id ; x" int PRIMARY KEY, "sel'ect" text, ":name" text, "$1" int);
        INSERT INTO "My ""Schema"""."T a.b" VALUES (1, 'x', 'y', 2), (2, 'a', 'b', 3)''')
    verify(homeport, source, target, rc=0)
    target.sql('UPDATE "My ""Schema"""."T a.b" SET "sel\'ect" = E\'tab\\there\', ":name" = NULL WHERE "Id ; x" = 2')
    assert found(verify(homeport, source, target, rc=3)) == {
        ("different", '"My ""Schema"""."T a.b"', "(Id ; x)=(2)"): "sel'ect: 'a' -> 'tab\\there'; :name: 'b' -> NULL"}


def test_sequences_are_equal_when_they_give_the_same_next(homeport, twins):
    source, target = twins("CREATE SEQUENCE a; CREATE SEQUENCE b INCREMENT 10; CREATE SEQUENCE c; SELECT setval('b', 5);"
                           "SELECT setval('c', 9, false)")
    target.sql("SELECT setval('b', 15, false), setval('c', 8)")
    assert verify(homeport, source, target, rc=0).json["sequences"] == 3
    target.sql("SELECT nextval('a')")
    assert found(verify(homeport, source, target, rc=3)) == {
        ("sequence", "public.a", None): "next value: 1 -> 2"}


def test_databases_of_different_encodings_are_compared_by_their_characters(homeport, database):
    options = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING "
    source, target = database(15, options=options + "'LATIN1'"), database(15, options=options + "'UTF8'")
    for db in (source, target):
        db.script("SET client_encoding = 'UTF8'; CREATE TABLE t (name text PRIMARY KEY, j jsonb, c varchar(20), v xml);"
                  "CREATE TYPE färbe AS ENUM ('grün', 'blau'); CREATE TABLE u (name text, f färbe);"
                  "INSERT INTO t SELECT 'ä' || i, '{\"ö\": \"ü\"}', 'é' || i, '<a>ß</a>' FROM generate_series(1, 40000) AS i;"
                  "INSERT INTO u VALUES ('ñ', 'grün'), (NULL, 'blau'); ANALYZE")
    verify(homeport, source, target, "--rows-only", rc=0)
    target.sql("UPDATE t SET c = 'è1' WHERE name = 'ä1'; UPDATE u SET f = 'grün' WHERE name IS NULL")
    result = verify(homeport, source, target, "--rows-only", rc=3)
    assert sorted(d["detail"] for d in result.json["list"]) == [
        "(,blau): 1 on the source, 0 on the target", "(,grün): 0 on the source, 1 on the target", "c: 'é1' -> 'è1'"]
    assert ("different", "public.t", "(name)=(ä1)") in found(result)


def test_roles_are_compared_by_the_map(homeport, database):
    source = database(15)
    for role in ("cloud", "app", "reader"):
        source.role(role)
    source.script("CREATE TABLE t (a int); ALTER TABLE t OWNER TO cloud; GRANT SELECT ON t TO reader;"
                  "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t TO cloud USING (a > 0);"
                  "SELECT lo_create(77); ALTER LARGE OBJECT 77 OWNER TO cloud; GRANT SELECT ON LARGE OBJECT 77 TO reader")
    target = copy_of(source)
    verify(homeport, source, target, rc=0)
    target.sql("ALTER TABLE t OWNER TO app; ALTER POLICY p ON t TO app; ALTER LARGE OBJECT 77 OWNER TO app")
    objects = {d["object"] for d in verify(homeport, source, target, rc=3).json["list"]}
    assert objects == {"TABLE public.t", "POLICY public.t p", "LARGE OBJECT 77"}
    verify(homeport, source, target, "--map-role", "cloud=app", rc=0)


def test_passwords_of_user_mappings_are_not_shown(homeport, twins):
    source, target = twins("""
        CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;
        CREATE USER MAPPING FOR postgres SERVER s OPTIONS (password 'one-secret')""")
    target.sql("ALTER USER MAPPING FOR postgres SERVER s OPTIONS (SET password 'other-secret')")
    result = verify(homeport, source, target, rc=3)
    assert [d["object"] for d in result.json["list"]] == ["USER MAPPING USER MAPPING postgres SERVER s"]
    assert "secret" not in result.out + result.err


def test_objects_of_homeport_and_of_neon_are_left_out(homeport, twins):
    source, target = twins("CREATE TABLE t (a int)")
    source.script("CREATE ROLE cloud_admin; CREATE SCHEMA neon_migration AUTHORIZATION cloud_admin; CREATE TABLE neon_migration.x (a int);"
                  "GRANT USAGE ON SCHEMA neon_migration TO PUBLIC; COMMENT ON SCHEMA neon_migration IS 'whose'")
    target.script("CREATE SCHEMA homeport; CREATE TABLE homeport.move (a int); INSERT INTO homeport.move VALUES (1)")
    assert verify(homeport, source, target, rc=0).json["tables"] == 1
    # By another owner it is the app's own, whatever its name.
    source.script("CREATE SCHEMA neon; CREATE TABLE neon.x (a int)")
    assert {d["object"] for d in verify(homeport, source, target, rc=3).json["list"]} == {"SCHEMA neon", "TABLE neon.x"}


def test_schema_that_cannot_be_dumped_is_not_called_verified(homeport, twins, tmp_path):
    empty = tmp_path / "nothing here"
    empty.mkdir()
    source, target = twins(KEYED)
    result = verify(homeport, source, target, "--pg-bin", empty, rc=3)
    assert result.json["verified"] is False
    assert result.json["differences"] == 0
    assert result.json["schema"]["compared"] is False
    assert "no pg_dump" in result.json["schema"]["why_not"]
    assert result.json["schema"]["hint"] == (
        f"Only {empty} was looked in, as --pg-bin says: give the folder of PostgreSQL 15's pg_dump and pg_restore.")
    assert "hint: The rows are equal; --rows-only asks for no more than that." in result.err
    assert verify(homeport, source, target, "--pg-bin", empty, "--rows-only", rc=0).json["verified"] is True


def test_schema_is_not_compared_where_there_is_no_folder_for_its_archives(homeport, twins, tmp_path):
    source, target = twins(KEYED)
    missing = tmp_path / "nothing here"
    result = verify(homeport, source, target, rc=3, env={"TMPDIR": missing})
    assert result.json["verified"] is False and result.json["differences"] == 0
    assert result.json["schema"]["why_not"] == f'make a folder in "{missing}": No such file or directory'


# -- one moment of each side, and what goes wrong

def test_each_side_is_compared_as_of_one_moment(homeport, twins):
    """A transaction that moves an amount between two tables is seen whole or not at all."""
    source, target = twins(KEYED + "CREATE TABLE other AS SELECT * FROM item; ALTER TABLE other ADD PRIMARY KEY (id);")
    stop = threading.Event()

    def write():
        conn = source.connect(autocommit=False)
        cursor = conn.cursor()
        number = 0
        while not stop.is_set():
            number += 1
            cursor.execute("UPDATE item SET amount = amount - 1 WHERE id = 1; UPDATE other SET amount = amount + 1 WHERE id = 1")
            conn.commit()
        conn.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        result = verify(homeport, source, target, "--rows-only")
    finally:
        stop.set()
        writer.join()
    before = [float(target.value(f"SELECT amount FROM {table} WHERE id = 1")) for table in ("item", "other")]
    seen = {d["object"].split(".")[1]: float(d["detail"].split("'")[1]) for d in result.json["list"]}
    assert (before[0] - seen.get("item", before[0])) == pytest.approx(seen.get("other", before[1]) - before[1])


def test_nothing_is_changed_on_either_side(homeport, twins):
    source, target = twins(KEYED)
    for db in (source, target):
        db.sql("ALTER DATABASE \"%s\" SET default_transaction_read_only = on" % db.name)
    verify(homeport, source, target, rc=0)


def test_a_row_that_row_security_would_hide_is_an_error_and_not_equal(homeport, twins):
    source, target = twins(KEYED + "ALTER TABLE item ENABLE ROW LEVEL SECURITY;")
    url = source.role("weak", "LOGIN")
    for db in (source, target):
        db.sql("GRANT SELECT ON item TO weak")
    result = homeport("verify", "--json", "--rows-only", source=url, target=target)
    assert result.rc == 1, str(result)
    assert "row-level security" in result.json["error"]["message"]


def test_a_table_that_may_not_be_read_is_an_error_that_names_it(homeport, twins):
    source, target = twins(KEYED)
    url = source.role("weaker", "LOGIN")
    result = homeport("verify", "--json", "--rows-only", source=url, target=target)
    assert result.rc == 1, str(result)
    assert "permission denied for table item" in result.json["error"]["message"]


@pytest.mark.tsan
def test_a_connection_that_is_lost_is_an_error_and_never_verified(homeport, database):
    source = database(15)
    source.script("CREATE TABLE many (id int PRIMARY KEY, t text);"
                  "INSERT INTO many SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 400000) AS i; ANALYZE")
    target = copy_of(source)
    run = homeport.start("verify", "--json", "--rows-only", "--jobs", "1", source=source, target=target)
    wait.until(lambda: target.sql("SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name ~ 'homeport'"
                                  " AND query ~ 'hash'", (target.name,)), 60, "verify at work")
    target.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (target.name,))
    result = run.wait(60)
    assert result.rc == 1, str(result)
    assert result.json["error"]["code"] == "connect"
    assert "verified" not in result.json


@pytest.mark.parametrize("key", ("PRIMARY KEY", ""))
def test_sums_that_differ_where_no_row_does_are_an_error_and_never_equal(homeport, twins, proxy, key):
    """Values whose text is another one each time they are read, as a name that changes."""
    source, target = twins("CREATE DOMAIN name_1 AS text;"
                           f"CREATE TABLE unstable (id int {key}, what regtype); INSERT INTO unstable VALUES (1, 'name_1')")
    relay = proxy(target.server)
    relay.silence_at("pg_catalog.sum(h.hash1)")
    run = homeport.start("verify", "--json", "--rows-only", source=source, target=target,
                         env={"HOMEPORT_TARGET_URL": relay.url(target)})
    run.wait_for(lambda: not relay.flowing, 60, "the target's sums are read")
    # Those that read sums are gone: left is the snapshot's.
    run.wait_for(lambda: all(source.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'homeport verify'"
                                          " AND datname = current_database()") == 1 for _ in range(50)), 20, "the source's are")
    for side in (source, target):
        side.sql("ALTER DOMAIN name_1 RENAME TO name_2")
    relay.silence(False)
    result = run.wait(60)
    assert result.rc == 1 and "public.unstable: the sums of its rows differ, but no row does" in result.err, str(result)
    assert verify(homeport, source, target, "--rows-only", rc=0).json["verified"]


def test_ctrl_c_ends_it_at_once(homeport, database):
    source = database(15)
    source.script("CREATE TABLE many (id int PRIMARY KEY, t text);"
                  "INSERT INTO many SELECT i, repeat(md5(i::text), 20) FROM generate_series(1, 400000) AS i; ANALYZE")
    target = copy_of(source)
    run = homeport.start("verify", "--json", "--rows-only", "--jobs", "1", source=source, target=target)
    wait.until(lambda: target.sql("SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name ~ 'homeport'"
                                  " AND query ~ 'hash'", (target.name,)), 60, "verify at work")
    run.process.send_signal(signal.SIGINT)
    result = run.wait(10)
    assert result.rc == 1, str(result)
    assert result.json["error"]["code"] == "cancelled"
    wait.until(lambda: not target.sql("SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name ~ 'homeport'",
                                      (target.name,)), 10, "its sessions gone")


def test_an_unreachable_side_is_named(homeport, database):
    source = database(15)
    result = homeport("verify", "--json", source=source, target="postgresql://postgres@127.0.0.1:1/x", timeout=60)
    assert result.rc == 1, str(result)
    assert "target" in result.json["error"]["message"]
    assert result.json["error"]["code"] == "connect"


# -- size

@pytest.mark.plain
def test_memory_does_not_grow_with_the_table_nor_with_the_differences(homeport, database):
    """Under 64 MiB for two million rows, equal, and with every one of them different."""
    source = database(15)
    source.script("CREATE TABLE large (id int PRIMARY KEY, v text); CREATE TABLE bag (v text);"
                  "INSERT INTO large SELECT i, 'value ' || i FROM generate_series(1, 2000000) AS i;"
                  "INSERT INTO bag SELECT 'value ' || i FROM generate_series(1, 500000) AS i; ANALYZE")
    target = copy_of(source)
    result = verify(homeport, source, target, "--rows-only", rc=0, measured=True)
    assert result.max_rss < 64 << 20, result.max_rss
    target.sql("UPDATE large SET v = v || '!'")
    target.sql("UPDATE bag SET v = v || '!'")
    result = verify(homeport, source, target, "--rows-only", rc=3, timeout=170, measured=True)
    assert result.json["differences"] == 2000000 + 2 * 500000
    assert len(result.json["list"]) == 40
    assert result.max_rss < 64 << 20, result.max_rss


@pytest.mark.plain
def test_a_thousand_tables_are_compared(homeport, database):
    source = database(15)
    source.script("".join(f"CREATE TABLE t{i} (id int PRIMARY KEY, v text); INSERT INTO t{i} VALUES ({i}, 'v');" for i in range(1000)))
    target = copy_of(source)
    assert verify(homeport, source, target, rc=0).json["tables"] == 1000
    target.sql("UPDATE t777 SET v = 'w'")
    assert found(verify(homeport, source, target, rc=3)) == {
        ("different", "public.t777", "(id)=(777)"): "v: 'v' -> 'w'"}


# -- for people

def test_report_for_people(homeport, twins):
    source, target = twins(KEYED + "CREATE TABLE bag (a int); INSERT INTO bag VALUES (1); CREATE SEQUENCE s;")
    target.sql("DELETE FROM item WHERE id = 7; UPDATE item SET name = 'x' WHERE id = 8; INSERT INTO item VALUES (0)")
    target.sql("INSERT INTO bag VALUES (1); SELECT nextval('s'); CREATE INDEX added ON item (name)")
    result = homeport("verify", source=source, target=target)
    assert result.rc == 3
    lines = result.out.splitlines()
    end = lines.pop()
    assert lines == [
        "public.item  1,000 rows on the source, 1,000 on the target, 1 missing, 1 extra, 1 different",
        "  + (id)=(0)  only on the target",
        "  - (id)=(7)  only on the source",
        "  ~ (id)=(8)  name: 'name 8' -> 'x'",
        "",
        "public.bag  1 row on the source, 2 on the target, 1 extra",
        "  # (1): 1 on the source, 2 on the target",
        "",
        "Sequences",
        "  ~ public.s  next value: 1 -> 2",
        "",
        "Schema",
        "  ~ INDEX public.added  only on the target: CREATE INDEX added ON public.item USING btree (name)",
        "",
    ]
    assert end.startswith("Not equal: 1,001 rows of 2 tables, 1 sequence and the schema, in ")
    assert end.endswith(" 6 differences.")
