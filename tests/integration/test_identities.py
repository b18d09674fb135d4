"""Identifiers that change on their way (MOVE.md 36): mapped in copy and stream, compared through the
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


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def once(homeport, source, target, *args, work="once"):
    return homeport("move", "--once", "--json", "--dir", homeport.cwd / work, *args, source=source, target=target,
                    timeout=120)


@pytest.fixture
def following(homeport, pair, tmp_path):
    made = []

    def make(*args, version=15, script=SCHEMA, **rules):
        source, target = pair(version, version)
        source.script(script)
        path = write_map(tmp_path / "map.csv", pairs())
        live = Live(homeport, source, target, *options(path, **rules), *args)
        live.map = path
        made.append(live)
        live.start()
        live.caught_up()
        return live
    yield make
    for live in made:
        if live.mover:
            live.mover.end()
        homeport("abort", "--dir", live.dir, source=live.source, target=live.target)
        homeport("finish", "--dir", live.dir, source=live.source, target=live.target)


def test_36_once_copies_listed_columns_mapped_and_finds_them_equal(homeport, pair, folder):
    source, target = pair(15, 15)
    source.script(SCHEMA)
    path = write_map(folder / "map.csv", pairs())
    result = once(homeport, source, target, *options(path))
    assert result.rc == 0, str(result)
    assert result.json["verified"] and result.json["differences"] == 0 and result.json["tables"] == 5
    assert_mapped(source, target, dict(pairs()))
    assert target.sql("SELECT DISTINCT handle = '@' || id FROM users") == [(True,)]
    found = homeport("verify", "--json", "--dir", homeport.cwd / "once", *options(path), source=source, target=target)
    assert found.rc == 0 and found.json["verified"], str(found)
    without = homeport("verify", "--json", "--dir", homeport.cwd / "once", source=source, target=target)
    assert without.rc == 3 and not without.json["verified"]


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


def test_36_stream_cutover_and_back_map_every_change_both_ways(following):
    live = following()
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
    assert found["verified"] and found["differences"] == 0 and found["tables"] == 5

    # In a transaction of its own, and many, at home with the ids of there; some keys swap places.
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
