"""What `status` tells of a live move: how its slot does, how long it takes, in lines that a terminal holds."""

import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import termios

import psycopg2
import wait
from live import Live, held_copy


def text(live):
    return live.homeport.ok("status", "--dir", live.dir).out


def unreachable(live):
    """Nobody connects to the source's database any more; who is in it stays."""
    name = live.source.name
    live.source.server.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    live.source.server.sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active")


def slot_says(live, *wanted, seconds=20):
    def said():
        status = live.status()
        return status["slot_wal_status"] in wanted and status
    return wait.until(said, seconds, f"the slot is {wanted}")


def test_status_tells_how_near_the_slot_is_to_its_servers_limit_and_when_it_is_lost(homeport, servers, taken_down):
    source = servers.new(15, {"max_slot_wal_keep_size": "64MB"})
    live, _ = taken_down(Live(homeport, source.create_db(), servers.get(15, "target").create_db()), None)
    live.source.script("CREATE TABLE t (id int PRIMARY KEY)")
    live.start()
    live.caught_up()
    well = slot_says(live, "reserved")
    assert well["slot_active"] is True and 40 << 20 < well["slot_safe_bytes"] < 96 << 20, well
    assert 0 <= well["slot_retained_bytes"] < 32 << 20 and "slot" not in well["next"], well
    assert f"{well['slot']}: reserved, holds back " in text(live) and " to its limit" in text(live)
    unreachable(live)

    def grow():
        source.sql("SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")
        return source.value("SELECT wal_status FROM pg_replication_slots") == "unreserved"
    wait.until(grow, 30, "the slot is over its limit")
    status = slot_says(live, "unreserved")
    assert status["slot_active"] is False and "max_slot_wal_keep_size" in status["next"], status
    assert "nobody reads it" in text(live)
    source.sql("CHECKPOINT")
    lost = slot_says(live, "lost")
    assert lost["slot_safe_bytes"] is None and "homeport abort" in lost["next"], lost
    assert " is LOST: " in text(live)
    source.sql("SELECT pg_drop_replication_slot(%s)", (lost["slot"],))
    gone = slot_says(live, "gone")
    assert "homeport abort" in gone["next"] and " is GONE from its server" in text(live)


def on_terminal(live, *args, columns=100):
    """What a terminal of that width shows of it, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    argv = [live.homeport.binary, "status", "--dir", live.dir, *args]
    with subprocess.Popen(argv, env={**live.homeport.environment(), "NO_COLOR": "1"}, stdin=subprocess.DEVNULL,
                          stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # its end
            while data := os.read(ours, 65536):
                shown += data
        assert process.wait(20) == 0, shown
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def fits(shown, columns=100):
    lines = shown.splitlines()
    assert lines and all(len(line) <= columns for line in lines), shown
    return shown


def slow_source(live):
    """Each of 24 transactions takes a while, and has so many rows that it is committed by itself."""
    live.source.script("BEGIN READ WRITE; CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS"
                       " $$ BEGIN PERFORM pg_sleep(1.5); RETURN NEW; END $$;"
                       "CREATE TRIGGER slowly BEFORE INSERT ON other FOR EACH ROW WHEN (NEW.id % 2100 = 0)"
                       " EXECUTE FUNCTION slowly();"
                       "ALTER TABLE other ENABLE REPLICA TRIGGER slowly; COMMIT")
    with contextlib.closing(live.target.connect()) as conn, conn.cursor() as cursor:
        for n in range(100, 124):
            cursor.execute("INSERT INTO other SELECT g, md5(g::text) FROM generate_series(%s * 2100, %s * 2100 + 2099) AS g",
                           (n, n))


def test_status_tells_how_long_it_takes_in_lines_that_fit_the_terminal(homeport, pair, taken_down, proxy):
    """In the copy, where the source does not answer, on the way back, and where nobody is at work."""
    source, target = pair(15, 15)
    way = proxy(source.server)
    live, _ = taken_down(Live(homeport, source, target, "--jobs", "2",
                              env={"HOMEPORT_SOURCE_URL": way.url(source)}), None)
    source.sql("CREATE TABLE large AS SELECT g AS id, md5(g::text) AS note FROM generate_series(1, 30000) AS g")
    source.sql("CREATE TABLE other AS SELECT * FROM large")
    source.script("ALTER TABLE large ADD PRIMARY KEY (id); ALTER TABLE other ADD PRIMARY KEY (id)")
    live.start()
    assert live.status()["seconds_left"] is None
    with held_copy(target, "large"):
        assert 0 < wait.until(lambda: live.status()["seconds_left"], 30, "the copy's time is known") < 600
        assert " min left" in fits(on_terminal(live))
        copying = slot_says(live, "reserved")
        assert copying["phase"] == "copying" and copying["slot_active"] is copying["receiving"] is True, copying
        assert copying["verified"] is copying["lag_bytes"] is None and copying["spool_bytes"] >= 0, copying
        assert f"{copying['slot']}: reserved, holds back " in text(live) and "\nspool " in text(live)
    live.caught_up()
    assert live.status()["seconds_left"] == 0

    slot_says(live, "reserved")
    way.silence()
    status = slot_says(live, None)
    assert status["phase"] == "caught-up" and status["slot_active"] is None and status["slot_safe_bytes"] is None
    way.silence(False)

    live.ok("cutover")
    slow_source(live)
    # It takes 36 s at least, and others may use the machine.
    assert 0 < wait.until(lambda: live.status()["seconds_left"], 30, "when it has caught up is known") < 360
    assert " min left" in on_terminal(live)
    fits(on_terminal(live))
    # An address is one word.
    narrow = [line for line in on_terminal(live, columns=60).splitlines() if "postgresql://" not in line]
    assert any(line.startswith(" " * 11) for line in narrow) and fits("\n".join(narrow), 60)
    live.kill()
    sentences, _, sql = on_terminal(live).partition("\nOnly if the move is given up")
    assert "homeport move --detach" in fits(sentences) and "fence" in sql


def copy_that_is_held(homeport, source, target, *args):
    source.sql("CREATE TABLE large AS SELECT g AS id, md5(g::text) AS note FROM generate_series(1, 30000) AS g")
    source.script("ALTER TABLE large ADD PRIMARY KEY (id); CREATE TABLE app (id int PRIMARY KEY, text text)")
    live = Live(homeport, source, target, *args)
    live.start()
    return live, held_copy(target, "large")


def test_status_warns_during_the_copy_of_a_full_spool_and_of_a_slot_near_its_limit(homeport, servers, taken_down):
    source = servers.new(15, {"max_slot_wal_keep_size": "64MB"})
    target = servers.get(15, "target").create_db()
    live, hold = copy_that_is_held(homeport, source.create_db(), target, "--spool-limit", "1MB")
    taken_down(live, None)
    with hold:
        slot_says(live, "reserved")
        for number in range(40):
            live.source.sql("INSERT INTO app SELECT %s, string_agg(md5(random()::text), '')"
                            " FROM generate_series(1, 32768)", (number,))
        full = wait.until(lambda: (status := live.status())["held_back"] and status, 20, "the spool is full")
        assert full["phase"] == "copying" and full["spool_bytes"] > 900000 and " MB, full" in text(live), full

        def near():
            source.sql("SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")
            return "max_slot_wal_keep_size" in live.status()["next"]
        wait.until(near, 30, "the slot is near its limit")
    live.caught_up()


def test_a_slot_that_is_lost_during_the_copy_ends_it_and_is_said(homeport, pair, taken_down):
    """What is copied after that would be in vain."""
    live, hold = copy_that_is_held(homeport, *pair(15, 15))
    taken_down(live, None)
    with hold:
        slot = slot_says(live, "reserved")["slot"]

        def dropped():
            live.source.sql("SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE active")
            with contextlib.suppress(psycopg2.errors.ObjectInUse):  # it was connected again
                return live.source.sql("SELECT pg_drop_replication_slot(%s)", (slot,))
        wait.until(dropped, 10, "the slot is dropped")
        ended = live.mover.wait(30)
        assert ended.rc == 1 and slot in ended.err and "homeport abort" in ended.err, str(ended)
    assert slot in live.status()["last_error"]
    live.ok("abort")


def test_status_tells_of_the_slot_while_the_applier_has_stopped(homeport, pair, taken_down):
    """Also a mover that has not applied anything yet: then WAL is kept back, if ever."""
    live, _ = taken_down(Live(homeport, *pair(15, 15)), None)
    live.source.script("CREATE TABLE t (id int PRIMARY KEY, n int)")
    live.start()
    live.caught_up()
    live.target.script("BEGIN READ WRITE; ALTER TABLE t ADD CONSTRAINT small CHECK (n < 100); COMMIT")
    live.source.sql("INSERT INTO t VALUES (1, 4711)")
    wait.until(lambda: "23514" in (live.status()["last_error"] or ""), 20, "the applier has stopped")
    live.stop()
    live.start()
    wait.until(lambda: "23514" in (live.status()["last_error"] or ""), 20, "it stopped again")
    assert slot_says(live, "reserved")["slot_active"] is True
