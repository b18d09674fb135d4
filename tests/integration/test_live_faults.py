"""What the peer loses, doubles or dies of while it follows, by name, through the whole of ours: copy,
stream, apply, and both sides equal at the end."""

import contextlib
import glob
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

import psycopg2
import pytest

import wait
import zoo
from live import Live, as_number, held_copy
from moving import is_waiting

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def following(homeport, pair, taken_down):
    """following(schema, ...) -> a live move of these tables that has caught up"""
    def make(schema, *args, versions=(15, 15), env=None, url=None, before=None):
        source, target = pair(*versions)
        if before:
            before(source, target)
        source.script(schema)
        live, _ = taken_down(Live(homeport, source, target, *args, env=env), None)
        if url:
            live.env = {**(env or {}), **url(live)}
        live.start()
        live.caught_up()
        return live
    return make


def rows(database, table):
    return sorted(row[0] for row in database.sql(f"SELECT t::text FROM {table} AS t"))


def arrives(live, *tables, seconds=60):
    live.applied_past(live.source, seconds)
    for table in tables:
        assert rows(live.source, table) == rows(live.target, table), table


def stopped(live, *words, seconds=40):
    """The applier stands still, and status says why."""
    def said():
        error = live.status()["last_error"]
        return error and all(word in error for word in words) and error
    return wait.until(said, seconds, f"status says {words}")


def test_peer_fault_concurrent_writers_whose_transactions_overlap(following):
    live = following("CREATE TABLE t (id bigserial PRIMARY KEY, writer int, n int)")
    failed = []

    def writes(number):
        try:
            with contextlib.closing(live.source.connect(autocommit=False)) as conn:
                cursor = conn.cursor()
                for n in range(60):
                    cursor.execute("INSERT INTO t (writer, n) VALUES (%s, %s)", (number, n))
                    barrier.wait(30)  # all have begun
                    cursor.execute("UPDATE t SET n = n + 1000 WHERE writer = %s AND n = %s", (number, n))
                    conn.commit()
        except Exception as error:  # pylint: disable=broad-except
            failed.append(error)
            barrier.abort()
    barrier = threading.Barrier(4)
    writers = [threading.Thread(target=writes, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert not failed, failed
    arrives(live, "t")
    assert live.target.sql("SELECT count(*), min(n) FROM t") == [(240, 1000)]


def test_peer_fault_an_error_on_the_target_is_said_and_it_goes_on_once_mended(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int); CREATE TABLE other (id int PRIMARY KEY)")
    live.target.script("BEGIN READ WRITE; ALTER TABLE t ADD CONSTRAINT small CHECK (n < 100); COMMIT")
    live.source.sql("INSERT INTO t VALUES (1, 1)")
    live.source.sql("INSERT INTO t VALUES (2, 4711)")
    error = stopped(live, "t", "23514", "2")
    assert "4711" not in error, "a value of the row is shown"
    live.source.sql("INSERT INTO t VALUES (3, 3)")
    assert live.run("cutover").rc == 1
    assert live.source.sql("SELECT count(*) FROM t") == [(3,)]
    live.target.script("BEGIN READ WRITE; ALTER TABLE t DROP CONSTRAINT small; COMMIT")
    arrives(live, "t")
    live.ok("cutover")
    assert rows(live.target, "t") == ["(1,1)", "(2,4711)", "(3,3)"]


def test_peer_fault_unchanged_toast_values_are_kept(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, large text, n int);"
                     " ALTER TABLE t ALTER large SET STORAGE EXTERNAL;"
                     " INSERT INTO t SELECT g, repeat(md5(g::text), 300), 0 FROM generate_series(1, 20) AS g")
    live.source.sql("UPDATE t SET n = 1")
    live.source.sql("UPDATE t SET id = id + 100, n = 2 WHERE id <= 5")
    arrives(live, "t")
    live.ok("cutover")
    live.target.sql("UPDATE t SET n = 3")
    live.target.sql("UPDATE t SET id = id + 100 WHERE id > 15 AND id < 100")
    live.applied_past(live.target)
    assert rows(live.source, "t") == rows(live.target, "t")
    assert live.source.sql("SELECT count(*) FROM t WHERE length(large) = 9600 AND n = 3") == [(20,)]


def test_peer_fault_add_column_on_both_sides_goes_on(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    live.source.sql("INSERT INTO t VALUES (1)")
    live.applied_past(live.source)
    live.target.script("BEGIN READ WRITE; ALTER TABLE t ADD COLUMN more text DEFAULT 'none'; COMMIT")
    live.source.sql("ALTER TABLE t ADD COLUMN more text DEFAULT 'none'")
    live.source.sql("INSERT INTO t VALUES (2, 'two')")
    live.source.sql("UPDATE t SET more = 'one' WHERE id = 1")
    arrives(live, "t")
    live.ok("cutover")
    assert rows(live.target, "t") == ["(1,one)", "(2,two)"]


def test_peer_fault_add_column_on_the_source_alone_stops_before_a_row_is_misapplied(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    live.source.sql("ALTER TABLE t ADD COLUMN more text DEFAULT 'none'")
    live.source.sql("INSERT INTO t VALUES (1, 'one')")
    stopped(live, "t", "more")
    assert live.target.sql("SELECT count(*) FROM t") == [(0,)]
    refused = live.run("cutover")
    assert refused.rc == 1 and live.status()["phase"] in ("caught-up", "following"), str(refused)
    live.source.sql("INSERT INTO t VALUES (2, 'two')")
    live.target.script("BEGIN READ WRITE; ALTER TABLE t ADD COLUMN more text DEFAULT 'none'; COMMIT")
    arrives(live, "t")
    live.ok("cutover")
    assert rows(live.target, "t") == ["(1,one)", "(2,two)"]


def test_peer_fault_a_lost_target_connection_is_made_again(following, proxy):
    held = []

    def through(live):
        held.append(proxy(live.target.server))
        return {"HOMEPORT_TARGET_URL": held[0].url(live.target)}
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int)", url=through)
    for number in range(5):
        live.source.sql("INSERT INTO t SELECT g, 0 FROM generate_series(%s, %s) AS g",
                        (number * 1000, number * 1000 + 999))
        held[0].cut()
        live.source.sql("UPDATE t SET n = n + 1")
    arrives(live, "t")
    assert live.target.sql("SELECT count(*), sum(n) FROM t") == [(5000, 15000)]
    assert live.mover.running


def test_a_full_spool_holds_the_source_back_and_loses_nothing(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, note text)", "--spool-limit", "1MB")
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("LOCK t")
        for number in range(8):
            live.source.sql("INSERT INTO t SELECT g, md5(g::text) || md5((g + 1)::text) FROM generate_series(%s, %s) AS g",
                            (number * 10000, number * 10000 + 9999))
        wait.until(lambda: live.status()["held_back"], 30, "the spool is full")
        status = live.status()
        assert status["spool_bytes"] < 6 << 20 and "spool" in status["next"], status
    arrives(live, "t")
    assert live.target.sql("SELECT count(*) FROM t") == [(80000,)]


def test_replica_identity_full_of_equal_rows(following):
    live = following("CREATE TABLE t (a int, b text); ALTER TABLE t REPLICA IDENTITY FULL;"
                     " INSERT INTO t SELECT 1, 'same' FROM generate_series(1, 5); INSERT INTO t VALUES (NULL, NULL)")
    live.source.sql("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE a = 1 LIMIT 2)")
    live.source.sql("UPDATE t SET b = 'other' WHERE ctid = (SELECT min(ctid) FROM t WHERE a = 1)")
    live.source.sql("UPDATE t SET b = 'null' WHERE a IS NULL")
    arrives(live, "t")
    live.ok("cutover")
    live.target.sql("DELETE FROM t WHERE b = 'same' AND ctid = (SELECT min(ctid) FROM t WHERE b = 'same')")
    live.applied_past(live.target)
    assert rows(live.source, "t") == rows(live.target, "t") == ["(,null)", "(1,other)", "(1,same)"]


def test_rows_that_move_between_partitions(following):
    live = following("CREATE TABLE t (id int, n int, PRIMARY KEY (id, n)) PARTITION BY RANGE (n);"
                     " CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (100);"
                     " CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (100) TO (200);"
                     " INSERT INTO t SELECT g, g FROM generate_series(1, 50) AS g")
    live.source.sql("UPDATE t SET n = n + 100 WHERE id % 2 = 0")
    live.source.sql("UPDATE t SET n = n - 100 WHERE id % 4 = 0")
    arrives(live, "t", "t_low", "t_high")
    live.ok("cutover")
    live.target.sql("UPDATE t SET n = n + 100 WHERE n < 20")
    live.applied_past(live.target)
    for table in ("t", "t_low", "t_high"):
        assert rows(live.source, table) == rows(live.target, table)


def test_peer_fault_truncate_as_the_last_statement(following):
    live = following("CREATE TABLE parent (id serial PRIMARY KEY);"
                     " CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent);"
                     " INSERT INTO parent SELECT generate_series(1, 100); INSERT INTO child SELECT g, g FROM generate_series(1, 100) AS g")
    live.source.sql("INSERT INTO parent VALUES (1000)")
    live.source.sql("TRUNCATE parent RESTART IDENTITY CASCADE")
    wait.until(lambda: live.target.sql("SELECT (SELECT count(*) FROM parent), (SELECT count(*) FROM child)") == [(0, 0)],
               10, "nothing is left")
    live.source.sql("INSERT INTO parent VALUES (7); INSERT INTO child VALUES (7, 7)")
    arrives(live, "parent", "child")
    live.ok("cutover")
    live.target.sql("TRUNCATE parent CASCADE")
    live.applied_past(live.target)
    assert rows(live.source, "parent") == rows(live.source, "child") == []


@pytest.mark.plain
def test_peer_fault_a_large_transaction_takes_no_memory(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, note text, n int);"
                     " INSERT INTO t SELECT g, md5(g::text), 0 FROM generate_series(1, 300000) AS g")
    live.source.sql("UPDATE t SET n = id, note = note || note")
    live.applied_past(live.source, 120)
    live.source.sql("UPDATE t SET n = 0 WHERE id = 1")
    live.applied_past(live.source)
    assert live.target.sql("SELECT count(*), count(DISTINCT n), sum(length(note)) FROM t") == [(300000, 300000, 19200000)]
    assert live.mover.max_rss < 128 << 20
    live.stop()


def test_rule_32_a_connection_lost_while_home_is_unfenced_is_concluded_by_itself(following, proxy):
    """Behind the commit point there is only forward: neither side would accept writes until then."""
    held = []

    def through(live):
        held.append(proxy(live.target.server))
        return {"HOMEPORT_TARGET_URL": held[0].url(live.target)}
    live = following("CREATE TABLE t (id int PRIMARY KEY)", url=through)
    armed = live.homeport.cwd / "switching"
    command = threading.Thread(target=live.run, args=("cutover", "--on-switch", f"touch {armed}; while test -e {armed}; do :; done"))
    command.start()
    wait.until(armed.exists, 30, "it is switching")
    held[0].lose_answer_to("DISABLE TRIGGER homeport_fence")
    armed.unlink()

    def accepts():
        with contextlib.suppress(psycopg2.Error):
            live.target.sql("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
            return live.status()["phase"] == "home"
    wait.until(accepts, 30, "home accepts writes")
    command.join(60)
    assert live.mover.running
    live.applied_past(live.target)
    assert rows(live.source, "t") == ["(1)"]


@pytest.fixture
def home_by_proxy(following, proxy):
    """A live move whose way to home is a proxy: both."""
    held = []

    def through(live):
        held.append(proxy(live.target.server))
        return {"HOMEPORT_TARGET_URL": held[0].url(live.target)}
    return following("CREATE TABLE t (id int PRIMARY KEY)", url=through), held[0]


def test_rule_32_home_that_is_lost_right_behind_the_record_is_said_until_it_accepts_writes(home_by_proxy):
    live, way = home_by_proxy
    way.refuse_at("DISABLE TRIGGER homeport_fence")
    result = live.run("cutover")
    assert result.rc == 1 and "not complete yet" in result.err, str(result)

    def said():
        status = live.status()
        return status["fenced"] == "both" and "CANNOT WRITE" in status["next"] and status["last_error"]
    assert "lift the fence" in wait.until(said, 10, "status says it")
    said = live.homeport("status", "--dir", live.dir).out
    assert said.startswith("Both sides may be fenced"), said
    refused = live.run("move", "--resync", "t")
    assert refused.rc == 1 and "a switch has not come to its end" in refused.err, str(refused)
    wait.until(lambda: "the app cannot write yet" in live.mover.err, 10, "it has tried again")
    way.refuse(False)
    wait.until(lambda: live.status()["receiving"] and live.status()["fenced"] is None, 30, "the switch is at its end")
    live.target.sql("INSERT INTO t VALUES (1)")
    status = live.status()
    assert status["phase"] == "home" and status["last_error"] is None and "rollback" in status["next"]


def test_rule_32_home_that_is_away_before_the_record_does_not_take_over(home_by_proxy):
    live, way = home_by_proxy
    armed = live.homeport.cwd / "switching"
    answers = []
    command = threading.Thread(target=lambda: answers.append(live.run(
        "cutover", "--on-switch",
        f"test $HOMEPORT_DIRECTION = back || {{ touch {armed}; while test -e {armed}; do sleep 0.01; done; }}")))
    command.start()
    wait.until(armed.exists, 30, "it is switching")
    way.refuse()
    armed.unlink()
    command.join()
    assert answers[0].rc == 1 and "Everything was undone" in answers[0].err, str(answers[0])
    live.source.sql("INSERT INTO t VALUES (1)")
    way.refuse(False)
    live.applied_past(live.source)
    assert rows(live.target, "t") == ["(1)"]


@pytest.mark.timeout(240)
def test_a_source_that_is_away_longer_than_a_switch_can_wait_takes_writes_when_it_is_back(following, proxy):
    """Neither the end of the cutover nor its undoing can reach it: no restart is needed for either."""
    held = []

    def through(live):
        held.append(proxy(live.source.server))
        return {"HOMEPORT_SOURCE_URL": held[0].url(live.source)}
    live = following("CREATE TABLE t (id int PRIMARY KEY)", url=through)
    armed = live.homeport.cwd / "paused"
    answers = []
    command = threading.Thread(target=lambda: answers.append(
        live.run("cutover", "--max-pause", "3s", "--on-switch",
                 f"test $HOMEPORT_DIRECTION = back || {{ touch {armed}; while test -e {armed}; do :; done; }}", timeout=200)))
    command.start()
    wait.until(armed.exists, 30, "it is switching")
    held[0].refuse()
    command.join(30)
    assert answers and answers[0].rc == 1 and "not undone yet" in answers[0].err, str(answers)
    assert live.status()["phase"] == "switching"
    held[0].refuse(False)

    def accepts():
        with contextlib.suppress(psycopg2.Error):
            live.source.sql("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING")
            return live.status()["phase"] == "caught-up"
    wait.until(accepts, 60, "the source accepts writes")
    armed.unlink(missing_ok=True)
    live.caught_up()
    live.ok("cutover")
    assert rows(live.target, "t") == ["(1)"]


def recovered(server):
    """The server as one that was promoted: it goes on under the next timeline."""
    server._run("touch", str(server.data_dir / "recovery.signal"))
    server.restart(restore_command="false", hot_standby="off")


def test_another_cluster_at_the_sources_address_is_never_read_from(following, servers, proxy):
    way = []

    def through(live):
        way.append(proxy(live.source.server))
        return {"HOMEPORT_SOURCE_URL": way[0].url(live.source)}
    live = following("CREATE TABLE t (id int PRIMARY KEY)", url=through)
    slot, = live.source.sql("SELECT slot_name FROM pg_replication_slots")[0]
    other = servers.get(17, "source")  # those of one version are copies of one cluster
    other.sql("ALTER ROLE postgres PASSWORD %s", (live.source.server.password,))
    other.password = live.source.server.password
    beside = other.create_db(live.source.name)
    beside.sql("CREATE TABLE t (id int PRIMARY KEY)")
    beside.sql("CREATE PUBLICATION homeport_other FOR TABLE t")
    beside.sql(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    beside.sql("INSERT INTO t VALUES (666)")
    before = beside.sql("SELECT confirmed_flush_lsn FROM pg_replication_slots")
    way[0].server = other
    way[0].cut()
    for mover in (lambda: live.mover, live.start):  # also by the next one
        result = mover().wait(30)
        assert result.rc == 1 and "another cluster answers at" in result.err, str(result)
        assert "the server that the move began with" in result.err
    assert beside.sql("SELECT confirmed_flush_lsn FROM pg_replication_slots") == before
    assert live.target.sql("SELECT count(*) FROM t") == [(0,)]
    way[0].server = live.source.server
    live.start()
    live.caught_up()
    live.source.sql("INSERT INTO t VALUES (1)")
    arrives(live, "t")


def test_another_cluster_is_not_read_from_where_the_copy_was_ended_either(homeport, pair, servers, taken_down, proxy):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    way = proxy(source.server)
    live, _ = taken_down(Live(homeport, source, target, env={"HOMEPORT_SOURCE_URL": way.url(source)}), None)
    live.start()
    with held_copy(target, "t") as hold:
        wait.until(lambda: is_waiting(target, hold), 30, "the table's copy is held")
        live.kill()
    other = servers.new(15, initdb=("--no-sync",))  # not a copy of the same cluster
    other.sql("ALTER ROLE postgres PASSWORD %s", (source.server.password,))
    other.password = source.server.password
    other.create_db(source.name).sql("CREATE TABLE t (id int PRIMARY KEY)")
    way.server = other
    result = live.start().wait(60)
    assert result.rc == 1 and "another cluster answers at" in result.err, str(result)
    way.server = source.server
    live.start()
    live.caught_up()
    assert rows(target, "t") == []


def test_a_server_from_which_another_took_over_is_not_gone_back_to(homeport, servers, taken_down):
    server = servers.new(15)
    source = server.create_db()
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    live, _ = taken_down(Live(homeport, source, servers.get(15, "target").create_db()), None)
    live.start()
    live.caught_up()
    server.stop()
    first = server.dir / "first"
    server._run("cp", "-a", str(server.data_dir), str(first))
    recovered(server)
    source.sql("INSERT INTO t VALUES (1)")
    live.applied_past(source)
    server.stop()
    server._run("rm", "-r", str(server.data_dir))
    server._run("mv", str(first), str(server.data_dir))
    server.start()
    result = live.mover.wait(60)
    live.mover = None
    assert result.rc == 1 and "timeline 2 was read before" in result.err, str(result)
    assert "Nothing was read from it" in result.err and "copied again" not in result.err


def test_a_server_that_took_over_is_read_from_only_where_it_has_all_that_the_first_one_sent(homeport, servers, taken_down):
    server = servers.new(15)
    source = server.create_db()
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    live, _ = taken_down(Live(homeport, source, servers.get(15, "target").create_db()), None)
    live.start()
    live.caught_up()
    recovered(server)
    source.sql("INSERT INTO t VALUES (1)")
    live.applied_past(source)
    assert "another server has taken over" in live.mover.err and "timeline=2" in live.mover.err
    server.stop()
    behind = server.dir / "behind"
    server._run("cp", "-a", str(server.data_dir), str(behind))
    server.start()
    source.sql("INSERT INTO t SELECT generate_series(2, 1000)")
    live.applied_past(source)
    server.stop()
    server._run("rm", "-r", str(server.data_dir))
    server._run("mv", str(behind), str(server.data_dir))
    recovered(server)
    result = live.mover.wait(60)
    live.mover = None
    assert result.rc == 1 and "a server of timeline 3 has taken over at " in result.err, str(result)
    assert "copied again" in result.err


def walwriter(server):
    (pid,), = server.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'")
    return pid


def test_rule_31_way_back_misses_nothing_where_home_crashed_before_its_wal_was_written(homeport, pair, servers):
    """Its WAL then goes on at a position before the one where it ended when the way back was begun."""
    source, _ = pair(15, 15)
    home = servers.new(15, {"wal_buffers": "64MB", "min_wal_size": "128MB"}, ("--wal-segsize=64",)).create_db()
    source.script("CREATE TABLE t (id int PRIMARY KEY)")
    live = Live(homeport, source, home)
    armed = homeport.cwd / "switching"
    stop = threading.Event()

    def grow_wal():
        with contextlib.suppress(psycopg2.Error), contextlib.closing(home.connect()) as conn:
            while not stop.is_set():
                conn.cursor().execute("SELECT pg_logical_emit_message(false, 'any', repeat('x', 60000))")
    try:
        live.start()
        live.caught_up()
        os.kill(walwriter(home.server), signal.SIGSTOP)
        wal = threading.Thread(target=grow_wal)
        wal.start()
        command = threading.Thread(target=live.run, args=(
            "cutover", "--max-pause", "30s", "--on-switch", f"touch {armed}; while test -e {armed}; do sleep 0.01; done"))
        command.start()
        wait.until(armed.exists, 30, "it is switching")
        stop.set()
        wal.join()
        (lost,), = home.sql("SELECT pg_current_wal_insert_lsn() - pg_current_wal_lsn()")
        assert lost > 0, "all of it was written"
        home.server.stop("immediate")
        home.server.start()
        armed.unlink()
        command.join(60)
        live.wait_for("home")
        for n in range(20):
            home.sql(f"INSERT INTO t VALUES ({n})")
        assert live.ok("rollback")["differences"] == 0
        assert rows(source, "t") == rows(home, "t")
    finally:
        stop.set()
        armed.unlink(missing_ok=True)
        if live.mover:
            live.mover.end()


@pytest.fixture
def small_disk(homeport):
    """small_disk(bytes) -> the work folder's disk, of this size; fill(path) takes all of it."""
    place = homeport.cwd / "work"

    def make(size):
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "homeport-test", place], check=True)
        return place
    yield make
    subprocess.run(["umount", "-l", place], check=False)


def fill(path):
    """Until not a byte more goes on the disk."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_target_that_crashed_under_a_copy_loses_what_it_had_finished_and_gets_it_again(homeport, pair, servers, taken_down, proxy):
    """Its last commits may be lost, whatever the marks say."""
    source, target = pair(15, 15)[0], servers.new(15).create_db()
    source.script("CREATE TABLE a (id integer PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 1000);"
                  "CREATE TABLE b (id integer PRIMARY KEY); INSERT INTO b VALUES (1)")
    live, _ = taken_down(Live(homeport, source, target), None)
    relay = proxy(target.server)
    relay.hold_at('COPY "public"."b"')
    live.env = {"HOMEPORT_TARGET_URL": relay.url(target)}
    live.start("--jobs", "1").wait_for(lambda: relay.holds, 60, "the first table is copied")
    live.kill()
    relay.release()
    target.server.stop("immediate")
    target.server.start()
    live.start()
    live.caught_up()
    assert "schema kept from the run before; rows start again" in live.mover.err, live.mover.err
    live.ok("verify")


def test_a_full_disk_holds_the_source_back_and_the_mover_goes_on_when_there_is_room(following, small_disk):
    place = small_disk(32 << 20)
    live = following("CREATE TABLE t (id bigserial PRIMARY KEY, v text)")
    live.source.sql("INSERT INTO t (v) VALUES ('before')")
    live.applied_past(live.source)
    fill(place / "taken")
    live.source.sql("INSERT INTO t (v) SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20000) AS g"
                    " GROUP BY g % 100")
    stopped(live, "No space left")
    assert "room" in live.status()["next"]
    assert live.run("cutover").rc == 1
    live.source.sql("INSERT INTO t (v) VALUES ('after')")
    assert live.mover.running
    (place / "taken").unlink()
    arrives(live, "t")
    assert live.status()["last_error"] is None
    live.ok("cutover")
    assert rows(live.target, "t") == rows(live.source, "t")


@pytest.mark.plain
def test_rule_32_writers_go_on_where_the_disk_is_full_when_a_switch_is_undone(following, small_disk):
    place = small_disk(16 << 20)
    live = following("CREATE TABLE t (id bigserial PRIMARY KEY)")
    taken = place / "taken"
    # The state's own files may have room for a record or two.
    result = live.run("cutover", "--on-pause", f"dd if=/dev/zero of={taken} bs=4096 status=none; true", "--on-switch", "false")
    assert result.rc == 1, str(result)
    live.source.sql("INSERT INTO t DEFAULT VALUES")
    assert "could not be noted" in result.err and "cannot write" not in result.err, str(result)
    wait.until(lambda: "full" in (live.status()["last_error"] or ""), 10, "status says why")
    assert "room" in live.status()["next"] and live.status()["fenced"] is None
    taken.unlink()
    wait.until(lambda: live.status()["phase"] == "caught-up", 30, "it goes on")
    assert live.status()["last_error"] is None
    live.applied_past(live.source)
    live.ok("cutover")
    assert rows(live.target, "t") == rows(live.source, "t")


@pytest.mark.plain
def test_a_sync_that_fails_is_not_believed_and_the_mover_goes_on_when_the_disk_does(following, homeport):
    order = homeport.cwd / "faults"
    library = homeport.binary.parent / "tests/tools/libdisk_faults.so"
    live = following("CREATE TABLE t (id bigserial PRIMARY KEY, v text)",
                     env={"LD_PRELOAD": library, "FOLLOW_FAULTS": order})
    live.source.sql("INSERT INTO t (v) VALUES ('before')")
    live.applied_past(live.source)
    order.write_text("fail")
    live.source.sql("INSERT INTO t (v) VALUES ('meanwhile')")
    stopped(live, "Input/output error")
    (confirmed, written), = live.source.sql(
        "SELECT confirmed_flush_lsn, pg_current_wal_lsn() FROM pg_replication_slots WHERE database = current_database()")
    assert as_number(confirmed) < as_number(written)
    order.unlink()
    arrives(live, "t")
    live.ok("cutover")
    assert rows(live.target, "t") == rows(live.source, "t")


def test_a_spool_that_somebody_changed_is_refused_with_its_position_and_the_way_on(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        for number in range(5):
            live.source.sql("INSERT INTO t VALUES (%s)", (number,))
            end = as_number(live.source.value("SELECT pg_current_wal_insert_lsn()::text"))
            wait.until(lambda: as_number(live.status()["flushed_lsn"]) >= end, 20, "it is on our disk")  # noqa: B023
        live.stop()
    segment = max((live.dir / "spool/1").glob("s*.seg"))
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(content)
    ended = live.start().wait(30)
    assert ended.rc == 1 and re.search(r"segment \d+, offset \d+: ", ended.err) and "`homeport abort`" in ended.err, str(ended)
    assert live.target.sql("SELECT count(*) FROM t") == [(0,)]
    live.ok("abort")


@pytest.mark.parametrize("lose", ("pg_drop_replication_slot(%s)", "pg_replication_slot_advance(%s, pg_current_wal_lsn())"))
def test_way_back_that_is_lost_is_said_and_the_move_can_be_finished(following, lose):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    live.ok("cutover")
    live.kill()
    (slot,), = live.target.sql("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")
    wait.until(lambda: live.target.sql("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot,)) == [(False,)],
               30, "nobody reads the slot")
    live.target.sql("INSERT INTO t VALUES (1)")
    live.target.sql(f"SELECT {lose}", (slot,))
    live.start()
    result = live.mover.wait(60)
    live.mover = None
    assert result.rc == 1 and slot in result.err and "the way back is lost" in result.err, str(result)
    assert "homeport abort" not in result.err
    live.target.sql("INSERT INTO t VALUES (2)")
    live.ok("finish")
    assert rows(live.target, "t") == ["(1)", "(2)"]


@pytest.mark.plain
def test_bad_input_clock_that_jumps_back_and_far_ahead_changes_nothing(following, homeport):
    """The machine's clock as the mover sees it; what it waits for is measured by another."""
    library, = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    clock = homeport.cwd / "clock"
    clock.write_text("+0d")
    live = following("CREATE TABLE t (id int PRIMARY KEY)",
                     env={"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": clock, "FAKETIME_NO_CACHE": "1",
                          "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    live.env = None
    for row, jump in enumerate(("-3d", "+400d", "+0d")):
        clock.write_text(jump)
        live.source.sql("INSERT INTO t VALUES (%s)", (row,))
        arrives(live, "t", seconds=15)
        wait.until(lambda: live.status()["lag_seconds"] == 0, 10, "nothing is behind")
        assert live.ok("verify")["differences"] == 0
    clock.write_text("-3d")
    assert live.ok("cutover")["pause_ms"] < 20_000
    clock.write_text("+400d")
    live.target.sql("INSERT INTO t VALUES (100)")
    live.ok("rollback")
    assert rows(live.source, "t") == rows(live.target, "t") == ["(0)", "(1)", "(100)", "(2)"]
    started = time.monotonic()
    live.mover.signal(signal.SIGTERM)
    assert live.mover.wait(10).rc == 0 and time.monotonic() - started < 2


def open_by_hand(side, *statements, table="t"):
    """Somebody who may writes to a fenced side: the fence's trigger is off meanwhile and stays off."""
    side.script(f"BEGIN READ WRITE; ALTER TABLE {table} DISABLE TRIGGER homeport_fence; " + "; ".join(statements) + "; COMMIT")


def test_rule_31_what_an_earlier_move_left_under_the_number_of_a_feed_is_forgotten(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    create = (ROOT / "sql/apply/create_progress.sql").read_text(encoding="utf-8")
    live.source.script(f"{create}; INSERT INTO homeport.progress VALUES (2, '', '', 'F/0')")
    live.ok("cutover")
    live.target.sql("INSERT INTO t VALUES (1)")
    live.applied_past(live.target)
    assert live.ok("rollback")["differences"] == 0
    assert rows(live.source, "t") == ["(1)"]


def test_rule_22_sequence_that_was_set_but_not_asked_gives_the_same_value_at_home(following):
    live = following("CREATE TABLE t (id serial PRIMARY KEY, n int); SELECT setval('t_id_seq', 5001, false)")
    live.ok("cutover")
    assert live.target.sql("INSERT INTO t (n) VALUES (1) RETURNING id") == [(5001,)]
    live.ok("rollback")
    assert live.source.sql("INSERT INTO t (n) VALUES (2) RETURNING id")[0][0] > 5001


SHORT = {  # how it is declared, its last value, what home gives next
    "wide": ("", 5000, 6001),
    "short": ("AS smallint", 31900, 31987),
    "few": ("MAXVALUE 500", 495, 496),
    "down": ("INCREMENT BY -1 MINVALUE -300", -200, -211),
    "steps": ("INCREMENT BY 7 MAXVALUE 1000", 800, 821),
    "cycle": ("MAXVALUE 100 CYCLE", 50, 56),
}


def test_rule_22_sequence_that_is_near_its_end_is_not_used_up(following):
    live = following("".join(f"CREATE SEQUENCE {name} {how}; SELECT setval('{name}', {last});"
                             for name, (how, last, _) in SHORT.items())
                     + "CREATE SEQUENCE over MAXVALUE 5; SELECT setval('over', 5)")
    live.ok("cutover")
    assert {name: live.target.value(f"SELECT nextval('{name}')") for name in SHORT} == {
        name: value for name, (_, _, value) in SHORT.items()}
    assert live.target.sql("SELECT last_value, is_called FROM over") == [(5, True)]


def test_rule_26_configuration_tables_of_an_extension_are_fenced_as_they_are_published(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)", before=lambda source, target: [
        zoo.install_extension(source), zoo.install_extension(target), source.sql("CREATE EXTENSION zoo_ext")])
    published = live.source.sql("SELECT schemaname || '.' || tablename FROM pg_publication_tables ORDER BY 1")
    assert published == [("public.setting",), ("public.t",), ("public.whole_config",)]
    live.source.sql("INSERT INTO setting VALUES ('mine', '1', false)")
    live.applied_past(live.source)
    for verb, closed, used in (("cutover", live.source, live.target), ("rollback", live.target, live.source)):
        live.ok(verb)
        assert set(published) <= set(closed.sql(
            "SELECT 'public.' || tgrelid::regclass FROM pg_trigger WHERE tgname = 'homeport_fence' AND tgenabled = 'A'"))
        with pytest.raises(AssertionError, match="setting is fenced"):
            closed.script("BEGIN READ WRITE; INSERT INTO setting VALUES ('late', '1', false); COMMIT")
        used.sql("UPDATE setting SET value = value || '1' WHERE key = 'mine'")
        live.applied_past(used)
    assert rows(live.source, "setting") == rows(live.target, "setting")
    assert live.target.value("SELECT value FROM setting WHERE key = 'mine'") == "111"


@pytest.mark.parametrize("versions", ((15, 15), (15, 17)))
def test_rule_20_changes_of_one_name_that_say_something_else_are_no_change_alike(following, pg_bin, versions):
    live = following("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)", "--pg-bin", pg_bin(15), versions=versions)
    live.source.sql("ALTER TABLE t ADD COLUMN c int DEFAULT 1")
    live.target.script("BEGIN READ WRITE; ALTER TABLE t ADD COLUMN c int DEFAULT 2; COMMIT")
    refused = live.run("cutover")
    assert refused.rc == 1 and "public.t.c" in refused.err, str(refused)
    # What the servers do not describe alike is not known without.
    assert ("no pg_dump of version 17" in refused.err) == (versions == (15, 17)), str(refused)
    live.target.script("BEGIN READ WRITE; ALTER TABLE t DROP COLUMN c; ALTER TABLE t ADD COLUMN c int DEFAULT 1; COMMIT")
    live.ok("cutover")


def test_rule_20_changes_that_servers_describe_differently_are_compared_by_a_dump(following, pg_bin):
    """A view has its columns with their table before 16, and json is quoted from 17 on."""
    live = following("CREATE TABLE \"T 1\" (id int PRIMARY KEY, n int); CREATE TABLE other (id int PRIMARY KEY)",
                     "--pg-bin", pg_bin(17), versions=(15, 17))
    live.source.sql("CREATE VIEW v AS SELECT id, n FROM \"T 1\" WHERE n > 1")
    live.target.script("BEGIN READ WRITE; CREATE VIEW v AS SELECT id, n FROM \"T 1\" WHERE n > 2; COMMIT")
    refused = live.run("cutover")
    assert refused.rc == 1 and "view public.v is new on the source" in refused.err, str(refused)
    assert "VIEW public.v: SELECT T 1.id; T 1.n; WHERE (T 1.n > 1) -> SELECT id; n; WHERE (n > 2)" in refused.err.replace('"', ""), str(refused)
    assert live.run("cutover").err.splitlines()[1:] == refused.err.splitlines()[1:]
    live.target.script("BEGIN READ WRITE; CREATE OR REPLACE VIEW v AS SELECT id, n FROM \"T 1\" WHERE n > 1; COMMIT")
    live.ok("cutover", "--rehearse")
    live.caught_up()
    change = "CREATE FUNCTION f() RETURNS json LANGUAGE sql AS 'SELECT to_json(1)'; ALTER TABLE other ADD COLUMN j json DEFAULT '{}'"
    live.source.script(change)
    live.target.script(f"BEGIN READ WRITE; {change}; COMMIT")
    live.ok("cutover")


def test_rule_20_rows_that_a_change_on_both_sides_wrote_itself_are_compared(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 50)")
    assert live.ok("verify")["differences"] == 0
    change = "ALTER TABLE t ADD COLUMN c uuid DEFAULT gen_random_uuid()"
    live.source.sql(change)
    live.target.script(f"BEGIN READ WRITE; {change}; COMMIT")
    refused = live.run("cutover")
    assert refused.rc == 3 and "50 differences" in refused.err, str(refused)
    live.ok("move", "--resync", "public.t")
    live.ok("cutover")
    assert rows(live.source, "t") == rows(live.target, "t")


def test_rule_25_table_that_came_later_is_fenced_at_home_too(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    live.source.sql("CREATE TABLE fresh (id int PRIMARY KEY)")
    live.target.script("BEGIN READ WRITE; CREATE TABLE fresh (id int PRIMARY KEY); COMMIT")
    live.ok("move", "--resync", "public.fresh")
    with pytest.raises(AssertionError, match="fresh is fenced"):
        live.target.script("BEGIN READ WRITE; INSERT INTO fresh VALUES (1); COMMIT")


def test_rule_25_old_side_that_was_opened_by_hand_is_fenced_again_and_compared_whole(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 50) AS g")
    live.ok("cutover")
    assert live.ok("verify")["differences"] == 0
    open_by_hand(live.source, "UPDATE t SET n = 7 WHERE id = 7")
    refused = live.run("rollback")
    assert refused.rc == 3 and "1 difference" in refused.err, str(refused)
    assert live.source.sql("SELECT tgenabled FROM pg_trigger WHERE tgname = 'homeport_fence'") == [("A",)]
    live.source.script("BEGIN READ WRITE; ALTER TABLE t DISABLE TRIGGER homeport_fence; UPDATE t SET n = 0 WHERE id = 7;"
                       " ALTER TABLE t ENABLE ALWAYS TRIGGER homeport_fence; COMMIT")
    assert live.ok("verify")["differences"] == 0
    live.ok("rollback")


def test_rule_34_way_back_that_has_differences_is_open_to_who_accepts_them_by_name(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 50) AS g")
    live.ok("cutover")
    open_by_hand(live.source, "UPDATE t SET n = 7 WHERE id IN (7, 8)")
    assert live.run("verify").rc == 3
    live.target.sql("UPDATE t SET n = 1 WHERE id = 1")
    refused = live.run("rollback")
    assert refused.rc == 3 and "2 differences" in refused.err and "--accept-differences" in refused.err, str(refused)
    status = live.status()
    assert status["phase"] == "home" and "--accept-differences" in status["next"] and "cut over" not in status["next"]
    answer = live.ok("rollback", "--accept-differences")
    assert answer["done"] and answer["differences"] == 2 and not answer["verified"]
    live.source.sql("UPDATE t SET n = 2 WHERE id = 2")
    assert live.source.sql("SELECT id, n FROM t WHERE n > 0 ORDER BY id") == [(1, 1), (2, 2), (7, 7), (8, 7)]
    # The way home does not have it.
    wait.until(lambda: live.status()["differences"] == 2, 60, "they are seen from there, too")
    assert live.run("cutover").rc == 3 and "Do not cut over" in live.status()["next"]
    assert live.run("cutover", "--accept-differences").rc == 2
