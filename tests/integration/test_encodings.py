"""Databases whose texts are not UTF-8: what pg_dump carries arrives, byte for byte."""

import pytest

from live import Live
from test_verify_live import behind_its_back

# Byte 0x81 is no character of WIN1252, and no text in UTF-8; 0xE9 is e with an acute accent.
ENCODINGS = pytest.mark.parametrize("encoding", ["SQL_ASCII", "WIN1252"])
TABLES = r"""
CREATE TABLE words (w text PRIMARY KEY, n int, more text[], c varchar(9), d text DEFAULT repeat(E'\x81', 500));
INSERT INTO words SELECT E'\x81\xe9 ' || i, i, ARRAY[E'\xe9', E'\x81'], E'\x81' FROM generate_series(1, 40) AS i;
CREATE TABLE bag (w text, n int);
INSERT INTO bag SELECT E'\x81' || i % 3, i % 5 FROM generate_series(1, 40) AS i;
COMMENT ON TABLE bag IS E'\x81 bag';
DO $$ BEGIN EXECUTE format(E'CREATE TABLE "caf\xe9" (k int PRIMARY KEY, "\xe9" text DEFAULT E''\x81'')'); END $$;
DO $$ BEGIN EXECUTE format(E'INSERT INTO "caf\xe9" SELECT generate_series(1, 5)'); END $$;
"""


def contents(db):
    """{table: (comment, digest of the rows)} in hexadecimal digits, so that nothing is converted on the way."""
    return {name: (comment, rows) for name, comment, rows in db.sql(
        "SELECT encode(textsend(relname), 'hex'), encode(textsend(obj_description(oid, 'pg_class')), 'hex'),"
        " query_to_xml(format('SELECT md5(string_agg(md5(t::text), %L ORDER BY md5(t::text))) FROM %s AS t', '', oid::regclass),"
        " true, true, '')::text"
        " FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")}


@pytest.fixture
def twins(pair):
    """twins(encoding) -> a source with bytes that are not UTF-8, and an empty target alike"""
    def make(encoding):
        source, target = pair(15, 15, f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'")
        source.script(TABLES)
        return source, target
    return make


@ENCODINGS
def test_bytes_that_are_no_characters_are_moved_and_verified(homeport, twins, encoding):
    source, target = twins(encoding)
    report = homeport("move", "--once", "--json", source=source, target=target)
    assert report.rc == 0, str(report)
    before = contents(source)
    assert len(before) == 3 and contents(target) == before
    assert homeport("verify", "--json", source=source, target=target).json["verified"] is True

    # It reads what differs, and its report is JSON all the same.
    target.sql(r"UPDATE words SET c = E'\x8d' WHERE n = 7")
    target.sql(r"DELETE FROM words WHERE n = 8")
    target.sql(r"UPDATE words SET d = d || 'x' WHERE n = 9")
    target.sql(r"INSERT INTO bag VALUES (E'\x81', 0)")
    different = homeport("verify", "--json", source=source, target=target)
    assert different.rc == 3
    rows = {d["key"]: d["detail"] for d in different.json["list"] if d["object"] == "public.words"}
    assert set(rows) == {r"(w)=(\x81\xe9 7)", r"(w)=(\x81\xe9 8)", r"(w)=(\x81\xe9 9)"}
    assert r"'\x81'" in rows[r"(w)=(\x81\xe9 7)"] and r"'\x8d'" in rows[r"(w)=(\x81\xe9 7)"]
    assert "(501 characters)" in rows[r"(w)=(\x81\xe9 9)"]
    assert any(r"\x81" in d["detail"] for d in different.json["list"] if d["object"] == "public.bag")


@ENCODINGS
def test_bytes_that_are_no_characters_are_streamed(homeport, twins, taken_down, encoding):
    source, target = twins(encoding)
    source.sql("ALTER TABLE bag REPLICA IDENTITY FULL")
    live, _ = taken_down(Live(homeport, source, target), None)
    live.start()
    live.caught_up()

    def change(db, byte):
        db.sql(rf"INSERT INTO words SELECT E'{byte} new ' || i, i, ARRAY[E'{byte}'], E'{byte}' FROM generate_series(1, 5) AS i")
        db.sql(rf"UPDATE words SET w = w || E'{byte}', c = E'{byte}' WHERE n BETWEEN 10 AND 20")
        db.sql("DELETE FROM words WHERE n BETWEEN 21 AND 25")
        db.sql(rf"DELETE FROM bag WHERE w = E'\x810'")
        db.sql(rf"DO $$ BEGIN EXECUTE format(E'UPDATE caf\xe9 SET \xe9 = E''{byte}'' WHERE k = 2'); END $$")
    change(source, r"\x8d")
    live.applied_past()
    assert contents(target) == contents(source)
    # The mover that is started again knows the encoding without a new check.
    live.stop()
    change(source, r"\x8f")
    live.start()
    live.caught_up()
    live.applied_past()
    assert contents(target) == contents(source)
    assert live.ok("verify")["verified"] is True
    behind_its_back(live, "UPDATE words SET c = 'other' WHERE n = 40")
    different = live.run("verify")
    assert different.rc == 3 and r"\x81\xe9 40" in different.out.replace("\\\\", "\\")
    live.ok("move", "--resync", "public.words")
    assert contents(target) == contents(source)
    live.ok("cutover")
    change(target, r"\x90")
    live.applied_past(target)
    assert contents(target) == contents(source)
    live.stop()
    live.ok("finish")
    assert contents(target) == contents(source)
