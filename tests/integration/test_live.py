"""The live move from end to end: copy, follow, cutover, rollback, under writers whose every
acknowledged write must be found at the end, once, and nothing else."""

import contextlib
import os
import pathlib
import signal
import time

import psycopg2
import pytest

import live as lives
import wait
import zoo
from ledger import Ledger
from live import Live
from moving import is_waiting

VERSIONS = ((15, 15), (14, 17), (15, 17), (17, 18))


@contextlib.contextmanager
def writes_go_on(ledger, count=100):
    """What is inside happens under load: the writers have made progress at its end, too."""
    before = ledger.written()
    yield
    wait.until(lambda: ledger.written() >= before + count, 60, "writers go on")


def go_on(ledger, side=None):
    """They write on; at this side from now on."""
    if side:
        ledger.side = side
    with writes_go_on(ledger):
        pass


def go_home_after_all(live, ledger):
    """A mover that was ended begins again, and the move comes to its end."""
    live.start()
    live.caught_up()
    live.ok("cutover")
    go_on(ledger, live.target)


@pytest.fixture
def move(homeport, pair, pg_bin, taken_down):
    """move(source version, target version) -> Live, Ledger"""
    def make(source_version=15, target_version=15, *args, writers=4):
        source, target = pair(source_version, target_version)
        ledger = Ledger(source, writers=writers)
        programs = ["--pg-bin", pg_bin(17)] if source_version > 15 else []
        return taken_down(Live(homeport, source, target, *programs, *args), ledger)
    return make


@pytest.mark.parametrize("source_version, target_version", VERSIONS)
def test_cutover_rollback_cutover_lose_nothing(move, source_version, target_version):
    live, ledger = move(source_version, target_version)
    source, target = live.source, live.target
    with ledger:
        live.start()
        with writes_go_on(ledger):
            live.caught_up()
        found = live.ok("verify")
        assert found["verified"] and found["differences"] == 0 and found["tables"] == 3

        reports = []
        for verb, there in (("cutover", target), ("rollback", source), ("cutover", target)):
            with writes_go_on(ledger):
                reports.append(live.ok(verb))
                ledger.side = there
        live.applied_past(target)
    ledger.check(target)
    live.applied_past(target)
    ledger.check(source, target)
    for report in reports:
        assert report["done"] and report["reverse"] and report["verified"] and report["differences"] == 0
        assert 0 < report["pause_ms"] < 5000
    assert live.status()["phase"] == "home" and live.status()["direction"] == "forward"
    assert ledger.longest_wait < 10

    live.ok("finish")
    assert live.mover.wait().rc == 0
    assert lives.traces(source) == [] and lives.traces(target) == []
    assert live.status()["phase"] == "finished" and live.status()["complete"]
    target.sql("INSERT INTO scratch VALUES ('free')")
    source.sql("INSERT INTO scratch VALUES ('free')")


def test_rule_25_at_most_one_side_accepts_writes_at_any_moment(move):
    live, ledger = move()
    accepted = []

    def accepts(side):
        try:
            side.sql("INSERT INTO scratch VALUES ('probe'); DELETE FROM scratch WHERE id = 'probe'")
            return True
        except psycopg2.Error as error:
            assert error.pgcode in ("HP001", "25006", "57P01", None), error
            return False
    live.start()
    live.caught_up()
    for verb, sides in (("cutover", (False, True)), ("rollback", (True, False)), ("cutover", (False, True))):
        accepted.append((accepts(live.source), accepts(live.target)))
        live.ok(verb)
        assert (accepts(live.source), accepts(live.target)) == sides, verb
    assert accepted == [(True, False), (False, True), (True, False)]
    assert ledger.written() == 0
    stopped = live.homeport("move", "--stop", "--dir", live.dir, source=live.source, target=live.target)
    assert "Home keeps its WAL" in stopped.out, str(stopped)


def test_rule_6_peer_fault_kill_9_in_the_copy_keeps_the_tables_that_are_complete(move):
    live, ledger = move()
    source, target = live.source, live.target
    source.sql("CREATE TABLE large (id integer PRIMARY KEY, note text)")
    source.sql("INSERT INTO large SELECT g, md5(g::text) FROM generate_series(1, 50000) AS g")
    positions = "SELECT table_name, min(position)::text FROM homeport.finished_part GROUP BY 1"
    with ledger:
        live.start("--jobs", "2")
        with lives.held_copy(target, "large"):
            wait.until(lambda: len(lives.peek(target, positions)) == 3, 30, "the other tables are complete")
            live.kill()
        before = dict(target.sql(positions))
        assert sorted(before) == ["account", "scratch", "transfer"]
        live.start()
        live.caught_up()
        after = dict(target.sql(positions))
        assert {table: after[table] for table in before} == before, "a table was copied again"
        assert after["large"] not in before.values()
        with writes_go_on(ledger):
            live.ok("cutover")
            ledger.side = target
    ledger.check(target)
    live.applied_past(target)
    ledger.check(source)
    assert target.sql("SELECT count(*), count(DISTINCT note) FROM large") == [(50000, 50000)]


def test_peer_fault_kill_9_while_following_is_exactly_once(move):
    live, ledger = move()
    with ledger:
        live.start()
        live.caught_up()
        for _ in range(6):
            with writes_go_on(ledger, 50):
                pass
            live.kill()
            live.start()
            live.wait_for("caught-up")
        live.ok("cutover")
        go_on(ledger, live.target)
    ledger.check(live.target)


@pytest.mark.parametrize("hook, phase", (("--on-pause", "caught-up"), ("--on-switch", "caught-up"), ("--on-resume", "home")))
def test_rule_32_killed_in_the_switch_is_undone_or_concluded(move, hook, phase):
    """The hook kills the mover: before the record `home` the source is in use again, behind it home is."""
    live, ledger = move()
    marker = live.homeport.cwd / "killed"
    with ledger:
        live.start()
        live.caught_up()
        assert live.run("cutover", hook, f"test -e {marker} || {{ touch {marker}; kill -9 $PPID; }}").rc == 1
        wait.until(lambda: not live.mover.running, 10, "the mover is dead")
        if phase == "caught-up":
            assert "CANNOT WRITE" in live.status()["next"]
        live.start()
        live.wait_for(phase)
        go_on(ledger, live.target if phase == "home" else live.source)
        if phase == "caught-up":
            live.ok("cutover")
            go_on(ledger, live.target)
        live.ok("rollback")
        go_on(ledger, live.source)
    ledger.check(live.source)


def test_deadline_undoes_everything_and_writers_go_on(move):
    live, ledger = move()
    log = live.homeport.cwd / "hooks"
    say = f'echo "$HOMEPORT_HOOK $HOMEPORT_DIRECTION" >> {log}'
    with ledger:
        live.start()
        live.caught_up()
        result = live.run("cutover", "--max-pause", "3s", "--on-pause", say, "--on-switch", f"{say}; sleep 5",
                          "--on-resume", say)
        assert result.rc == 1 and "on-switch" in result.err, str(result)
        go_on(ledger)
        assert log.read_text().splitlines() == ["pause forward", "switch forward", "switch back", "resume back"]
        live.caught_up()
        live.ok("cutover")
        go_on(ledger, live.target)
    ledger.check(live.target)


def test_hooks_know_the_direction_and_both_addresses(move):
    live, _ledger = move()
    log = live.homeport.cwd / "hooks"
    say = f'echo "$HOMEPORT_HOOK $HOMEPORT_DIRECTION ${{HOMEPORT_SOURCE_URL##*/}} ${{HOMEPORT_TARGET_URL##*/}}" >> {log}'
    live.start()
    live.caught_up()
    for verb in ("cutover", "rollback"):
        live.ok(verb, "--on-pause", say, "--on-switch", say, "--on-resume", say)
    names = f"{live.source.name} {live.target.name}"
    assert log.read_text().splitlines() == [f"{hook} {way} {names}" for way in ("forward", "back")
                                            for hook in ("pause", "switch", "resume")]


def whole_catalogue(database):
    """Everything that is defined in a database and set for it; not what rows change."""
    found = zoo.inventory(database)
    found.pop("sequence value")
    found["setting"] = database.sql("SELECT s.setrole, s.setconfig FROM pg_db_role_setting AS s JOIN pg_database AS d"
                                    " ON d.oid = s.setdatabase WHERE datname = current_database() ORDER BY 1")
    found["publication"] = database.sql("SELECT pubname FROM pg_publication ORDER BY 1")
    found["slot"] = lives.slots(database)
    return found


def test_rehearsal_says_how_long_and_leaves_the_source_as_it_was(move):
    live, ledger = move()
    with ledger:
        live.start()
        live.caught_up()
        before = whole_catalogue(live.source)
        report = live.ok("cutover", "--rehearse")
        assert report["rehearsed"] and not report["done"] and not report["reverse"] and report["pause_ms"] > 0
        go_on(ledger)
        live.caught_up()
        assert whole_catalogue(live.source) == before and lives.slots(live.target) == []
        live.ok("cutover")
        go_on(ledger, live.target)
    ledger.check(live.target)


def test_abort_leaves_no_trace(move):
    live, ledger = move()
    live.source.sql("CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    live.source.sql("CREATE TRIGGER noted AFTER UPDATE ON scratch EXECUTE FUNCTION noted()")
    before = whole_catalogue(live.source), whole_catalogue(live.target)
    with ledger:
        live.start()
        live.caught_up()
        assert whole_catalogue(live.source) != before[0] and whole_catalogue(live.target) != before[1]
        with writes_go_on(ledger):
            live.ok("abort")
        assert live.mover.wait().rc == 0
    assert lives.traces(live.source) == [] and lives.traces(live.target) == []
    assert live.target.tables() == []
    assert live.status()["phase"] == "aborted"
    ledger.check(live.source)
    assert (whole_catalogue(live.source), whole_catalogue(live.target)) == before
    # And the folder is free for the next move.
    live.start()
    live.caught_up()
    live.ok("cutover")
    ledger.check(live.target)


def test_abort_after_a_cutover_is_refused(move):
    live, _ledger = move()
    live.start()
    live.caught_up()
    live.ok("cutover")
    result = live.run("abort")
    assert result.rc == 1 and "rollback" in result.err, str(result)
    assert live.status()["phase"] == "home"
    live.ok("rollback")  # by the mover, which was not stopped for it
    wait.until(lambda: live.status()["next"].startswith("`homeport cutover` tries again"), 10, "what to do next is said")


def test_cutover_and_verify_are_refused_while_the_copy_is_at_work_or_was_left(move):
    live, _ledger = move()
    with contextlib.closing(live.source.connect(autocommit=False)) as hold:
        hold.cursor().execute("LOCK TABLE scratch IN ACCESS EXCLUSIVE MODE")
        live.start()
        wait.until(lambda: live.status()["exists"], 30, "the move has begun")
        refused = live.run("cutover")
        assert refused.rc == 1 and f"the copy is still at work (process {live.mover.pid})" in refused.err, str(refused)
        early = live.run("verify")
        assert early.rc == 1 and "the copy is still at work" in early.err, str(early)
        live.kill()
        left = live.run("verify")
        assert left.rc == 1 and "this is not possible in phase" in left.err and "goes on" in left.err, str(left)
        live.start()
    live.caught_up()
    nameless = live.homeport("finish", "--dir", live.dir, target=live.target)
    assert nameless.rc == 2 and "no source given; the move of this folder was begun with postgresql:" in nameless.err


def test_second_mover_is_refused_with_the_process_of_the_first(move):
    live, _ledger = move()
    live.start()
    live.caught_up()
    second = live.homeport("move", "--dir", live.dir, source=live.source, target=live.target)
    assert second.rc == 1 and str(live.mover.pid) in second.err, str(second)


def sessions(live):
    return [row for side in (live.source, live.target) for row in side.server.sql(
        "SELECT application_name, backend_type, state, now() - state_change, wait_event, query FROM pg_stat_activity"
        " WHERE datname = %s AND application_name LIKE 'homeport%%' AND application_name <> 'homeport test'",
        (side.name,))]


def end_by(live, number, within=5):
    """The mover; nothing of it is left."""
    live.mover.signal(number)
    started = time.monotonic()
    result = live.mover.wait(20)
    assert time.monotonic() - started < within
    wait.until(lambda: not sessions(live), 20, lambda: f"none of these is left: {sessions(live)}")
    return result


def has_socket(program):
    """Of a command that asks a mover and connects to no server."""
    with contextlib.suppress(OSError):  # one that was closed meanwhile
        return any(os.readlink(fd).startswith("socket:") for fd in pathlib.Path(f"/proc/{program.pid}/fd").iterdir())
    return False


SIGNALS = pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))


@pytest.mark.plain
@SIGNALS
def test_peer_fault_signals_are_obeyed_within_a_second_with_no_orphan(move, number):
    live, ledger = move()
    with ledger:
        live.start()
        live.caught_up()
        assert end_by(live, number, within=1).rc == 0
        go_home_after_all(live, ledger)
    ledger.check(live.target)


@SIGNALS
def test_peer_fault_signals_are_obeyed_in_the_copy_as_well(move, number):
    live, ledger = move()
    with ledger:
        live.start()
        with lives.held_copy(live.target, "account") as hold:
            wait.until(lambda: is_waiting(live.target, hold), 30, "a table's copy is held")
            assert end_by(live, number).rc == 1
        go_home_after_all(live, ledger)
    ledger.check(live.target)


@SIGNALS
def test_peer_fault_signals_are_obeyed_while_rows_are_compared_as_well(move, number):
    live, ledger = move()
    with ledger:
        live.start()
        live.caught_up()
        with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
            hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE scratch IN ACCESS EXCLUSIVE MODE")
            command = live.homeport.start("verify", "--dir", live.dir, "--json", source=live.source, target=live.target)
            # A command that has not asked yet would find the mover gone, and begin another.
            wait.until(lambda: has_socket(command), 30, "the mover is asked")
            wait.until(lambda: is_waiting(live.target, hold, "verify"), 30, "the comparison is held")
            assert end_by(live, number).rc == 0
            assert command.wait(20).rc != 0
        go_home_after_all(live, ledger)
    ledger.check(live.target)


def test_peer_fault_a_backlog_at_cutover_is_caught_up_before_cutover_is_allowed(move):
    live, ledger = move()
    live.start()
    live.caught_up()
    live.stop()
    live.source.sql("INSERT INTO transfer (token, sender, receiver, amount)"
                    " SELECT 'bulk ' || g, 1, 2, 0 FROM generate_series(1, 100000) AS g")
    live.start()
    live.caught_up()
    with live.target.connect(autocommit=False, application_name="homeport test") as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE scratch IN ACCESS EXCLUSIVE MODE")
        live.source.sql("INSERT INTO scratch (id) VALUES ('held up')")
        refused = live.run("cutover")
        assert refused.rc == 1 and "bytes behind" in refused.err and "status --watch" in refused.err, str(refused)

        def far_behind():
            live.source.sql("INSERT INTO scratch (id) SELECT gen_random_uuid() || repeat('far behind', 100)"
                            " FROM generate_series(1, 10000) AS g")
            return live.status()["phase"] == "following"
        wait.until(far_behind, 60, "it is far behind")
        refused = live.run("cutover")
        assert refused.rc == 1 and "bytes behind" in refused.err, str(refused)
    live.caught_up()
    live.ok("cutover")
    assert live.target.sql("SELECT count(*) FROM transfer WHERE token LIKE 'bulk%'") == [(100000,)]
    assert ledger.written() == 0


def test_cutover_right_after_a_large_transaction_waits_for_it(move):
    live, ledger = move()
    live.start()
    live.caught_up()
    live.ok("verify")
    with ledger:
        with live.target.connect(autocommit=False, application_name="homeport test") as hold:
            hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE scratch IN ACCESS EXCLUSIVE MODE")
            live.source.sql("INSERT INTO scratch (id) SELECT gen_random_uuid() || repeat('far behind', 100)"
                            " FROM generate_series(1, 25000) AS g")
            live.wait_for("following")
            began = live.source.value("SELECT now()")
            cutover = live.homeport.start("cutover", "--dir", live.dir, "--json", source=live.source, target=live.target)
            cutover.wait_for(lambda: live.source.sql(
                "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'homeport%%' AND query = 'COMMIT'"
                " AND datname = current_database() AND query_start > %s", (began,)), what="its marker is written")
        result = cutover.wait()
        assert result.rc == 0, str(result)
        go_on(ledger, live.target)
    assert live.target.sql("WITH gone AS (DELETE FROM scratch WHERE id LIKE '%far behind' RETURNING 1)"
                           " SELECT count(*) FROM gone") == [(25000,)]
    ledger.check(live.target)


def test_peer_fault_a_quiet_source_is_followed_to_its_last_write(move):
    live, _ledger = move()
    live.start()
    live.caught_up()
    live.source.sql("INSERT INTO scratch VALUES ('last')")
    wait.until(lambda: live.target.sql("SELECT count(*) FROM scratch") == [(1,)], 5, "the last write")


def test_peer_fault_an_unlogged_table_is_a_blocker_that_check_names(move):
    live, _ledger = move()
    live.source.sql("CREATE UNLOGGED TABLE passing (id integer PRIMARY KEY)")
    result = live.homeport("move", "--dir", live.dir, source=live.source, target=live.target)
    assert result.rc == 3 and "table-unlogged" in result.err, str(result)


def test_write_to_the_old_side_after_the_cutover_is_refused_by_the_fence(move):
    live, _ledger = move()
    live.start()
    live.caught_up()
    live.ok("cutover")
    for statement in ("UPDATE account SET balance = 0", "DELETE FROM account", "TRUNCATE scratch",
                      "INSERT INTO scratch VALUES ('x')"):
        with pytest.raises(psycopg2.Error) as refused:
            live.source.sql(f"BEGIN READ WRITE; {statement}; COMMIT")
        assert refused.value.pgcode in ("HP001", "25006")


def test_sequences_go_on_ahead_at_the_other_side(move):
    live, _ledger = move()
    live.source.sql("SELECT setval('transfer_id_seq', 5000)")
    live.start()
    live.caught_up()
    live.ok("cutover")
    (home,), = live.target.sql("SELECT nextval('transfer_id_seq')")
    assert home > 5000
    live.ok("rollback")
    (away,), = live.source.sql("SELECT nextval('transfer_id_seq')")
    assert away > home


def test_migrations_are_refused_while_the_move_follows(move, tmp_path):
    """Rule 23."""
    live, _ledger = move()
    live.start()
    live.caught_up()
    folder = tmp_path / "drizzle" / "meta"
    folder.mkdir(parents=True)
    (folder / "_journal.json").write_text('{"version":"7","dialect":"postgresql","entries":[]}')
    result = live.homeport("migrations", "apply", "--dir", live.dir, "--migrations", folder.parent, target=live.target,
                           source=live.source)
    assert result.rc == 1 and "caught-up" in result.err, str(result)


def test_rule_6_resync_brings_one_table_up_to_date_while_the_others_follow(move):
    live, ledger = move()
    source, target = live.source, live.target
    with ledger:
        live.start()
        live.caught_up()
        with contextlib.closing(target.connect(application_name="homeport test")) as behind, behind.cursor() as cursor:
            cursor.execute("BEGIN READ WRITE; SET LOCAL session_replication_role = replica;"
                           " ALTER TABLE account DISABLE TRIGGER homeport_fence;"
                           " UPDATE account SET note = 'spoilt' WHERE id < 10;"
                           " ALTER TABLE account ENABLE ALWAYS TRIGGER homeport_fence; COMMIT")
        with writes_go_on(ledger):
            found = live.run("move", "--resync", "account")
        assert found.rc == 0 and found.json["rows"] == 50, str(found)
        with writes_go_on(ledger):
            live.ok("cutover")
            ledger.side = target
    ledger.check(target)
    live.applied_past(target)
    ledger.check(source)


def test_peer_fault_a_new_table_is_followed_after_resync(move):
    live, ledger = move()
    source, target = live.source, live.target
    with ledger:
        live.start()
        live.caught_up()
        for side in (source, target):
            side.sql("BEGIN READ WRITE; CREATE TABLE late (id integer PRIMARY KEY, note text); COMMIT")
        source.sql("INSERT INTO late SELECT g, 'before' FROM generate_series(1, 100) AS g")
        refused = live.run("cutover")
        assert refused.rc == 1 and "late" in refused.err and "--resync" in refused.err, str(refused)
        found = live.run("move", "--resync", "public.late")
        assert found.rc == 0 and found.json["rows"] == 100, str(found)
        source.sql("INSERT INTO late SELECT g, 'after' FROM generate_series(101, 200) AS g")
        source.sql("UPDATE late SET note = 'changed' WHERE id = 1")
        live.ok("cutover")
        go_on(ledger, target)
    assert target.sql("SELECT note, count(*) FROM late GROUP BY 1 ORDER BY 1") == [
        ("after", 100), ("before", 99), ("changed", 1)]
    ledger.check(target)
