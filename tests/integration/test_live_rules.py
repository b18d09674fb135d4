"""Rules of the live move (docs/move.md) that no fault of the peer is about, each held at the moment that it is for."""

import contextlib
import pathlib
import re
import shlex
import signal
import sqlite3
import threading
import time

import psycopg2
import pytest

import live as lives
import wait
from live import Live, as_number
from moving import is_waiting, transaction

LIFT = pathlib.Path(__file__).resolve().parents[2] / "sql/fence/lift.sql"
KEYED = "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 50) AS g"


@pytest.fixture
def begun(homeport, pair, taken_down):
    """begun(schema, ...) -> a live move of these tables that has not been started"""
    def make(schema, *args):
        source, target = pair(15, 15)
        source.script(schema)
        return taken_down(Live(homeport, source, target, *args), None)[0]
    return make


@pytest.fixture
def following(begun):
    def make(schema, *args):
        live = begun(schema, *args)
        live.start()
        live.caught_up()
        return live
    return make


def ours(database):
    """As one of homeport's own sessions, which the fence does not end."""
    return database.connect(autocommit=False, application_name="homeport test")


def at_home(live, *statements):
    live.target.script("; ".join(("BEGIN READ WRITE", *statements, "COMMIT")))


def rows(database, table="t"):
    return database.sql(f"SELECT * FROM {table} ORDER BY 1")


def publications(database):
    return database.sql("SELECT pubname FROM pg_publication")


def test_rule_1_publication_then_slot_then_snapshot(begun):
    """Each is held until those before it have been seen without it."""
    live = begun(KEYED)
    source, target = live.source, live.target
    with contextlib.ExitStack() as stack:
        publishing = stack.enter_context(transaction(source, "LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE"))
        writing = stack.enter_context(transaction(source, "INSERT INTO t VALUES (1000, 1)"))
        live.start()
        wait.until(lambda: is_waiting(source, publishing), 30, "it publishes")
        assert publications(source) == [] and lives.slots(source) == []
        publishing.rollback()
        wait.until(lambda: is_waiting(source, writing), 30, "it makes the slot")
        assert len(publications(source)) == 1 and lives.slots(source) != []
        # Behind where the slot may begin, and before the snapshot: copied, and not streamed as well.
        source.sql("INSERT INTO t VALUES (2000, 2)")
        assert source.server.sql("SELECT query FROM pg_stat_activity WHERE application_name LIKE 'homeport%%'"
                                 " AND query LIKE '%%pg_export_snapshot%%'") == [] == target.tables()
        writing.commit()
    live.caught_up()
    source.sql("INSERT INTO t VALUES (3000, 3)")
    live.ok("cutover")
    assert rows(target) == rows(source) and rows(target)[-3:] == [(1000, 1), (2000, 2), (3000, 3)]


def test_rule_2_a_table_that_lost_its_identity_after_the_check_is_not_published(begun):
    live = begun(KEYED)
    with transaction(live.source, "LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE") as holder:
        live.start()
        wait.until(lambda: is_waiting(live.source, holder), 30, "it publishes")
        holder.cursor().execute("ALTER TABLE t DROP CONSTRAINT t_pkey")
        holder.commit()
    result = live.mover.wait(30)
    live.mover = None
    assert result.rc == 1 and "t has no replica identity" in result.err and "IDENTITY FULL" in result.err, str(result)
    assert publications(live.source) == [] and lives.slots(live.source) == []
    live.source.sql("UPDATE t SET n = 1")
    live.source.sql("ALTER TABLE t ADD PRIMARY KEY (id)")
    live.start()
    live.caught_up()
    live.ok("cutover")
    assert rows(live.target) == [(g, 1) for g in range(1, 51)]


def test_rule_2_a_table_without_an_identity_at_home_is_not_published_for_the_way_back(following):
    live = following(KEYED)
    live.source.sql("ALTER TABLE t DROP CONSTRAINT t_pkey")
    at_home(live, "ALTER TABLE t DROP CONSTRAINT t_pkey")
    refused = live.run("cutover")
    assert refused.rc == 1 and "t has no replica identity" in refused.err, str(refused)
    assert lives.slots(live.target) == [] and live.status()["phase"] == "caught-up"
    live.source.sql("INSERT INTO t VALUES (51, 0)")
    for sql in ("ALTER TABLE t REPLICA IDENTITY FULL",):
        live.source.sql(sql)
        at_home(live, sql)
    live.ok("cutover")
    live.target.sql("UPDATE t SET n = 2 WHERE id = 51")
    live.ok("rollback")
    assert rows(live.source) == [(g, 0) for g in range(1, 51)] + [(51, 2)]


@pytest.mark.parametrize("what, made, gone", (
    ("large object", "SELECT lo_from_bytea(4711, 'x')", "SELECT lo_unlink(4711)"),
    ("materialized view", "CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM t", "DROP MATERIALIZED VIEW total"),
    ("unlogged table", "CREATE UNLOGGED TABLE passing (id int PRIMARY KEY)", "DROP TABLE passing"),
), ids=("large-object", "materialized-view", "unlogged-table"))
@pytest.mark.parametrize("alike", (False, True), ids=("at-the-source", "on-both-sides"))
def test_rule_21_peer_fault_what_has_no_stream_and_came_during_the_move_refuses_the_cutover(following, what, made, gone, alike):
    live = following(KEYED)
    live.source.sql(made)
    if alike:
        at_home(live, made)
    refused = live.run("cutover")
    assert refused.rc == 1 and ("no stream carries " + what if alike else "is new on the source") in refused.err, str(refused)
    live.source.sql("INSERT INTO t VALUES (51, 0)")
    assert live.status()["phase"] == "caught-up"
    live.source.sql(gone)
    if alike:
        at_home(live, gone)
    live.ok("cutover")
    assert rows(live.target) == rows(live.source)


def test_rule_30_what_is_confirmed_and_flushed_is_not_yet_drained(following):
    """The last write is on our disk, its LSN is confirmed, and home has not got it: nothing is switched before it has."""
    live = following(KEYED)
    source, target = live.source, live.target
    armed = live.homeport.cwd / "paused"
    answers = []
    command = threading.Thread(target=lambda: answers.append(live.run(
        "cutover", "--max-pause", "60s", "--on-pause", f"touch {armed}; while test -e {armed}; do sleep 0.01; done")))
    command.start()
    wait.until(armed.exists, 30, "the pause begins")
    with contextlib.closing(ours(target)) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN SHARE MODE")
        source.sql("INSERT INTO t VALUES (51, 1)")
        (written,), = source.sql("SELECT pg_current_wal_insert_lsn()::text")
        armed.unlink()
        wait.until(lambda: live.status()["phase"] == "draining", 30, "it drains")
        wait.until(lambda: as_number(source.value(
            "SELECT confirmed_flush_lsn::text FROM pg_replication_slots WHERE database = current_database()"))
            >= as_number(written), 30, "the write is confirmed")
        wait.until(lambda: is_waiting(target, hold), 30, "the write is being applied")
        # Whatever would not wait for it would be through by now.
        command.join(2)
        assert not answers and live.status()["phase"] == "draining" and rows(target)[-1] == (50, 0)
        hold.rollback()
    command.join(60)
    assert answers[0].rc == 0 and answers[0].json["done"], str(answers[0])
    assert rows(target) == rows(source) and rows(target)[-1] == (51, 1)


def test_rule_33_the_old_directions_slot_goes_once_the_switch_is_durable_and_not_before(following):
    live = following(KEYED)
    source, target = live.source, live.target
    forward = lives.slots(source)
    killed = live.homeport.cwd / "killed"
    assert live.run("cutover", "--on-switch", f"test -e {killed} || {{ touch {killed}; kill -9 $PPID; }}").rc == 1
    wait.until(lambda: not live.mover.running, 10, "the mover is dead")
    assert lives.slots(source) == forward and len(forward) == 1
    live.start()
    live.caught_up()
    live.ok("cutover")
    back = lives.slots(target)
    assert lives.slots(source) == [] and len(back) == 1
    live.ok("rollback")
    again = lives.slots(source)
    assert lives.slots(target) == [] and len(again) == 1 and again != forward
    live.ok("cutover")
    assert lives.slots(source) == [] and len(lives.slots(target)) == 1


def fact(live, name):
    with contextlib.closing(sqlite3.connect(f"file:{live.dir}/state.sqlite?mode=ro", uri=True)) as store:
        (value,), = store.execute("SELECT value FROM fact WHERE name = ?", (name,))
    return value


def test_rule_34_what_was_found_inside_the_pause_stands_until_all_is_compared(following):
    """A row that no stream touched is missed by the count inside the pause alone."""
    live = following(KEYED)
    live.ok("verify")
    paused = live.homeport.cwd / "paused"
    let_through = f"SET LOCAL homeport.token = '{fact(live, 'token')}'"
    at_home(live, let_through, "DELETE FROM t WHERE id = 7")
    assert live.status()["verified"] is True
    refused = live.run("cutover", "--on-pause", f"touch {paused}")
    assert refused.rc != 0 and "1 row differs" in refused.err, str(refused)
    status = live.status()
    assert status["verified"] is False and status["differences"] == 1 and "Do not cut over" in status["next"], status
    paused.unlink()
    live.source.sql("UPDATE t SET n = 1 WHERE id = 8")
    refused = live.run("cutover", "--on-pause", f"touch {paused}")
    assert refused.rc != 0 and "1 difference stands" in refused.err and not paused.exists(), str(refused)
    assert live.status()["differences"] == 1
    at_home(live, let_through, "INSERT INTO t VALUES (7, 0)")
    live.ok("cutover")
    assert rows(live.target) == rows(live.source)


@pytest.mark.parametrize("side", ("source", "target"))
def test_rule_20_who_has_a_table_to_himself_holds_nothing_up_and_is_named(following, side):
    live = following(KEYED)
    with contextlib.closing(getattr(live, side).connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        refused = live.run("cutover", timeout=40)
        assert refused.rc == 1 and f'"t" on the {side} is held by session {hold.get_backend_pid()}' in refused.err, str(refused)
        assert "homeport test" in refused.err and live.status()["receiving"] is True
    live.ok("cutover")


def test_rule_20_who_has_a_table_to_himself_when_following_begins_is_waited_for_and_named(following):
    live = following(KEYED)
    live.stop()
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        live.start()
        named = f'following waits: "public"."t" on the target is held by session {hold.get_backend_pid()}'
        wait.until(lambda: named in (live.status().get("last_error") or ""), 60, "status names who holds it")
    live.source.sql("INSERT INTO t VALUES (77, 1)")
    live.caught_up()
    live.applied_past()
    assert live.target.sql("SELECT n FROM t WHERE id = 77") == [(1,)]
    assert live.status()["last_error"] is None


def test_rule_20_what_is_mended_is_soon_said_no_more(following):
    """Not at the next minute: who has mended it reads there whether he has."""
    live = following(KEYED)
    wait.until(lambda: live.status()["verified"], 30, "all is compared")
    live.source.sql("ALTER TABLE t ADD COLUMN more int")
    assert "t.more is new on the source" in live.run("cutover").err
    assert "t.more is new on the source" in live.status()["schema_changed"]
    at_home(live, "ALTER TABLE t ADD COLUMN more int")
    wait.until(lambda: live.status()["schema_changed"] is None, 25, "it is not said any more")


def test_rule_20_as_many_changes_of_other_things_are_not_alike(following):
    live = following(KEYED + "; CREATE TABLE other (id int PRIMARY KEY)")
    live.source.sql("ALTER TABLE t ADD COLUMN more int")
    at_home(live, "ALTER TABLE other ADD COLUMN more int")
    refused = live.run("cutover")
    assert refused.rc == 1 and "t.more is new on the source" in refused.err, str(refused)
    assert "other.more is new on the target" in refused.err, str(refused)


def test_rule_20_of_many_changes_the_first_are_named_and_the_rest_counted(following):
    live = following(KEYED)
    # Of nine views with a column each.
    live.source.script("".join(f"CREATE VIEW v{g} AS SELECT {g} AS n;" for g in range(9)))
    said = wait.until(lambda: live.status()["schema_changed"], 60, "the changes are said")
    assert said.count("is new on the source") == 5 and said.endswith(" and 13 more"), said
    live.source.script("".join(f"DROP VIEW v{g};" for g in range(9)))
    wait.until(lambda: live.status()["schema_changed"] is None, 60, "they are said no more")


@pytest.mark.parametrize("table", ('"Odd Name"', '"It\'s $new"'), ids=("blank", "quote"))
def test_rule_20_what_is_said_to_follow_a_new_table_can_be_run_as_it_is(following, table):
    live = following(KEYED)
    for make in (live.source.sql, lambda sql: at_home(live, sql)):
        make(f"CREATE TABLE {table} (id int PRIMARY KEY)")
    live.source.sql(f"INSERT INTO {table} VALUES (1)")
    refused = live.run("cutover")
    command, = re.findall(r"`homeport (move --resync .+?)`", refused.err)
    assert live.ok(*shlex.split(command))["rows"] == 1
    live.ok("cutover")
    assert rows(live.target, table) == [(1,)]


def test_rule_21_what_is_said_to_follow_a_table_that_was_unlogged_can_be_run_as_it_is(following):
    live = following(KEYED)
    table = '"It\'s passing"'
    for make in (live.source.sql, lambda sql: at_home(live, sql)):
        make(f"CREATE UNLOGGED TABLE {table} (id int PRIMARY KEY)")
    refused = live.run("cutover")
    command, = re.findall(r"`homeport (move --resync .+?)`", refused.err)
    for make in (live.source.sql, lambda sql: at_home(live, sql)):
        make(f"ALTER TABLE {table} SET LOGGED; INSERT INTO {table} VALUES (1)")
    at_home(live, f"DELETE FROM {table}")
    assert live.ok(*shlex.split(command))["rows"] == 1
    live.ok("cutover")
    assert rows(live.target, table) == [(1,)]


def test_rule_32_a_rehearsal_that_fails_leaves_the_source_as_it_was_too(following):
    live = following(KEYED)
    before = lives.traces(live.source)
    refused = live.run("cutover", "--rehearse", "--on-pause", "false")
    assert refused.rc == 1 and "Everything was undone" in refused.err, str(refused)
    assert lives.traces(live.source) == before
    live.source.sql("CREATE TABLE later (id int PRIMARY KEY)")  # refused before there is a fence
    assert "later" in live.run("cutover", "--rehearse").err
    assert lives.traces(live.source) == before
    live.source.sql("DROP TABLE later")
    stopped = live.run("cutover", "--rehearse", "--on-pause", "kill -TERM $PPID; sleep 20")
    assert stopped.rc == 1 and "stopped by SIGTERM" in stopped.err, str(stopped)
    assert lives.traces(live.source) == before
    live.mover.wait()
    live.start()
    live.caught_up()
    live.ok("cutover")


@pytest.fixture
def comparing(begun, proxy):
    """A move that compares everything by itself, has read t, and waits; and what lets it go on."""
    def make():
        live = begun(f"{KEYED}; CREATE TABLE other (id int PRIMARY KEY)", "--jobs", "1")
        held = proxy(live.target.server)
        live.env = {"HOMEPORT_TARGET_URL": held.url(live.target)}
        held.hold_at('ONLY "public"."other" AS t')
        live.start()
        wait.until(lambda: held.holds, 30, "it compares")
        live.caught_up()
        assert live.status()["verifying"] is True
        return live, held.release
    return make


def armed(side):
    return side.value("SELECT bool_and(tgenabled = 'A') FROM pg_trigger WHERE tgname = 'homeport_fence'")


def cutover_refused(live, release, is_void):
    """By the row that is another one now: what was begun before does not count."""
    command = live.homeport.start("cutover", "--dir", live.dir, "--json", source=live.source, target=live.target,
                                  env=live.env)
    wait.until(is_void, 30, "what is being compared is void")
    release()
    refused = command.wait(60)
    assert refused.rc != 0 and "stand" in refused.err and "between the two sides" in refused.err, str(refused)
    status = live.status()
    assert status["phase"] == "caught-up" and status["verified"] is False and status["differences"] > 0, status


def test_rule_34_a_comparison_that_began_before_home_was_open_does_not_count(comparing):
    live, release = comparing()
    live.target.script(f"BEGIN READ WRITE; {LIFT.read_text(encoding='utf-8')}; COMMIT")
    live.target.sql("UPDATE t SET n = 4711 WHERE id = 7")
    assert not armed(live.target)
    cutover_refused(live, release, lambda: armed(live.target))


@pytest.mark.parametrize("count", (3000, 150000))  # rows that are kept apart, and too many for that
def test_rule_34_what_is_written_while_all_is_compared_is_not_left_for_the_pause(comparing, count):
    live, release = comparing()
    live.source.sql("INSERT INTO t SELECT g, 0 FROM generate_series(1000, 999 + %s) AS g", (count,))
    live.applied_past()
    live.caught_up()  # so many rows put it behind, if the mover looks meanwhile
    command = live.homeport.start("cutover", "--dir", live.dir, "--json", source=live.source, target=live.target,
                                  env=live.env)
    wait.until(lambda: "wait until the other side has everything" in command.err, 30, "it waits for the comparison")
    release()
    ended = command.wait(60)
    report = ended.json
    assert ended.rc == 0 and report["verified"], str(ended)
    assert report["rows_compared"] < 500 and report["tables_compared"] == 0, str(ended)


def test_rule_20_a_comparison_that_began_before_both_schemas_changed_does_not_count(comparing):
    live, release = comparing()
    before = fact(live, "fingerprint source")
    for statement in (live.source.sql, lambda sql: at_home(live, sql)):
        statement("ALTER TABLE t ADD COLUMN chance float8 DEFAULT random()")
    cutover_refused(live, release, lambda: fact(live, "fingerprint source") != before)


def test_bad_input_cutover_while_far_behind_is_refused_with_the_time_it_would_take(following):
    live = following(KEYED)
    at_home(live, "CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
                  " $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$",
            "CREATE TRIGGER slowly BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION slowly()",
            "ALTER TABLE t ENABLE REPLICA TRIGGER slowly")
    stop = threading.Event()

    def write():
        with contextlib.closing(live.source.connect()) as conn, conn.cursor() as cursor:
            n = 1000
            while not stop.wait(0.002):
                n += 1
                cursor.execute("INSERT INTO t VALUES (%s, 0)", (n,))
    writer = threading.Thread(target=write)
    writer.start()
    try:
        wait.until(lambda: live.status()["lag_seconds"] > 2 and live.status()["rows_per_second"] > 10, 60, "it is behind")
        refused = live.run("cutover")
        assert refused.rc == 1 and "bytes behind" in refused.err and "takes about" in refused.err, str(refused)
        live.source.sql("INSERT INTO t VALUES (51, 0)")
    finally:
        stop.set()
        writer.join()
    at_home(live, "DROP TRIGGER slowly ON t", "DROP FUNCTION slowly()")
    wait.until(lambda: live.run("cutover").rc == 0, 60, "it has caught up")
    assert rows(live.target) == rows(live.source)


def test_rule_28_the_token_is_in_no_log_of_a_server_that_logs_everything(homeport, servers, taken_down):
    settings = {"log_statement": "all", "log_min_duration_statement": "0", "log_parameter_max_length": "-1",
                "log_connections": "on"}
    source, target = (servers.new(version, settings).create_db() for version in (15, 17))
    source.script("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
    live, _ = taken_down(Live(homeport, source, target), None)
    live.start()
    live.caught_up()
    live.ok("cutover")
    target.sql("INSERT INTO t VALUES (2)")
    live.ok("rollback")
    token = fact(live, "token")
    assert len(token) == 48
    for side in (source, target):
        log = side.server.log_path.read_text(encoding="utf-8", errors="replace")
        assert 'fastpath function call: "set_config"' in log and "homeport_fence" in log
        assert token not in log


def test_rule_1_the_first_slot_waits_for_open_transactions_as_long_as_it_takes_and_says_for_whom(begun):
    live = begun(KEYED)

    def waits():
        return live.mover.err.count("forgotten") > 1 and live.mover.err.count("waits until transactions end") > 1
    with contextlib.closing(live.source.connect(autocommit=False, application_name="forgotten")) as hold:
        # So young that it can be named only when it has been waited for.
        hold.cursor().execute("INSERT INTO t VALUES (1000, 0)")
        live.start().wait_for(waits, 60, "the slot waits")
        began = time.monotonic()
        live.mover.process.send_signal(signal.SIGTERM)
        live.mover.wait(30)
        assert time.monotonic() - began < 5
        wait.until(lambda: lives.slots(live.source) == [], 10, "the slot is gone")
        live.start().wait_for(waits, 60, "the slot waits again")
        live.source.sql("INSERT INTO t VALUES (1001, 0)")  # the app goes on
        hold.commit()
    live.caught_up()
    live.applied_past()
    assert live.target.sql("SELECT count(*), max(id) FROM t") == [(52, 1001)]
