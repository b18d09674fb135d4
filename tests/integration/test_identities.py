"""Identifiers that change on their way (rule 36): mapped in copy and stream, compared through the
map, mapped back after a cutover; what is not in the map stops or is kept, as declared."""

import pytest

import live as lives
import wait
from live import Live

SCHEMA = """
CREATE TABLE users (id text PRIMARY KEY, email text NOT NULL,
                    handle text GENERATED ALWAYS AS ('@' || id) STORED);
CREATE TABLE attempts (id bigint PRIMARY KEY, user_id text REFERENCES users, note text);
CREATE TABLE likes (user_id varchar(60) REFERENCES users, problem integer, since date DEFAULT '2026-01-01',
                    PRIMARY KEY (problem, user_id));
CREATE TABLE visits (who text, page text);
ALTER TABLE visits REPLICA IDENTITY FULL;
CREATE TABLE plain (id integer PRIMARY KEY, who text);
INSERT INTO users SELECT 'user_' || g, 'u' || g || '@example.org' FROM generate_series(1, 40) AS g;
INSERT INTO attempts SELECT g, CASE WHEN g % 9 > 0 THEN 'user_' || g % 40 + 1 END, repeat(md5(g::text), g % 5)
  FROM generate_series(1, 900) AS g;
ALTER TABLE attempts ALTER note SET STORAGE EXTERNAL;
INSERT INTO attempts VALUES (1000, 'user_3', repeat('long ', 4000));
INSERT INTO likes SELECT 'user_' || g % 40 + 1, g FROM generate_series(1, 300) AS g;
INSERT INTO visits SELECT 'user_' || g % 7 + 1, '/a\tb\\c' FROM generate_series(1, 50) AS g;
INSERT INTO plain VALUES (1, 'nobody'), (2, NULL);
"""
COLUMNS = "public.users.id, public.attempts.user_id, public.likes.user_id, public.visits.who"
QUERIES = {
    "users": "SELECT id, email FROM users", "attempts": "SELECT user_id, id, md5(note) FROM attempts",
    "likes": "SELECT user_id, problem, since::text FROM likes", "visits": "SELECT who, page FROM visits",
    "plain": "SELECT NULL, id, who FROM plain"}


# Enough rows for ranges of a key that is mapped, which sort otherwise at home.
MANY = """
CREATE TABLE marks (user_id text, n integer, PRIMARY KEY (user_id, n));
INSERT INTO marks SELECT 'user_' || g % 40 + 1, g FROM generate_series(1, 60000) AS g;
ANALYZE marks;
"""


def pairs(count=40):
    return [(f"user_{n}", f"usr_new{n * 7 % 101}_{n}") for n in range(1, count + 1)]


def write_map(path, lines, head="old,new"):
    path.write_text("\n".join([head, *(line if isinstance(line, str) else ",".join(line) for line in lines)]) + "\n",
                    encoding="utf-8")
    return path


def options(path, columns=COLUMNS, forward="stop", back="stop"):
    return ["--identity-map", path, "--identity-columns", columns, "--identity-unmapped", forward,
            "--identity-unmapped-back", back]


def assert_mapped(source, target, mapping):
    """Every row of the source is at home with its identifier mapped, and nothing else is there."""
    assert as_text(read(source, mapping)) == as_text(read(target))


def as_text(tables):
    return {name: sorted(map(str, rows)) for name, rows in tables.items()}


def read(database, mapping=None):
    mapping = mapping or {}
    return {name: [(mapping.get(row[0], row[0]), *row[1:]) for row in database.sql(query)]
            for name, query in QUERIES.items()}


def once(homeport, source, target, *args, work="once"):
    return homeport("move", "--once", "--json", "--dir", homeport.cwd / work, *args, source=source, target=target,
                    timeout=120)


@pytest.fixture
def following(homeport, pair, tmp_path, taken_down):
    def make(*args, version=15, script=SCHEMA, **rules):
        source, target = pair(version, version)
        source.script(script)
        path = write_map(tmp_path / "map.csv", pairs())
        live, _ = taken_down(Live(homeport, source, target, *options(path, **rules), *args), None)
        live.map = path
        live.start()
        live.caught_up()
        return live
    return make


def test_rule_36_once_copies_listed_columns_mapped_and_finds_them_equal(homeport, pair, tmp_path):
    source, target = pair(15, 15)
    source.script(SCHEMA + MANY)
    path = write_map(tmp_path / "map.csv", pairs())
    args = options(path, columns=COLUMNS + ", public.marks.user_id")
    result = once(homeport, source, target, *args, "--split-bytes", "200kB")
    assert result.rc == 0, str(result)
    assert result.json["verified"] and result.json["differences"] == 0 and result.json["tables"] == 6
    assert_mapped(source, target, dict(pairs()))
    assert target.sql("SELECT DISTINCT handle = '@' || id FROM users") == [(True,)]
    found = homeport("verify", "--json", "--dir", homeport.cwd / "once", *args, source=source, target=target)
    assert found.rc == 0 and found.json["verified"], str(found)
    target.sql("DELETE FROM marks WHERE n = 4567; UPDATE marks SET n = -1 WHERE n = 50000")
    found = homeport("verify", "--json", "--dir", homeport.cwd / "once", *args, source=source, target=target)
    assert found.rc == 3 and sorted((item["kind"], item["key"]) for item in found.json["list"]) == [
        ("extra", "(user_id, n)=(user_1, -1)"), ("missing", "(user_id, n)=(user_1, 50000)"),
        ("missing", "(user_id, n)=(user_8, 4567)")], str(found)
    without = homeport("verify", "--json", "--dir", homeport.cwd / "once", source=source, target=target)
    assert without.rc == 3 and not without.json["verified"]


def behind_the_fence(database, statement):
    """Written to a fenced side as nobody should."""
    with database.connect(autocommit=False) as conn, conn.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ WRITE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in ("likes", "attempts"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER homeport_fence")
        cursor.execute(statement)
        for table in ("likes", "attempts"):
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER homeport_fence")


CHANGES = """
INSERT INTO users VALUES ('{u}7x', 'new@example.org');
INSERT INTO attempts VALUES (2001, '{u}5', 'a'), (2002, NULL, 'b'), (2003, '{u}6', repeat('wide ', 3000));
UPDATE attempts SET user_id = '{u}8' WHERE id = 1000;
UPDATE attempts SET note = 'changed' WHERE user_id = '{u}9';
UPDATE attempts SET id = 3000 WHERE id = 2001;
UPDATE likes SET user_id = '{u}11' WHERE user_id = '{u}12' AND problem = 11;
UPDATE likes SET problem = problem + 1000 WHERE user_id = '{u}13';
DELETE FROM likes WHERE user_id = '{u}14';
DELETE FROM attempts WHERE user_id = '{u}15';
UPDATE visits SET page = '/other' WHERE who = '{u}2';
UPDATE visits SET who = '{u}20' WHERE who = '{u}3';
DELETE FROM visits WHERE who = '{u}4';
INSERT INTO visits VALUES ('{u}30', '/new'), (NULL, '/none');
UPDATE plain SET who = '{u}1' WHERE id = 1;
"""


def test_rule_36_stream_cutover_and_back_map_every_change_both_ways(following):
    live = following(script=SCHEMA + MANY, columns=COLUMNS + ", public.marks.user_id")
    source, target = live.source, live.target
    mapping = dict(pairs())
    live.stop()
    mapping["user_7x"] = "usr_seven"
    with open(live.map, "a", encoding="utf-8") as file:
        file.write("user_7x,usr_seven\nuser_8x,usr_eight\n")
    mapping["user_8x"] = "usr_eight"
    live.start()
    live.caught_up()

    source.script(CHANGES.replace("{u}", "user_"))
    live.applied_past(source)
    assert_mapped(source, target, mapping)
    found = live.ok("verify")
    assert found["verified"] and found["differences"] == 0 and found["tables"] == 6

    report = live.ok("cutover")
    assert report["done"] and report["verified"] and report["differences"] == 0
    assert_mapped(source, target, mapping)
    back = {new: old for old, new in mapping.items()}
    target.script(f"""
        INSERT INTO users VALUES ('usr_eight', 'eight@example.org');
        UPDATE attempts SET user_id = 'usr_eight' WHERE user_id = '{mapping["user_5"]}';
        INSERT INTO likes SELECT 'usr_eight', g FROM generate_series(1, 20) AS g;
        UPDATE likes SET problem = problem + 5000 WHERE user_id = '{mapping["user_16"]}';
        DELETE FROM visits WHERE who = '{mapping["user_30"]}';
        UPDATE visits SET page = page || '!' WHERE who = '{mapping["user_5"]}';
        UPDATE attempts SET note = 'home' WHERE id = 1000;
        DELETE FROM users WHERE id = '{mapping["user_7x"]}';
    """)
    live.applied_past(target)
    assert as_text(read(target, back)) == as_text(read(source))
    assert source.value("SELECT count(*) FROM likes WHERE user_id = 'user_8x'") == 20
    assert source.value("SELECT count(*) FROM users WHERE id LIKE 'usr%'") == 0
    behind_the_fence(source, "UPDATE likes SET user_id = 'user_1' WHERE problem = 50; "
                             "UPDATE attempts SET user_id = 'user_1' WHERE id = 2002")
    found = live.run("verify")
    assert found.rc == 3 and {(item["object"], item["kind"], item["key"]) for item in found.json["list"]} == {
        ("public.likes", "missing", "(problem, user_id)=(50, user_11)"),
        ("public.likes", "extra", "(problem, user_id)=(50, user_1)"),
        ("public.attempts", "different", "(id)=(2002)")}, str(found)
    behind_the_fence(source, "UPDATE likes SET user_id = 'user_11' WHERE problem = 50; "
                             "UPDATE attempts SET user_id = NULL WHERE id = 2002")
    found = live.ok("verify")
    assert found["verified"] and found["differences"] == 0

    assert live.ok("rollback")["differences"] == 0
    before = as_text(read(source))
    source.sql("UPDATE attempts SET user_id = 'user_1' WHERE id = 3000")
    assert live.ok("cutover")["verified"]
    assert_mapped(source, target, mapping)
    assert as_text(read(source)) != before
    live.ok("finish")
    assert live.mover.wait().rc == 0
    assert lives.traces(source) == [] and lives.traces(target) == []
    assert_mapped(source, target, mapping)


def test_rule_36_a_killed_move_and_a_table_copied_again_are_mapped_alike(following):
    live = following()
    source, target = live.source, live.target
    source.sql("UPDATE attempts SET user_id = 'user_1' WHERE id < 100")
    live.kill()
    source.script("UPDATE likes SET user_id = 'user_2' WHERE user_id = 'user_3'; DELETE FROM visits WHERE who = 'user_5'")
    live.start()
    live.caught_up()
    resynced = live.homeport("move", "--resync", "public.likes", "--dir", live.dir, *live.args, source=source,
                             target=target)
    assert resynced.rc == 0, str(resynced)
    source.sql("UPDATE likes SET user_id = 'user_4' WHERE user_id = 'user_2' AND problem > 200")
    live.applied_past(source)
    assert_mapped(source, target, dict(pairs()))
    assert live.ok("verify")["verified"]


def error_of(live):
    """What the applier has stopped at."""
    def there():
        status = live.homeport("status", "--json", "--dir", live.dir).json
        return not status["applying"] and status["last_error"]
    return wait.until(there, 30, "the applier has stopped")


def test_rule_36_stop_names_table_column_and_id_and_a_line_at_the_end_is_the_way_on(following):
    live = following()
    source, target = live.source, live.target
    source.script("INSERT INTO users VALUES ('user_late', 'l@example.org'); INSERT INTO plain VALUES (9, 'after')")
    error = error_of(live)
    assert "public.users.id" in error and "user_late" in error
    assert target.value("SELECT count(*) FROM users WHERE email = 'l@example.org'") == 0
    assert live.run("cutover").rc == 1
    live.stop()
    with open(live.map, "a", encoding="utf-8") as file:
        file.write("user_late,usr_late\n")
    live.start()
    live.caught_up()
    live.applied_past(source)
    assert_mapped(source, target, dict(pairs()) | {"user_late": "usr_late"})
    assert live.ok("verify")["verified"]


def test_rule_36_stop_backwards_holds_the_way_back_until_the_id_is_in_the_map(following):
    live = following()
    source, target = live.source, live.target
    assert live.ok("cutover")["done"]
    target.script("INSERT INTO users VALUES ('usr_own', 'o@example.org')")
    error = error_of(live)
    assert "public.users.id" in error and "usr_own" in error
    assert source.value("SELECT count(*) FROM users WHERE email = 'o@example.org'") == 0
    assert live.run("rollback", "--max-pause", "2s").rc == 1
    live.stop()
    with open(live.map, "a", encoding="utf-8") as file:
        file.write("user_own,usr_own\n")
    live.start()
    live.wait_for("home")
    live.applied_past(target)
    assert live.ok("rollback")["done"]
    assert_mapped(source, target, dict(pairs()) | {"user_own": "usr_own"})


def test_rule_36_keep_lets_ids_pass_both_ways_counts_them_and_refuses_a_line_for_them_later(following):
    live = following(forward="keep", back="keep")
    source, target = live.source, live.target
    source.script("""
        INSERT INTO users VALUES ('guest_1', 'a'), ('guest_2', 'b');
        INSERT INTO likes VALUES ('guest_1', 1), ('guest_1', 2);
        INSERT INTO visits VALUES ('a\tb\\c', '/')""")
    live.applied_past(source)
    assert_mapped(source, target, dict(pairs()))
    assert live.ok("verify")["verified"]
    status = live.status()
    assert [status[name] for name in ("identities_in_map", "identities_kept", "identities_kept_back")] == [40, 3, 0]

    assert live.ok("cutover")["verified"]
    target.script("INSERT INTO users VALUES ('home_1', 'c');"
                  " UPDATE likes SET user_id = 'home_1' WHERE problem = 2 AND user_id = 'guest_1'")
    live.applied_past(target)
    assert_mapped(source, target, dict(pairs()))
    assert live.status()["identities_kept_back"] == 2
    assert live.ok("rollback")["verified"]
    assert live.ok("cutover")["verified"]
    assert_mapped(source, target, dict(pairs()))

    live.stop()
    before = live.map.read_text()
    for line in ("guest_1,usr_guest", "user_home,home_1"):
        live.map.write_text(before + line + "\n")
        result = live.start().wait()
        assert result.rc == 1 and ":42: this id went through unmapped before it was in the map" in result.err
    live.map.write_text(before)
    live.start()
    live.wait_for("home")
    status = live.status()
    assert [status[name] for name in ("identities_in_map", "identities_kept")] == [40, 3]


def test_rule_36_keep_refuses_an_id_that_the_map_gives_to_another(following):
    live = following(forward="keep", back="keep")
    source, target = live.source, live.target
    taken = pairs()[4][1]
    source.sql("INSERT INTO users VALUES (%s, 'x')", (taken,))
    error = error_of(live)
    assert "public.users.id" in error and taken in error and "new one of another" in error
    assert target.value("SELECT count(*) FROM users WHERE email = 'x'") == 0


@pytest.mark.parametrize("change, message", [
    (lambda text: text.replace("user_2,", "user_2b,"), "the map is not the one this move began with"),
    (lambda text: text.replace("user_40,", "user_41,"), "the map is not the one this move began with"),
    (lambda text: "\n".join(text.split("\n")[:-2]) + "\n", "the map is not the one this move began with"),
    (lambda text: None, "No such file"),
])
def test_rule_36_a_map_that_changed_between_runs_is_refused(following, change, message):
    live = following()
    live.stop()
    before = live.map.read_text()
    after = change(before)
    if after is None:
        live.map.unlink()
    else:
        live.map.write_text(after)
    result = live.start().wait()
    assert result.rc in (1, 2) and message in result.err, str(result)
    assert after is None or "homeport abort" in result.err
    live.map.write_text(before)
    live.start()
    live.caught_up()


def test_rule_36_after_a_cutover_a_map_that_changed_can_only_be_put_back(following):
    live = following()
    live.ok("cutover")
    live.stop()
    before = live.map.read_text()
    live.map.write_text(before.replace("user_2,", "user_2b,"))
    result = live.start().wait()
    assert result.rc == 1 and "put the others back as they were" in result.err and "abort" not in result.err, str(result)
    live.map.write_text(before)
    live.start()
    live.wait_for("home")


def test_rule_36_a_move_goes_on_with_its_columns_and_its_map_only(following):
    live = following()
    live.stop()
    args = live.args
    live.args = options(live.map, columns=COLUMNS + ", public.plain.who")
    assert "this move began with other identity columns" in live.start().wait().err
    live.args = ()
    assert "this move began with a map of identities" in live.start().wait().err
    live.args = args
    live.start()
    live.caught_up()


@pytest.mark.parametrize("text, message", [
    ("", ":1: the first line is not"),
    ("alt,neu\na,b\n", ":1: the first line is not"),
    ("old,new\na,b\na,c\n", ':3: the old id "a" is on line 2 already'),
    ("old,new\na,b\nc,b\n", ':3: the new id "b" is on line 2 already'),
    ("old,new\na,b\nc\n", ":3: not as many fields"),
    ("old,new\na,b,c\n", ":2: not as many fields"),
    ("old,new\n\na,\n", ":3: an id is empty"),
    ('old,new\n"a,b\n', ":2: a quote is not closed"),
    ("old,new\na, b\n", ":2: a blank at an id's end"),
])
def test_rule_36_a_map_that_is_no_bijection_is_refused_with_its_line(homeport, pair, tmp_path, text, message):
    source, target = pair(15, 15)
    source.script(SCHEMA)
    path = tmp_path / "map.csv"
    path.write_text(text)
    result = once(homeport, source, target, *options(path))
    assert result.rc == 2 and f"{path}{message}" in result.err, str(result)
    assert target.tables() == []


def test_rule_36_a_map_of_a_spreadsheet_is_read(homeport, pair, tmp_path):
    """A byte order mark, CRLF, quotes, further columns, an empty line, and ids that COPY escapes."""
    source, target = pair(15, 15)
    source.sql("CREATE TABLE users (id text PRIMARY KEY, n integer)")
    old = ['with,comma', 'with "quotes"', 'back\\slash', 'ümlaut', 'a', 'b']
    new = ['with;comma', '"', 'tab-less\\n', 'omlaut', 'b', 'c']
    for number, name in enumerate(old):
        source.sql("INSERT INTO users VALUES (%s, %s)", (name, number))
    quoted = ['"' + name.replace('"', '""') + '"' for name in old + new]
    lines = [f"{quoted[i]},{quoted[i + len(old)]},someone@example.org" for i in range(len(old))]
    path = tmp_path / "map.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(["old,new,email", *lines, ""]).encode() + b"\r\n")
    result = once(homeport, source, target, *options(path, columns="public.users.id"))
    assert result.rc == 0 and result.json["verified"], str(result)
    assert dict(target.sql("SELECT n, id FROM users")) == dict(enumerate(new))


UUIDS = """
CREATE TABLE users (id uuid PRIMARY KEY, number bigint UNIQUE, small integer);
CREATE TABLE events (at date, who uuid REFERENCES users, n bigint REFERENCES users (number), PRIMARY KEY (at, who))
    PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
CREATE TABLE base (who uuid);
CREATE TABLE heir (more integer) INHERITS (base);
INSERT INTO users SELECT md5(g::text)::uuid, g FROM generate_series(1, 50) AS g;
INSERT INTO events SELECT date '2025-12-20' + g, md5(g::text)::uuid, g FROM generate_series(1, 50) AS g;
INSERT INTO base SELECT md5('3')::uuid;
INSERT INTO heir SELECT md5('4')::uuid, 1;
"""


def test_rule_36_uuids_in_partitions_and_heirs_are_mapped_by_their_parents_names(homeport, pair, tmp_path):
    source, target = pair(14, 15)
    source.script(UUIDS)
    old = [row[0] for row in source.sql("SELECT id::text FROM users ORDER BY number")]
    new = [row[0] for row in source.sql("SELECT md5('new' || g)::uuid::text FROM generate_series(1, 50) AS g")]
    new[:10] = old[1:11]
    new[10] = old[0]  # a ring: these are old and new ids
    path = write_map(tmp_path / "map.csv", list(zip(old, new)))
    result = once(homeport, source, target,
                  *options(path, columns="public.users.id, public.events.who, public.base.who"))
    assert result.rc == 0 and result.json["verified"], str(result)
    mapping = dict(zip(old, new))
    for query in ("SELECT id::text, number FROM users", "SELECT who::text, n FROM events",
                  "SELECT who::text, tableoid::regclass::text FROM base"):
        assert sorted((mapping[who], rest) for who, rest in source.sql(query)) == sorted(target.sql(query))


def test_rule_36_numbers_are_mapped(homeport, pair, tmp_path):
    source, target = pair(15, 15)
    source.script(UUIDS)
    path = write_map(tmp_path / "map.csv", [(str(n), str(1000000000000 - n)) for n in range(1, 51)])
    result = once(homeport, source, target, *options(path, columns="public.users.number, public.events.n"))
    assert result.rc == 0 and result.json["verified"], str(result)
    query = "SELECT {}, who::text FROM events ORDER BY 2"
    assert source.sql(query.format("1000000000000 - n")) == target.sql(query.format("n"))


@pytest.mark.parametrize("wrong, kind", [
    ("UPDATE attempts SET user_id = 'user_9' WHERE id = 7", "different"),          # not mapped at all
    ("UPDATE attempts SET user_id = '{6}' WHERE id = 7", "different"),             # somebody else's
    ("UPDATE attempts SET user_id = NULL WHERE id = 7", "different"),
    ("UPDATE attempts SET user_id = 'unheard of' WHERE id = 7", "different"),
    ("UPDATE likes SET user_id = '{6}' WHERE problem = 7", "missing"),
    ("UPDATE likes SET user_id = 'user_8' WHERE problem = 7", "missing"),
    ("UPDATE visits SET who = 'user_2' WHERE ctid = (SELECT min(ctid) FROM visits WHERE who = '{2}')", "count"),
    ("UPDATE users SET id = 'user_39' WHERE id = '{39}'", "missing"),
])
def test_rule_36_comparison_finds_a_wrongly_mapped_row(homeport, pair, tmp_path, wrong, kind):
    source, target = pair(15, 15)
    source.script(SCHEMA)
    path = write_map(tmp_path / "map.csv", pairs())
    assert once(homeport, source, target, *options(path), "--no-verify").rc == 0
    target.script("SET session_replication_role = replica;"
                  + wrong.replace("{39}", pairs()[38][1]).replace("{6}", pairs()[5][1]).replace("{2}", pairs()[1][1]))
    found = homeport("verify", "--json", "--dir", homeport.cwd / "once", *options(path), source=source, target=target)
    assert found.rc == 3, str(found)
    assert len(found.json["differing_tables"]) == 1 and kind in {item["kind"] for item in found.json["list"]}


def test_rule_36_comparison_of_touched_rows_finds_a_wrongly_mapped_one_inside_the_pause(following):
    """The row is written after the whole comparison, and spoilt at home behind the stream's back."""
    live = following()
    source, target = live.source, live.target
    assert live.ok("verify")["verified"]
    for spoilt in ("UPDATE likes SET since = '2020-01-01' WHERE problem = 77",
                   "UPDATE attempts SET user_id = 'user_6' WHERE id = 7"):
        source.sql("UPDATE likes SET since = '2026-06-06' WHERE problem = 77")
        source.sql("UPDATE attempts SET note = 'touched' WHERE id = 7")
        live.applied_past(source)
        behind_the_fence(target, spoilt)
        report = live.run("cutover")
        assert report.rc != 0 and "differ" in report.err, str(report)
    assert live.status()["phase"] == "caught-up"


def findings(homeport, source, target, *args):
    result = homeport("check", "--json", *args, source=source, target=target)
    return {f["id"]: f for f in result.json["findings"] if f["id"].startswith("identity-")}


def test_rule_36_check_finds_what_cannot_be_mapped_and_where_else_ids_are(homeport, pair, tmp_path):
    source, target = pair(15, 15)
    source.script(SCHEMA + """
        CREATE TABLE audit (id integer, actor text, actors text[], body jsonb, other text);
        INSERT INTO audit SELECT g, 'user_' || g, ARRAY['x', 'user_3'], '{"by": {"id": "user_4"}}', 'user'
          FROM generate_series(1, 20) AS g;
        CREATE TABLE by_user (who text, n numeric) PARTITION BY LIST (who);
        INSERT INTO visits VALUES ('guest', '/');
    """)
    path = write_map(tmp_path / "map.csv", pairs())
    assert findings(homeport, source, target) == {}

    found = findings(homeport, source, target, *options(path))
    assert set(found) == {"identity-unmapped", "identity-candidate", "identity-embedded"}
    assert found["identity-unmapped"]["severity"] == "blocker"
    assert found["identity-unmapped"]["objects"] == ['public.visits.who: 1 id: "guest"']
    assert found["identity-candidate"]["objects"] == ["public.audit.actor: in 20 of 20 rows looked at"]
    assert found["identity-embedded"]["objects"] == ["public.audit.actors: in 20 of 20 rows looked at",
                                                     "public.audit.body: in 20 of 20 rows looked at"]
    kept = findings(homeport, source, target, *options(path, forward="keep"))
    assert kept["identity-unmapped"]["severity"] == "note"

    columns = "public.attempts.user_id, public.likes.user_id, public.by_user.who, public.by_user.n, public.no.such"
    found = findings(homeport, source, target, *options(path, columns=columns))
    assert found["identity-foreign-key"]["severity"] == found["identity-column"]["severity"] == "blocker"
    assert len(found["identity-foreign-key"]["objects"]) == 2
    assert all("not listed: public.users.id" in name for name in found["identity-foreign-key"]["objects"])
    assert [name.split(":")[0] for name in found["identity-column"]["objects"]] == [
        "public.no.such", "public.by_user.who", "public.by_user.n", "public.by_user.n"][:3]

    write_map(path, [*pairs(39), ("nobody", "user_40"), ("user_41", "user_1")])
    found = findings(homeport, source, target, *options(path))
    assert "user_40" in found["identity-taken"]["objects"][0] and found["identity-taken"]["severity"] == "blocker"
    assert found["identity-chain"]["objects"] == ['"user_1"']
    assert "uuid" not in str(found)
    source.sql("ALTER TABLE audit ADD COLUMN token uuid")
    found = findings(homeport, source, target, *options(path, columns="public.audit.token"))
    assert 'map.csv:2: "user_1" is no uuid' in found["identity-column"]["objects"][0]

    # Of a large table some pages are looked at.
    source.sql("CREATE TABLE archive (who text, pad character(1500));"
               "INSERT INTO archive SELECT 'user_' || g % 30 + 1, 'x' FROM generate_series(1, 8000) AS g")
    found = findings(homeport, source, target, *options(path))
    assert any(name.startswith("public.archive.who: in ") for name in found["identity-candidate"]["objects"]), found


def test_rule_36_check_says_which_questions_this_role_may_not_ask(homeport, pair, tmp_path):
    source, target = pair(15, 15)
    source.script(SCHEMA + "CREATE TABLE audit (id integer, actor text); INSERT INTO audit VALUES (1, 'user_1')")
    path = write_map(tmp_path / "map.csv", pairs())
    result = homeport("check", "--json", *options(path), source=source.role("reader"), target=target)
    said = str([found for found in result.json["findings"] if found["id"] == "rule-unanswered"])
    for rule in ("identity-unmapped", "identity-candidate"):
        assert rule in said, said
    assert "permission denied for table" in said


def test_rule_36_once_counts_the_ids_that_it_kept(homeport, pair, tmp_path):
    source, target = pair(15, 15)
    source.script(SCHEMA + "INSERT INTO users VALUES ('guest_1', 'a'), ('guest_2', 'b');"
                           "INSERT INTO attempts VALUES (2000, 'guest_1', 'x')")
    path = write_map(tmp_path / "map.csv", pairs())
    stopped = once(homeport, source, target, *options(path))
    assert stopped.rc == 3 and "public.users.id: 2 ids: " in stopped.err and target.tables() == [], str(stopped)
    result = once(homeport, source, target, *options(path, forward="keep"))
    assert result.rc == 0 and result.json["verified"] and result.json["copied"]["identities_kept"] == 2, str(result)
    assert_mapped(source, target, dict(pairs()))


@pytest.mark.parametrize("args, message", [
    (["--identity-map", "map.csv"], "identities have a map, but no columns"),
    (["--identity-columns", "a.b.c"], "identities have columns, but no map"),
    (["--identity-map", "map.csv", "--identity-columns", "users.id"], 'not a column: "users.id"'),
    (["--identity-map", "map.csv", "--identity-columns", "a.b.c, a.b.c"], "a.b.c is there twice"),
    (["--identity-map", "map.csv", "--identity-columns", "a.b.c", "--identity-unmapped", "drop"], "stop or keep"),
])
def test_rule_36_settings_that_make_no_sense_are_refused(homeport, pair, tmp_path, args, message):
    source, target = pair(15, 15)
    write_map(homeport.cwd / "map.csv", pairs())
    result = homeport("check", *args, source=source, target=target)
    assert result.rc == 2 and message in result.err, str(result)
