"""The receiving half of the live move on real servers: every committed change of the source is in the
spool, once and in commit order, whatever breaks meanwhile (rules 10 to 12), and the source hears of
us all the time."""

import contextlib
import re
import time

import pytest

import wait
from receiving import Feed, Silence, SilentRelay, TABLES, Writers, connected, file_limit, position, status

VERSIONS = (14, 15, 16, 17, 18)
SMALL_MEMORY = {"logical_decoding_work_mem": "64kB"}


@pytest.fixture
def tool(homeport):
    homeport.binary = homeport.binary.parent / "tests/tools/follow_tool"
    return homeport


@pytest.fixture
def feed(tool, servers, tmp_path):
    def make(version=15, settings=(), server=None, script=TABLES):
        database = (server or servers.get(version)).create_db()
        return Feed(tool, database, tmp_path, settings).begin(script)
    return make


def stop(run):
    run.signal(15)
    result = run.wait(20)
    assert result.rc == 0, str(result)
    return result


# -- everything comes

@pytest.mark.parametrize("version", VERSIONS)
def test_peer_fault_overlapping_transactions_of_several_writers_come_in_commit_order(feed, version):
    one = feed(version)
    run = one.receive()
    with Writers(one.database) as writers:
        writers.wait_for(300)
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    stop(run)
    lines = one.check()
    assert sum(line.startswith("BEGIN") for line in lines) >= 300


def nested(cursor, table, first, depth=64):
    """Savepoints within each other, a third of them rolled back, each larger than what the server
    keeps in memory."""
    for level in range(depth):
        cursor.execute(f"SAVEPOINT s{level}")
        cursor.execute(
            f"INSERT INTO {table} SELECT i, repeat(md5(i::text), 3) FROM generate_series(%s, %s) i",
            (first + level * 1000, first + level * 1000 + 299))
        cursor.execute(f"UPDATE {table} SET note = 'changed' WHERE id = %s", (first + level * 1000,))
        if level % 3 == 2:
            cursor.execute(f"ROLLBACK TO s{level}")
        if level % 16 == 15:
            cursor.execute(f"ROLLBACK TO s{level - 5}")


@pytest.mark.parametrize("streaming", (True, False), ids=("streamed", "whole"))
@pytest.mark.parametrize("version", VERSIONS)
def test_rule_11_large_transactions_with_64_nested_savepoints_and_rollbacks_come_whole(feed, version, streaming):
    one = feed(version, SMALL_MEMORY)
    run = one.receive(*([] if streaming else ["--no-streaming"]))
    with contextlib.ExitStack() as stack:
        first, second, third = (
            stack.enter_context(contextlib.closing(one.database.connect(autocommit=False))) for _ in range(3))
        nested(first.cursor(), "a", 0)
        nested(second.cursor(), "b", 0)
        nested(third.cursor(), "a", 500_000)
        one.database.sql("INSERT INTO b VALUES (-1, 'meanwhile')")
        nested(first.cursor(), "b", 200_000, 20)
        second.commit()
        third.rollback()
        one.database.sql("INSERT INTO b VALUES (-2, 'meanwhile')")
        first.commit()
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    stop(run)
    lines = one.check()
    assert sum(line.startswith("BEGIN") for line in lines) == 5
    streamed = one.database.value(
        "SELECT stream_txns FROM pg_stat_replication_slots WHERE slot_name = %s", (one.slot,))
    assert (streamed > 0) == streaming


def test_a_savepoint_that_changed_a_table_and_was_rolled_back_leaves_its_old_description(feed):
    one = feed(15, SMALL_MEMORY)
    run = one.receive()
    filler = "INSERT INTO a SELECT i, repeat('x', 300) FROM generate_series(%s, %s) i"
    with contextlib.closing(one.database.connect(autocommit=False)) as conn, conn.cursor() as cursor:
        cursor.execute(filler, (1, 1000))
        cursor.execute("SAVEPOINT s")
        cursor.execute("ALTER TABLE a ADD COLUMN more text DEFAULT 'm'")
        cursor.execute("INSERT INTO a SELECT i, repeat('y', 300), 'm' FROM generate_series(2001, 3000) i")
        cursor.execute("ROLLBACK TO s")
        cursor.execute(filler, (1001, 2000))
        conn.commit()
    one.database.sql("INSERT INTO a VALUES (5000, 'after')")
    one.database.sql("ALTER TABLE a ADD COLUMN other text")
    one.database.sql("INSERT INTO a VALUES (5001, 'after', 'o')")
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    stop(run)
    lines = one.check()
    assert "I public.a new('5000', 'after')" in lines
    assert "I public.a new('5001', 'after', 'o')" in lines


def test_a_row_of_any_size_comes_as_it_is_and_in_its_place(feed):
    """Large ones pass from thread to thread alone, small ones together."""
    one = feed(15)
    sizes = (10, 100_000, 131_000, 132_000, 200_000, 300_000, 10, 5_000_000, 20)
    one.database.sql("INSERT INTO a VALUES " + ", ".join(
        f"({number}, repeat('{number}', {size}))" for number, size in enumerate(sizes)))
    one.receive_all()
    rows = [line for line in one.dump() if line.startswith("I public.a ")]
    assert rows == [f"I public.a new('{number}', '{str(number) * size}')" for number, size in enumerate(sizes)]


def test_markers_truncates_key_changes_and_unchanged_values_come_as_they_are(feed):
    one = feed(17)
    one.database.sql("ALTER TABLE a ALTER note SET STORAGE EXTERNAL")
    one.database.sql("INSERT INTO a VALUES (1, repeat('t', 10000)), (2, NULL)")
    one.database.sql("ALTER TABLE a ADD COLUMN n int")
    one.database.sql("UPDATE a SET n = 7 WHERE id = 1")
    one.database.sql("UPDATE a SET id = 3 WHERE id = 2")
    one.database.sql("DELETE FROM a WHERE id = 3")
    one.database.sql("TRUNCATE a, b RESTART IDENTITY CASCADE")
    one.database.sql("SELECT pg_logical_emit_message(true, 'homeport', 'marker 1')")
    one.database.sql("SELECT pg_logical_emit_message(false, 'homeport', 'not of a transaction')")
    one.receive_all()
    changes = [line for line in one.dump() if line[0] in "IUDTM" and " mark " not in line]
    assert changes[2:] == [
        "U public.a new('1', unchanged, '7')",
        "U public.a key('2', NULL, NULL) new('3', NULL, NULL)",
        "D public.a key('3', NULL, NULL)",
        "T public.a public.b",
        "M homeport 'marker 1'",
    ]


# -- breaking connections, processes, servers

@pytest.mark.parametrize("version", (14, 17))
def test_rule_11_nothing_is_lost_or_doubled_when_connections_break_in_the_middle(feed, proxy, version):
    one = feed(version, SMALL_MEMORY)
    relay = proxy(one.database.server)
    run = one.receive(source=relay.url(one.database))
    with Writers(one.database, count=3) as writers, \
            contextlib.closing(one.database.connect(autocommit=False)) as conn:
        nested(conn.cursor(), "a", 10_000_000, 40)
        for round_ in range(5):
            run.wait_for(lambda: connected(run), what="connected")
            relay.cut_after(60_000)
            writers.wait_for(20)
            nested(conn.cursor(), "b", 10_000_000 + 100_000 * round_, 4)
            relay.cut()
            run.wait_for(lambda at=round_: int(status(run)["reconnects"]) > at, what="it noticed")
        conn.commit()
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    assert int(status(run)["reconnects"]) >= 5
    stop(run)
    one.check()


def test_rule_12_kill_9_anywhere_loses_and_doubles_nothing(feed):
    one = feed(15, SMALL_MEMORY)
    with Writers(one.database, count=3) as writers, \
            contextlib.closing(one.database.connect(autocommit=False)) as conn:
        for round_ in range(8):
            run = one.receive()
            nested(conn.cursor(), "a", 10_000_000 + 1_000_000 * round_, 6)
            if round_ % 3 == 2:
                conn.commit()
            writers.wait_for(15 + 7 * round_)
            run.kill()
        conn.commit()
    one.receive_all()
    one.check()


def test_a_killed_receiver_confirmed_nothing_that_is_not_on_the_disk(feed):
    one = feed(15)
    run = one.receive()
    with Writers(one.database, count=2) as writers:
        writers.wait_for(100)
        run.wait_for(lambda: position(status(run).get("flushed", "0/0")) > position(one.start_lsn), what="flushed")
        writers.wait_for(50)
        run.kill()
    lines = one.dump()
    ends = [position(line.split()[-1]) for line in lines if line.startswith(("COMMIT", "QUIET"))]
    assert position(one.confirmed()) <= max(ends)


@pytest.mark.parametrize("mode", ("fast", "immediate"))
def test_a_restart_of_the_source_is_survived(feed, servers, mode):
    server = servers.new(16, SMALL_MEMORY)
    one = feed(server=server)
    run = one.receive()
    with Writers(one.database) as writers:
        writers.wait_for(100)
    with contextlib.closing(one.database.connect(autocommit=False)) as conn:
        nested(conn.cursor(), "a", 10_000_000, 8)
        run.wait_for(lambda: connected(run), what="connected")
        server.restart(mode)
    one.database.sql("DELETE FROM a; DELETE FROM b")
    with Writers(one.database, rows=2) as writers:
        writers.wait_for(50)
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    assert int(status(run)["reconnects"]) >= 1
    stop(run)
    one.check()


def test_a_network_that_dies_without_a_word_does_not_lock_us_out_of_our_own_slot(feed, servers):
    """The server still has the old walsender: it is ended, as it is known to be ours."""
    server = servers.new(15, {"wal_sender_timeout": "60s"})
    one = feed(server=server)
    with contextlib.closing(SilentRelay(server)) as relay:
        run = one.receive(source=relay.url(one.database))
        run.wait_for(lambda: connected(run), what="connected")
        relay.lose_clients()
        one.database.sql("INSERT INTO a VALUES (1, 'x')")
        end = one.mark()
        run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), 20, "all received")
        stop(run)
    one.check()


# -- a quiet source, and the source hearing of us

@pytest.mark.parametrize("version", (14, 15, 18))
def test_peer_fault_on_a_quiet_source_the_slot_moves_on_with_the_wal(feed, version, database):
    one = feed(version)
    other = database(version)
    other.sql("CREATE TABLE noise (note text)")
    run = one.receive()
    run.wait_for(lambda: connected(run), what="connected")
    for _ in range(3):
        other.sql("INSERT INTO noise SELECT repeat('n', 1000) FROM generate_series(1, 1000)")
        end = position(one.end_lsn())
        run.wait_for(lambda: position(one.confirmed()) >= end, 20, "the slot moves on")
    stop(run)
    assert not any(line.startswith("BEGIN") for line in one.dump())


def test_a_lone_transaction_is_on_our_disk_at_once(feed):
    one = feed(15)
    run = one.receive()
    run.wait_for(lambda: connected(run), what="connected")
    for i in range(5):
        one.database.sql("INSERT INTO a VALUES (%s, 'lone')", (i,))
        end = position(one.end_lsn())
        # The tool looks each 20 ms; a second would be the next report.
        run.wait_for(lambda: position(status(run)["flushed"]) >= end, 0.7, "on our disk")
    stop(run)


IMPATIENT = {"wal_sender_timeout": "4s"}


def make_room(one, run, end):
    """What was held back is received up to there, consumed, and all that was written."""
    (one.dir / "consume").touch()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), 60, "all received")
    consumed = one.dir / "consumed"
    run.wait_for(lambda: "M mark" in consumed.read_text(encoding="utf-8"), what="all consumed")
    stop(run)
    one.check(consumed.read_text(encoding="utf-8").splitlines())


def judge_silence(one, run, silence):
    assert silence.looks > 10
    assert silence.longest < 3, f"the source heard nothing of us for {silence.longest:.1f} s"
    assert status(run)["reconnects"] == "0"
    assert "terminating walsender" not in one.database.server.log()


@pytest.mark.plain
def test_rule_10_the_source_hears_of_us_while_a_huge_transaction_comes(feed, servers):
    one = feed(server=servers.new(15, IMPATIENT))
    run = one.receive("--no-streaming")
    run.wait_for(lambda: connected(run), what="connected")
    with Silence(one.database) as silence:
        one.database.sql("INSERT INTO a SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 400000) i")
        end = one.mark()
        run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), 120, "all received")
        judge_silence(one, run, silence)
    stop(run)
    assert sum(line.startswith("I ") for line in one.dump()) == 400_000


def test_rule_10_the_source_hears_of_us_while_the_spool_is_full_and_then_all_of_it_comes(feed, servers):
    one = feed(server=servers.new(15, IMPATIENT))
    run = one.receive("--limit", "300000")
    run.wait_for(lambda: connected(run), what="connected")
    note = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20) WHERE i > 0)"
    with Silence(one.database) as silence:
        for at in range(60):
            one.database.sql(f"INSERT INTO a SELECT i, {note} FROM generate_series(%s, %s) i", (at * 1000, at * 1000 + 499))
        end = one.mark()
        run.wait_for(lambda: status(run)["held_back"] == "1", what="held back")
        wait.until(lambda: silence.looks > 80, 30, "the source's patience is over")
        assert position(status(run)["flushed"]) < position(end)
        judge_silence(one, run, silence)
    assert run.err.count("the spool is full") == 1
    make_room(one, run, end)


def test_rule_10_a_connection_that_is_lost_while_the_spool_is_full_is_made_again(feed, servers, proxy):
    """Nothing makes room: what was queued from the lost one is in nobody's way."""
    one = feed(server=servers.new(15, IMPATIENT))
    relay = proxy(one.database.server)
    run = one.receive("--limit", "300000", source=relay.url(one.database))
    run.wait_for(lambda: connected(run), what="connected")
    note = "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 20) WHERE i > 0)"
    for at in range(30):
        one.database.sql(f"INSERT INTO a SELECT i, {note} FROM generate_series(%s, %s) i", (at * 1000, at * 1000 + 499))
    end = one.mark()
    for cuts in range(1, 4):
        run.wait_for(lambda: connected(run) and status(run)["held_back"] == "1", what="held back")
        relay.cut()
        run.wait_for(lambda: connected(run) and int(status(run)["reconnects"]) == cuts, 10, "connected again")
    with Silence(one.database) as silence:
        wait.until(lambda: silence.looks > 60, 30, "the source's patience is over")
        assert silence.longest < 3 and status(run)["reconnects"] == "3"
    assert position(status(run)["flushed"]) < position(end)
    make_room(one, run, end)


def test_rule_10_the_source_hears_of_us_while_a_sync_takes_long(feed, servers):
    one = feed(server=servers.new(15, IMPATIENT))
    run = one.receive()
    run.wait_for(lambda: connected(run), what="connected")
    one.fault("slow 8000")
    with Silence(one.database) as silence:
        one.database.sql("INSERT INTO a VALUES (1, 'x')")
        end = one.mark()
        wait.until(lambda: silence.looks > 60, 30, "the source's patience is over")
        assert position(status(run)["flushed"]) < position(end)
        one.fault()
        run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
        judge_silence(one, run, silence)
    stop(run)
    one.check()


def test_a_transaction_in_progress_that_is_larger_than_the_limit_still_comes(feed):
    """Nothing could make room for it: it is not applied before it has committed."""
    one = feed(15, SMALL_MEMORY)
    run = one.receive("--limit", "200000")
    (one.dir / "consume").touch()
    one.database.sql(
        "INSERT INTO a SELECT i, (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 10) WHERE i > 0)"
        " FROM generate_series(1, 5000) i")
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), 60, "all received")
    consumed = one.dir / "consumed"
    run.wait_for(lambda: "M mark" in consumed.read_text(encoding="utf-8"), what="all consumed")
    stop(run)
    one.check(consumed.read_text(encoding="utf-8").splitlines())


# -- rule 12: pruning

def test_rule_12_what_is_applied_is_removed_and_what_follows_can_be_read_alone(feed):
    one = feed(15, SMALL_MEMORY)
    run = one.receive()
    (one.dir / "consume").touch()
    for at in range(12):
        one.database.sql(
            "INSERT INTO a SELECT i, md5(i::text) FROM generate_series(%s, %s) i", (at * 10000, at * 10000 + 4999))
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    consumed = one.dir / "consumed"
    run.wait_for(lambda: "M mark" in consumed.read_text(encoding="utf-8"), what="all consumed")
    spool = one.dir / "spool/1"
    # What was written last stays until something follows it.
    for at in range(3):
        one.database.sql("INSERT INTO b VALUES (%s, 'later')", (at,))
        end = one.mark()
        run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    run.wait_for(lambda: sum(1 for _ in spool.glob("t*.tx")) <= 1, what="transactions are removed")
    (one.dir / "consume").unlink()
    stop(run)
    one.check(consumed.read_text(encoding="utf-8").splitlines())
    # The server described the tables once, in what is gone.
    one.database.sql("INSERT INTO b VALUES (100, 'last')")
    one.receive_all()
    assert "I public.b new('100', 'last')" in one.dump()


# -- refusals

def refused(run, what, hint, seconds=30):
    result = run.wait(seconds)
    assert result.rc == 1, str(result)
    assert re.search(what, result.err), str(result)
    assert re.search("hint: .*" + hint, result.err), str(result)
    return result


@pytest.mark.parametrize("version", (14, 18))
def test_bad_input_a_slot_that_was_dropped_ends_the_receiver_and_says_so(feed, version):
    one = feed(version)
    run = one.receive()
    run.wait_for(lambda: connected(run), what="connected")
    one.database.sql("INSERT INTO a VALUES (1, 'x')")
    one.tool.ok("slot", "--slot", one.slot, "--drop", source=one.database)
    refused(run, "does not exist", "copied again")
    refused(one.receive(), "does not exist", "copied again")


@pytest.mark.parametrize("version", VERSIONS)
def test_bad_input_a_slot_that_was_invalidated_ends_the_receiver_and_says_so(feed, servers, version):
    server = servers.new(version, {"max_slot_wal_keep_size": "1MB", "wal_keep_size": "0", "max_wal_size": "32MB"})
    one = feed(server=server)
    server.sql("CREATE TABLE filler (note text)")
    for _ in range(4):
        server.sql("INSERT INTO filler SELECT repeat('f', 1000) FROM generate_series(1, 18000)")
        server.sql("SELECT pg_switch_wal()")
        server.sql("CHECKPOINT")
    state = server.value("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", (one.slot,))
    assert state == "lost"
    refused(one.receive(), "invalidated|lost|removed", "max_slot_wal_keep_size")


def test_bad_input_a_slot_that_another_reads_is_waited_for_and_named(feed):
    one = feed(15)
    first = one.receive()
    first.wait_for(lambda: connected(first), what="connected")
    other = one.dir
    one.dir = one.dir.with_name("second")
    one.dir.mkdir()
    second = one.receive()
    second.wait_for(lambda: "is active for PID" in status(second).get("error", ""), what="said so")
    assert connected(first)
    one.dir = other
    # It ends: the other goes on, unless it has missed something.
    one.database.sql("INSERT INTO a VALUES (1, 'x')")
    end = one.mark()
    first.wait_for(lambda: position(one.confirmed()) >= position(end), what="all confirmed")
    stop(first)
    refused(second, "was confirmed up to", "copied again")


def test_a_spool_that_lost_what_was_confirmed_is_refused(feed):
    one = feed(15)
    one.database.sql("INSERT INTO a VALUES (1, 'x')")
    one.receive_all()
    for file in (one.dir / "spool/1").iterdir():
        file.unlink()
    refused(one.receive(), "was confirmed up to", "copied again")


def test_rule_31_a_position_before_the_feeds_start_makes_no_hole(feed):
    """A slot is made before the way back begins, and its server's first words are of where the slot stands. Who is
    stopped then, or loses the connection, has confirmed the start and has on his disk what was before."""
    one = feed(15)
    one.receive_all()
    one.start_lsn = one.mark()
    one.database.sql("SELECT pg_replication_slot_advance(%s, %s)", (one.slot, one.start_lsn))
    one.database.sql("INSERT INTO a VALUES (1, 'x')")
    one.receive_all()
    one.check()


def test_rule_31_nothing_before_the_feeds_start_is_kept_or_confirmed(feed):
    one = feed(15)
    one.start_lsn = one.database.value("SELECT pg_current_wal_insert_lsn() + 1000000")
    run = one.receive()
    run.wait_for(lambda: connected(run), what="connected")
    one.mark()
    one.database.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s", (one.slot,))
    run.wait_for(lambda: connected(run) and status(run)["reconnects"] == "1", what="connected again")
    stop(run)
    flushed = {position(found) for found in re.findall(r"connected=1 .*flushed=(\S+)", run.out)}
    assert flushed == {position(one.start_lsn)}, run.out
    assert one.dump() in ([], [f"QUIET {one.start_lsn}"]), one.dump()


def test_bad_input_a_role_without_replication_is_told_what_it_lacks(feed):
    one = feed(15)
    url = one.database.role("plain")
    refused(one.receive(source=url), "replication role|start WAL", "REPLICATION")
    one = feed(17)
    url = one.database.role("plain")
    refused(one.receive(source=url), "replication role|start WAL", "REPLICATION")


@pytest.mark.parametrize("version", (14, 18))
def test_bad_input_wal_level_is_not_logical(tool, servers, version):
    server = servers.new(version, {"wal_level": "replica"})
    result = tool("slot", "--slot", "s", source=server.create_db())
    assert result.rc == 1 and "wal_level" in result.err, str(result)
    assert re.search("hint: .*wal_level", result.err), str(result)


@pytest.mark.parametrize("version", (14, 18))
def test_bad_input_no_slot_or_sender_is_free(tool, servers, version):
    server = servers.new(version, {"max_replication_slots": 1, "max_wal_senders": 1})
    one = server.create_db()
    tool.ok("slot", "--slot", "first", source=one)
    result = tool("slot", "--slot", "second", source=one)
    assert result.rc == 1 and "replication slots are in use" in result.err, str(result)
    assert "max_replication_slots" in result.err
    server.restart(max_wal_senders=0)
    result = tool("slot", "--slot", "second", source=one)
    assert result.rc == 1 and "max_wal_senders" in result.err, str(result)
    assert re.search("hint: .*max_wal_senders", result.err), str(result)


# -- our own disk

def random_rows(count, words):
    return ("INSERT INTO a SELECT i, (SELECT string_agg(md5(random()::text), '')"
            f" FROM generate_series(1, {words}) WHERE i > 0) FROM generate_series(1, {count}) i")


def test_bad_input_a_disk_that_takes_no_more_is_said_and_nothing_is_confirmed_beyond_it(feed):
    one = feed(15, SMALL_MEMORY)
    run = one.receive(wrapper=file_limit(150_000))
    run.wait_for(lambda: connected(run), what="connected")
    one.database.sql("INSERT INTO b VALUES (1, 'before')")
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    # Too large for memory, so it gets a file of its own, and that must not grow as it has to.
    one.database.sql(random_rows(2000, 10))
    run.wait_for(lambda: "File too large" in status(run)["error"], what="status says it")
    beyond = one.mark()
    run.wait_for(lambda: int(status(run)["reconnects"]) >= 2, what="tried again")
    assert position(end) <= position(one.confirmed()) < position(beyond)
    stop(run)
    assert run.err.count("the spool cannot be written") == 1, run.err
    one.receive_all()
    one.check()


def test_small_transactions_on_a_disk_that_takes_no_more_come_again(feed):
    one = feed(15, SMALL_MEMORY)
    run = one.receive(wrapper=file_limit(150_000))
    run.wait_for(lambda: connected(run), what="connected")
    for at in range(80):
        one.database.sql(random_rows(100, 3).replace("SELECT i,", f"SELECT i + {at * 1000},"))
    run.wait_for(lambda: "File too large" in run.err, what="the disk took no more")
    run.wait_for(lambda: position(one.confirmed()) > position(one.start_lsn), what="what went before is confirmed")
    stop(run)
    confirmed = position(one.confirmed())
    ends = [position(line.split()[-1]) for line in one.dump() if line.startswith(("COMMIT", "QUIET"))]
    assert confirmed <= max(ends)
    one.receive_all()
    one.check()


def test_a_sync_that_fails_is_never_confirmed_and_what_it_was_for_comes_again(feed):
    one = feed(15)
    run = one.receive()
    one.database.sql("INSERT INTO a VALUES (1, 'before')")
    end = one.mark()
    run.wait_for(lambda: position(status(run).get("flushed", "0/0")) >= position(end), what="all received")
    one.fault("fail")
    one.database.sql("INSERT INTO a VALUES (2, 'lost for now')")
    run.wait_for(lambda: "Input/output error" in status(run)["error"], what="status says it")
    assert position(one.confirmed()) < position(one.end_lsn())
    one.fault()
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    assert status(run)["error"] == ""
    stop(run)
    one.check()


def test_a_disk_that_goes_on_failing_is_tried_again_and_keeps_nobody_from_ending(feed):
    one = feed(15)
    run = one.receive()
    one.database.sql("INSERT INTO a VALUES (1, 'before')")
    end = one.mark()
    run.wait_for(lambda: position(status(run).get("flushed", "0/0")) >= position(end), what="all received")

    def fail(number):
        before = int(status(run)["reconnects"])
        one.fault("fail")
        one.database.sql("INSERT INTO a VALUES (%s, 'lost for now')", (number,))
        # By then what was written is to be cut off, which takes a sync as well.
        run.wait_for(lambda: "sync segment" in status(run)["error"] and int(status(run)["reconnects"]) > before,
                     what="tried again")
    fail(2)
    since = time.monotonic()
    wait.until(lambda: time.monotonic() > since + 1.5, 10, "it was tried some times")
    assert "sync segment" in status(run)["error"]
    one.fault()
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    assert status(run)["error"] == ""
    fail(3)
    stop(run)
    one.fault()
    one.receive_all()
    one.check()


def test_peer_fault_a_record_that_was_written_half_is_cut_off_and_comes_again(feed):
    one = feed(15)
    run = one.receive()
    run.wait_for(lambda: connected(run), what="connected")
    one.database.sql("INSERT INTO a VALUES (1, 'x')")
    end = one.mark()
    run.wait_for(lambda: position(status(run)["flushed"]) >= position(end), what="all received")
    run.kill()
    segment = max((one.dir / "spool/1").glob("s*.seg"))
    with open(segment, "ab") as file:
        file.write(b"HPSB" + bytes(100))
    one.database.sql("INSERT INTO a VALUES (2, 'x')")
    one.receive_all()
    one.check()


@pytest.mark.parametrize("number", (2, 15), ids=("SIGINT", "SIGTERM"))
def test_peer_fault_it_ends_within_a_second_of_a_signal_and_confirms_what_it_has(feed, number):
    one = feed(15)
    run = one.receive()
    with Writers(one.database) as writers:
        writers.wait_for(100)
        run.wait_for(lambda: one.database.value("SELECT active FROM pg_replication_slots WHERE slot_name = %s", (one.slot,)),
                     what="it receives")
        run.signal(number)
        result = run.wait(2)
    assert result.rc in (0, 1), str(result)
    one.receive_all()
    one.check()
