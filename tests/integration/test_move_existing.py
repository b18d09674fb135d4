"""schema: existing: the target has its tables already; rows and sequences are copied into them, and
nothing of the owner's is made, changed or dropped."""

import pytest

import live as lives
import moving
import zoo
from live import Live
from moving import Move

DDL = """
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE log (id bigserial PRIMARY KEY, what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO log (what) VALUES (TG_TABLE_NAME); RETURN new; END$$;
CREATE TABLE parent (id serial PRIMARY KEY, name text NOT NULL, feels mood);
CREATE TABLE child (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    parent integer NOT NULL REFERENCES parent, above integer REFERENCES child,
    twice integer GENERATED ALWAYS AS (parent * 2) STORED);
CREATE INDEX child_parent ON child (parent);
CREATE TRIGGER noted BEFORE INSERT ON parent FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER emptied BEFORE TRUNCATE ON parent FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TABLE part (day date, v text) PARTITION BY RANGE (day);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE part_2 PARTITION OF part DEFAULT;
CREATE SEQUENCE alone;
"""
ROWS = """
INSERT INTO parent (name, feels) SELECT 'name ' || g, 'bad' FROM generate_series(1, 500) AS g;
INSERT INTO child (parent, above) SELECT g % 500 + 1, CASE WHEN g > 1 THEN g / 2 END FROM generate_series(1, 2000) AS g;
INSERT INTO part SELECT date '2026-01-01' + g, 'v' FROM generate_series(1, 60) AS g;
SELECT nextval('alone'), nextval('alone');
"""


@pytest.fixture
def config(homeport):
    path = homeport.cwd / "homeport.yaml"
    path.write_text("schema: existing\n", encoding="utf-8")
    return path


def make(source, target):
    source.script(DDL + ROWS)
    target.script(DDL)


@pytest.mark.parametrize("source_version, target_version", ((18, 18), (14, 16), (15, 18)))
def test_rows_and_sequences_arrive_where_foreign_keys_and_triggers_are(homeport, pair, config, source_version, target_version):
    """Where no pg_dump can read the source. Nothing fires, nothing is checked row by row, and what is
    there stays."""
    source, target = pair(source_version, target_version)
    make(source, target)
    before = zoo.inventory(target)
    result = Move(homeport, source, target, "--config", config, "--split-bytes", "32kB", verify=True).ok()
    assert result.json["verified"] is True
    assert target.contents() == source.contents()
    assert target.value("SELECT count(*) FROM log") == 500  # the source's own, none of homeport's making
    after = zoo.inventory(target)
    before["sequence value"] = after["sequence value"]
    assert after == before
    target.sql("INSERT INTO parent (name) VALUES ('after')")
    assert target.value("SELECT count(*) FROM log") == 501


def test_without_a_superuser_the_hint_says_what_is_needed(homeport, pair, config):
    source, target = pair(15, 15)
    make(source, target)
    url = target.role("mover", "LOGIN")
    target.sql("GRANT ALL ON SCHEMA public TO mover; GRANT ALL ON ALL TABLES IN SCHEMA public TO mover;"
               f" GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO mover; GRANT CREATE ON DATABASE {target.name} TO mover")
    for table in ("log", "parent", "child", "part", "part_1", "part_2"):
        target.sql(f"ALTER TABLE {table} OWNER TO mover")
    result = Move(homeport, source, target, "--config", config).run(target=url)
    assert result.rc == 3, str(result)  # a finding of the check
    assert "session_replication_role" in result.err
    assert target.sql("SELECT 1 FROM parent") == []


def test_a_right_that_is_taken_away_behind_the_check_is_named(homeport, pair, config, proxy):
    source, target = pair(15, 15)
    make(source, target)
    target.role("mover", "LOGIN")
    target.sql("GRANT ALL ON SCHEMA public TO mover; GRANT CREATE ON DATABASE " + target.name + " TO mover;"
               "GRANT SET ON PARAMETER session_replication_role TO mover; ALTER SEQUENCE alone OWNER TO mover")
    for table in ("log", "parent", "child", "part", "part_1", "part_2"):
        target.sql(f"ALTER TABLE {table} OWNER TO mover")
    relay = proxy(target.server)
    relay.hold_at("SET session_replication_role = replica")
    run = Move(homeport, source, target, "--config", config).start(target=relay.url(target, user="mover", password="pw-of-role"))
    run.wait_for(lambda: relay.holds, 60, "the check is behind it")
    target.sql("REVOKE SET ON PARAMETER session_replication_role FROM mover")
    relay.release()
    error = moving.error_of(run.wait(60))
    assert error["sqlstate"] == "42501", error
    assert error["hint"] == ("With `schema: existing` the target's triggers must be silenced: connect as a superuser, or"
                             " GRANT SET ON PARAMETER session_replication_role."), error
    assert target.sql("SELECT 1 FROM parent") == []


def test_killed_it_keeps_what_was_there_and_copies_again(homeport, pair, config):
    source, target = pair(15, 15)
    make(source, target)
    before = zoo.inventory(target)
    move = Move(homeport, source, target, "--config", config)
    with moving.transaction(target, "LOCK TABLE child IN ACCESS SHARE MODE") as holder:
        run = move.start()
        run.wait_for(lambda: moving.is_waiting(target, holder), what="held before the tables are emptied")
        run.kill()
    move.check_incomplete()
    source.sql("DELETE FROM part WHERE day > '2026-02-10'")
    result = move.ok()
    assert "schema kept" in result.err
    assert target.contents() == source.contents()
    after = zoo.inventory(target)
    before["sequence value"] = after["sequence value"]
    assert after == before


def test_killed_while_it_copies_for_a_stream_it_copies_again_and_says_so(homeport, pair, config, taken_down, proxy):
    source, target = pair(15, 15)
    for side in (source, target):
        side.script(DDL)
    source.script(ROWS + "ALTER TABLE log REPLICA IDENTITY FULL; ALTER TABLE part REPLICA IDENTITY FULL;"
                  "ALTER TABLE part_1 REPLICA IDENTITY FULL; ALTER TABLE part_2 REPLICA IDENTITY FULL")
    live, _ = taken_down(Live(homeport, source, target, "--config", config), None)
    relay = proxy(target.server)
    relay.hold_at("FROM STDIN")
    live.env = {"HOMEPORT_TARGET_URL": relay.url(target)}
    live.start().wait_for(lambda: relay.holds, 60, "rows are copied")
    live.kill()
    relay.release()
    live.start()
    live.caught_up()
    assert "schema kept from the run before; rows start again" in live.mover.err, live.mover.err
    live.ok("verify")


def test_large_objects_that_come_behind_the_check_stop_it(homeport, pair, config, proxy):
    source, target = pair(15, 15)
    make(source, target)
    relay = proxy(source.server)
    relay.hold_at("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    run = Move(homeport, source, target, "--config", config).start(env={"HOMEPORT_SOURCE_URL": relay.url(source)})
    run.wait_for(lambda: relay.holds, 60, "the snapshot is about to be taken")
    source.sql("SELECT lo_from_bytea(7001, 'late')")
    relay.release()
    result = run.wait(60)
    error = moving.error_of(result)
    assert error["message"] == "the source has large objects, which only come with its dump", str(result)
    assert error["hint"] == "`homeport check` says what can be done."
    assert target.sql("SELECT 1 FROM parent") == []


@pytest.mark.parametrize("there, here, values", (
    ("bigint", "double precision", "(1), (-5)"),
    ("double precision", "bigint", "(1), (-5)"),
    ("timestamp", "bigint", None),
    ("text", "bytea", r"('\x01')"),
    ("integer", "date", None),
    ("varchar(5)", "text", "('ab'), ('é')"),
    ("real", "integer", "(7)"),
    ("text", "uuid", "('6ecd8c99-4036-403d-bf84-cf8400f67836')"),
    ("integer[]", "text[]", "('{1,2}')"),
))
def test_rule_7_column_of_another_type_is_converted_or_refused_never_misread(homeport, pair, config, there, here, values):
    """Both are eight bytes: as its binary form a 1 would become 5e-324."""
    source, target = pair(15, 15)
    source.sql(f"CREATE TABLE t (v {there})")
    source.sql(f"INSERT INTO t VALUES {values}" if values else
               f"INSERT INTO t VALUES ({'now()' if there == 'timestamp' else '1'})")
    target.sql(f"CREATE TABLE t (v {here})")
    move = Move(homeport, source, target, "--config", config)
    if values:
        move.ok()
        assert target.sql("SELECT v::text FROM t ORDER BY 1") == source.sql("SELECT v::text FROM t ORDER BY 1")
    else:
        error = move.failed()
        assert error["code"] == "sql" and '"public"."t"' in error["message"]
        move.check_incomplete()
        assert target.sql("SELECT 1 FROM t") == []


@pytest.mark.parametrize("ddl, says", (
    ("CREATE TABLE other (id integer)", "target-table-missing"),
    ("CREATE TABLE t (id integer)", "target-table-missing"),
))
def test_table_or_column_that_the_target_lacks(homeport, pair, config, ddl, says):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id integer, v text); INSERT INTO t VALUES (1, 'a')")
    target.sql(ddl)
    result = Move(homeport, source, target, "--config", config).run()
    assert result.rc in (1, 3), str(result)
    assert says in result.err
    assert "t" not in target.tables() or target.sql("SELECT 1 FROM t") == []


CONFIGURED = """
CREATE EXTENSION citext;
CREATE TABLE setting (name text PRIMARY KEY, own boolean);
ALTER EXTENSION citext ADD TABLE setting;
UPDATE pg_extension SET extconfig = ARRAY['setting'::regclass::oid], extcondition = ARRAY['WHERE own'] WHERE extname = 'citext';
INSERT INTO setting VALUES ('shipped', false);
"""


def test_rule_6_resync_of_an_extensions_table_is_of_the_users_rows(homeport, pair, config, taken_down):
    source, target = pair(15, 15)
    for side in (source, target):
        side.script(CONFIGURED)
    source.sql("INSERT INTO setting VALUES ('own', true), ('other', true)")
    live, _ = taken_down(Live(homeport, source, target, "--config", config), None)
    live.start()
    live.caught_up()
    target.script("BEGIN READ WRITE; SET LOCAL session_replication_role = replica;"
                  " ALTER TABLE setting DISABLE TRIGGER homeport_fence; DELETE FROM setting WHERE name = 'own';"
                  " ALTER TABLE setting ENABLE ALWAYS TRIGGER homeport_fence; COMMIT")
    again = homeport("move", "--resync", "setting", "--json", "--dir", live.dir, "--config", config, source=source,
                     target=target)
    assert again.rc == 0 and again.json["rows"] == 2, str(again)
    assert target.sql("SELECT * FROM setting ORDER BY name") == [("other", True), ("own", True), ("shipped", False)]
    assert live.ok("verify")["differences"] == 0


def test_rule_33_abort_takes_the_rows_that_were_copied_and_no_others(homeport, pair, config, taken_down):
    source, target = pair(15, 15)
    make(source, target)
    for side in (source, target):
        side.script(CONFIGURED + "ALTER TABLE log REPLICA IDENTITY FULL")
    source.sql("ALTER TABLE part REPLICA IDENTITY FULL")
    source.script("ALTER TABLE part_1 REPLICA IDENTITY FULL; ALTER TABLE part_2 REPLICA IDENTITY FULL;"
                  "INSERT INTO setting VALUES ('own', true)")
    target.script("CREATE TABLE mine (id integer PRIMARY KEY); INSERT INTO mine VALUES (1)")
    live, _ = taken_down(Live(homeport, source, target, "--config", config), None)
    live.start()
    live.caught_up()
    assert target.value("SELECT count(*) FROM child") == 2000 and target.value("SELECT count(*) FROM setting") == 2
    live.stop()
    # As where the mover was killed before it had finished child, and somebody else wrote there.
    target.script("BEGIN READ WRITE; SET LOCAL session_replication_role = replica;"
                  " DELETE FROM homeport.finished_part WHERE table_name = 'child';"
                  " DELETE FROM homeport.progress WHERE table_name = 'child'; COMMIT")
    refused = homeport("abort", "--dir", live.dir, "--config", config, source=source, target=target)
    assert refused.rc == 1 and '"child" refers to tables that were copied' in refused.err, str(refused)
    assert target.value("SELECT count(*) FROM parent") == 500
    target.sql("DELETE FROM child")
    result = homeport("abort", "--dir", live.dir, "--config", config, source=source, target=target)
    assert result.rc == 0 and "the target's tables are empty" in result.out, str(result)
    assert lives.traces(source) == [] == lives.traces(target)
    contents = {table: target.value(f"SELECT count(*) FROM {table}") for table in target.tables()}
    assert contents.pop("mine") == 1 and contents.pop("setting") == 1 and not any(contents.values()), contents
    live.start()
    live.caught_up()
    live.ok("verify")
