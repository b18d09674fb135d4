"""How a live move ends where something is in the way: a side that is gone for good, a switch that a
crash left behind its commit point, a comparison or a transaction that takes long."""

import contextlib
import os
import signal
import time

import psycopg2
import pytest

import live as lives
import wait
import zoo
from ledger import Ledger
from live import Live


@pytest.fixture
def move(homeport, servers, taken_down):
    """move() -> Live, on two servers of their own: they may be stopped."""
    def make(url=None):
        source, target = (servers.new(15).create_db() for _ in range(2))
        live, _ledger = taken_down(Live(homeport, source, target), Ledger(source, writers=0))
        live.env = url(live) if url else None
        live.start()
        live.caught_up()
        return live
    return make


def test_finish_when_the_old_side_is_gone_for_good(move):
    """Whoever deletes the project at the provider first must not keep slots and fences for ever."""
    live = move()
    live.ok("cutover")
    live.source.server.stop("immediate")
    refused = live.run("finish")
    assert refused.rc == 1 and "--gone source" in refused.err, str(refused)
    assert live.status()["next"] == "Run `homeport finish` again."
    result = live.run("finish", "--gone", "source")
    assert result.rc == 0 and "left as it is" in result.err, str(result)
    assert live.status()["complete"] is True
    assert lives.traces(live.target) == []
    live.target.sql("UPDATE account SET balance = balance")


def test_finish_with_a_side_that_is_called_gone_and_is_there_cleans_it_too(move):
    live = move()
    live.ok("cutover")
    live.ok("finish", "--gone", "source")
    assert lives.traces(live.source) == [] and lives.traces(live.target) == []


def test_abort_when_the_target_is_gone_for_good(move):
    """What matters is the app's own side: a slot that nobody reads would fill its disk."""
    live = move()
    live.target.server.stop("immediate")
    refused = live.run("abort")
    assert refused.rc == 1 and "--gone target" in refused.err, str(refused)
    assert live.status()["next"] == "Run `homeport abort` again."
    live.ok("abort", "--gone", "target")
    assert lives.traces(live.source) == []
    assert live.status()["phase"] == "aborted"


def test_abort_when_the_target_was_made_anew_leaves_what_is_there_now(move):
    """Tables of the same names are the owner's by then."""
    live = move()
    live.stop()
    name = live.target.name
    live.target.server.sql(f"DROP DATABASE {name}")
    live.target.server.sql(f"CREATE DATABASE {name}")
    live.target.script("CREATE TABLE account (id int PRIMARY KEY); INSERT INTO account VALUES (1)")
    result = live.run("abort")
    assert result.rc == 0 and "left as they are" in result.err, str(result)
    assert live.status()["phase"] == "aborted" and live.target.sql("SELECT id FROM account") == [(1,)]
    assert lives.traces(live.source) == [] == lives.traces(live.target)


def test_abort_without_the_schemas_archive_empties_the_tables_and_says_that_they_stay(move):
    live = move()
    live.stop()
    (live.dir / "schema.dump").unlink()
    result = live.run("abort")
    assert result.rc == 0 and "the schema's archive is gone" in result.err, str(result)
    tables = live.target.tables()
    assert "account" in tables and not any(live.target.sql(f"SELECT 1 FROM {table} LIMIT 1") for table in tables)
    assert lives.traces(live.source) == [] == lives.traces(live.target)


def test_the_side_that_the_app_lives_on_is_never_called_gone(move):
    live = move()
    refused = live.run("abort", "--gone", "source")
    assert refused.rc == 2 and "the app lives there" in refused.err and "the SQL that opens it" in refused.err
    assert live.status()["phase"] == "caught-up" and live.mover.running  # which was not stopped for it
    live.ok("cutover")
    refused = live.run("finish", "--gone", "target")
    assert refused.rc == 2 and "the app lives there" in refused.err, str(refused)
    nonsense = live.run("finish", "--gone", "neon")
    assert nonsense.rc == 2 and "source or target" in nonsense.err
    live.ok("rollback")
    refused = live.run("finish", "--gone", "source")
    assert refused.rc == 2, str(refused)
    live.ok("finish")


@pytest.mark.parametrize("verbs, at, said", (
    (("abort",), "source", "lives at the source"), (("cutover", "finish"), "target", "lives at home"),
    (("cutover", "rollback", "finish"), "source", "lives at the source")), ids=("abort", "finish", "rollback"))
def test_status_says_where_the_app_lives_to_the_end(move, verbs, at, said):
    live = move()
    assert live.status()["app_at"] == "source"
    for verb in verbs:
        live.ok(verb)
        if verb not in ("abort", "finish"):
            assert live.status()["app_at"] == {"cutover": "target", "rollback": "source"}[verb]
    status = live.status()
    assert (status["app_at"], status["complete"]) == (at, verbs[-1] == "finish")
    assert said in live.homeport.ok("status", "--dir", live.dir).out


def test_who_ends_a_move_the_wrong_way_is_told_what_is_right_where_it_stands(move):
    live = move()

    def refused(command, phase, says, never=()):
        result = live.run(command)
        error = result.json["error"]
        assert result.rc == 1 and f"phase {phase}" in error["message"], str(result)
        assert says in error["hint"] and not [word for word in never if word in error["hint"]], str(result)
    refused("finish", "caught-up", "`homeport abort` undoes")
    live.ok("cutover")
    refused("abort", "home", "`homeport rollback` goes back")
    live.ok("rollback")
    refused("abort", "away", "`homeport finish` ends it", ["rollback"])
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE scratch IN ACCESS SHARE MODE")
        ending = live.homeport.start("finish", "--dir", live.dir, source=live.source, target=live.target)
        wait.until(lambda: live.status()["phase"] == "finishing", 30, "it is being ended")
        ending.kill()
    refused("abort", "finishing", "`homeport finish` again", ["rollback"])
    live.ok("finish")
    refused("abort", "finished", "The move is over", ["rollback", "finish"])


def test_a_move_that_was_undone_cannot_be_undone_or_finished_again(move):
    live = move()
    live.ok("abort")
    result = live.run("finish")
    assert result.rc == 1 and result.json["error"]["hint"].startswith("The move is over"), str(result)


def test_finish_brings_a_switch_to_its_end_that_a_crash_left_behind_its_commit_point(move, tmp_path):
    """Whoever waits at a pooler is let go on, also when no mover runs any more."""
    live = move()
    said = tmp_path / "said"
    hook = f"echo $HOMEPORT_DIRECTION >>{said}; test $(wc -l <{said}) -gt 1 || kill -9 $PPID"
    assert live.run("cutover", "--on-resume", hook).rc == 1
    wait.until(lambda: not live.mover.running, 10, "the mover is dead")
    assert live.status()["phase"] == "home"
    live.ok("finish")
    assert said.read_text(encoding="utf-8").split() == ["forward", "forward"]
    assert lives.traces(live.source) == [] and lives.traces(live.target) == []
    live.target.sql("UPDATE account SET balance = balance")


def test_abort_takes_default_privileges_of_every_kind_back(homeport, pair, taken_down):
    """pg_dump has no statement that drops them."""
    source, target = pair(15, 17)
    for server in {source.server, target.server}:
        server.sql('CREATE ROLE "the owner"; CREATE ROLE "the reader"; CREATE ROLE other')
    target.script("""
        ALTER DEFAULT PRIVILEGES FOR ROLE other GRANT SELECT ON TABLES TO "the reader" WITH GRANT OPTION;
        ALTER DEFAULT PRIVILEGES FOR ROLE other IN SCHEMA public GRANT USAGE ON SEQUENCES TO PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" GRANT INSERT ON TABLES TO other WITH GRANT OPTION;
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" REVOKE SELECT ON TABLES FROM "the owner";
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" GRANT USAGE ON SEQUENCES TO other;
    """)
    privileges = """
        SELECT defaclrole::regrole::text, defaclnamespace, defaclobjtype, defaclacl::text[]
          FROM pg_default_acl ORDER BY 1, 2, 3"""
    before, kept = zoo.inventory(target), target.sql(privileges)
    source.script("""
        CREATE SCHEMA s; CREATE TABLE s.t (id integer PRIMARY KEY);
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" IN SCHEMA s GRANT SELECT ON TABLES TO "the reader", PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" IN SCHEMA s GRANT USAGE ON SEQUENCES TO "the reader";
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" REVOKE ALL ON TABLES FROM "the owner";
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" GRANT TRIGGER ON TABLES TO other;
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" REVOKE USAGE ON TYPES FROM PUBLIC;
        ALTER DEFAULT PRIVILEGES FOR ROLE "the owner" GRANT USAGE ON SCHEMAS TO "the reader" WITH GRANT OPTION;
        ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO "the reader";
    """)
    live, _ = taken_down(Live(homeport, source, target), None)
    live.start()
    live.caught_up()
    kinds = target.sql("SELECT DISTINCT defaclobjtype FROM pg_default_acl ORDER BY 1")
    assert [kind for kind, in kinds] == ["S", "T", "f", "n", "r"]
    live.ok("abort")
    assert len(kept) == 4 and target.sql(privileges) == kept
    assert zoo.inventory(target) == before and lives.traces(target) == []


def test_abort_ends_a_move_that_had_not_noted_the_default_privileges(move):
    """As an older homeport began it."""
    live = move()
    live.stop()
    live.target.script("BEGIN READ WRITE; DROP TABLE homeport.default_acl; COMMIT")
    live.ok("abort")
    assert lives.traces(live.source) == [] == lives.traces(live.target)


def test_abort_undoes_a_switch_that_a_crash_left_half_way(move, tmp_path):
    live = move()
    said = tmp_path / "said"
    assert live.run("cutover", "--on-switch", "test $HOMEPORT_DIRECTION = back || kill -9 $PPID",
                    "--on-resume", f"echo $HOMEPORT_DIRECTION >>{said}").rc == 1
    wait.until(lambda: not live.mover.running, 10, "the mover is dead")
    assert "fenced" in live.status()
    refused = live.run("finish")  # it undoes the switch as well, and sees where it stands then
    assert refused.rc == 1 and "`homeport abort` undoes" in refused.json["error"]["hint"], str(refused)
    live.ok("abort")
    assert said.read_text(encoding="utf-8").split() == ["back"]
    assert lives.traces(live.source) == []
    live.source.sql("UPDATE account SET balance = balance")


def test_status_says_to_wait_while_the_move_is_being_ended(move):
    """To be run again is only what nobody is at."""
    live = move()
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE scratch IN ACCESS SHARE MODE")
        ending = live.homeport.start("abort", "--dir", live.dir, source=live.source, target=live.target)
        status = wait.until(lambda: (now := live.status())["phase"] == "aborting" and now, 30, "it is being undone")
        assert status["running"] and status["next"].startswith("Wait: "), status
        ending.kill()
    assert live.status()["next"] == "Run `homeport abort` again."
    refused = live.homeport("move", "--dir", live.dir, source=live.source, target=live.target)
    assert refused.rc == 1 and "being ended" in refused.err and "Run `homeport abort` again" in refused.err, str(refused)
    live.ok("abort")


def test_a_move_that_is_finished_is_not_begun_again(move):
    live = move()
    live.ok("cutover")
    live.ok("finish")
    again = live.homeport("move", "--dir", live.dir, source=live.source, target=live.target)
    assert again.rc == 0 and "This move is finished already" in again.out, str(again)
    assert live.status()["phase"] == "finished" and lives.traces(live.source) == [] == lives.traces(live.target)


def test_bad_input_who_asks_the_mover_for_what_it_does_not_know_is_told_so(move):
    live = move()
    for request, said in (({"verb": "dance"}, 'the mover does not know "dance"'), ({"verb": "resync"}, "no table is named")):
        answer = live.ask(request)
        assert answer["ok"] is False and answer["error"]["code"] == "usage" and answer["error"]["message"] == said, answer
    assert live.status()["phase"] == "caught-up" and live.mover.running


def test_status_answers_while_rows_are_compared_and_what_else_is_asked_comes_later(move):
    live = move()
    with contextlib.closing(live.target.connect(autocommit=False)) as hold:
        hold.cursor().execute("LOCK TABLE scratch IN ACCESS EXCLUSIVE MODE")

        def ask(command, *args):
            return live.homeport.start(command, "--dir", live.dir, "--json", *args, source=live.source,
                                       target=live.target)
        verify = ask("verify")
        verify.wait_for(lambda: live.status()["verifying"], 20, "rows are being compared")
        cutover = ask("cutover", "--rehearse")
        for _ in range(10):
            began = time.monotonic()
            status = live.status()
            assert time.monotonic() - began < 2, status
            assert status["phase"] == "caught-up" and status["receiving"] is True, status
        assert verify.running and cutover.running
        hold.rollback()
        found, rehearsed = verify.wait(60), cutover.wait(60)
    assert found.rc == 0 and found.json["verified"] is True, str(found)
    assert rehearsed.rc == 0 and rehearsed.json["rehearsed"] is True, str(rehearsed)


def test_rule_31_the_way_backs_slot_waits_only_so_long_and_says_for_whom(move):
    """A slot waits for every transaction that its server has open: a forgotten one must not hold the
    cutover up in silence."""
    live = move()
    live.target.server.sql("CREATE DATABASE beside")
    with contextlib.closing(live.target.server.connect("beside", autocommit=False,
                                                       application_name="forgotten")) as hold:
        hold.cursor().execute("CREATE TABLE x ()")
        began = time.monotonic()
        refused = live.run("cutover")
        assert time.monotonic() - began < 40
        assert refused.rc == 1 and "forgotten" in refused.err and "transactions to end" in refused.err, str(refused)
        assert live.status()["phase"] == "caught-up"
        live.source.sql("UPDATE account SET balance = balance")
        assert lives.slots(live.target) == []
    live.ok("cutover")


def test_cutover_says_at_which_step_it_is(move):
    live = move()
    result = live.run("cutover")
    assert result.rc == 0, str(result)
    steps = [line.strip("✓ ").rsplit("  ", 1)[0].strip() for line in result.err.splitlines() if line.startswith("✓")]
    assert steps[0] == "wait until the other side has everything"
    assert [step.split()[0] for step in steps[-4:]] == ["fence", "apply", "compare", "let"], steps


def paused(live, command, *args):
    """A switch that waits in its first hook, and what lets it go on."""
    begun, go_on = live.homeport.cwd / "begun", live.homeport.cwd / "go-on"
    run = live.homeport.start(command, "--dir", live.dir, "--json", "--on-pause",
                              f"touch {begun}; while ! test -e {go_on}; do :; done", *args, source=live.source,
                              target=live.target, env=live.env)
    run.wait_for(begun.exists, 30, "the switch has begun")
    return run, go_on.touch


def test_rule_32_deadline_holds_where_a_dump_inside_the_pause_takes_long(homeport, pair, taken_down, pg_bin, tmp_path):
    real, slow, programs = pg_bin(17), tmp_path / "slow", tmp_path / "bin"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (programs / name).write_text(f'#!/bin/sh\ntest "$1" = --version || while test -e {slow}; do :; done\nexec {real}/{name} "$@"\n')
        (programs / name).chmod(0o755)
    source, target = pair(15, 17)
    source.sql("CREATE TABLE t (id int PRIMARY KEY, n int)")
    live, _ = taken_down(Live(homeport, source, target, "--pg-bin", programs), None)
    live.start()
    live.caught_up()
    change = "CREATE VIEW v AS SELECT id, n FROM t WHERE n > 1"
    run, go_on = paused(live, "cutover", "--max-pause", "3s")
    live.source.sql(change)
    live.target.script(f"BEGIN READ WRITE; {change}; COMMIT")
    slow.touch()
    go_on()
    refused = run.wait(30)
    assert refused.rc == 1 and "pg_dump did not end within" in refused.err, str(refused)
    live.source.sql("INSERT INTO t VALUES (1, 1)")
    slow.unlink()
    live.ok("cutover")
    assert live.target.value("SELECT count(*) FROM t") == 1


@pytest.mark.parametrize("step", ("drain", "compare"))
def test_rule_32_request_to_stop_ends_what_waits_inside_the_pause_and_undoes(homeport, pair, taken_down, proxy, step):
    source, target = pair(15, 15)
    way = proxy(target.server)
    source.sql("CREATE TABLE t (id int PRIMARY KEY, n int)")
    live, _ = taken_down(Live(homeport, source, target, env={"HOMEPORT_TARGET_URL": way.url(target)}), None)
    live.start()
    live.caught_up()
    run, go_on = paused(live, "cutover", "--max-pause", "60s")
    with contextlib.closing(target.connect(autocommit=False, application_name="homeport test")) as hold:
        if step == "drain":
            hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            source.sql("INSERT INTO t VALUES (1, 1)")
        else:
            way.hold_at("work_mem = '64MB'")  # of who compares
        go_on()
        wait.until(lambda: not accepts(source), 10, "the source is fenced")
        wait.until(lambda: run.err.count("✓") >= (4 if step == "drain" else 5), 10, f"the {step} is held")
        asked = time.monotonic()
        os.kill(live.mover.pid, signal.SIGTERM)
        wait.until(lambda: accepts(source), 10, "writers go on at the source")
        refused = run.wait(30)
        assert live.mover.wait(30).rc == 0
        assert time.monotonic() - asked < 10
    error = refused.json["error"]
    assert refused.rc == 1 and error["code"] == "cancelled" and "Everything was undone" in error["hint"], str(refused)
    way.release()
    live.start()
    live.caught_up()
    live.applied_past(source)
    assert target.sql("SELECT count(*) FROM t") == source.sql("SELECT count(*) FROM t")


@pytest.mark.parametrize("what, max_pause, said", (("waiting for a server", "800ms", "0.8 s"), ("draining", "3s", "3 s")))
def test_rule_32_what_takes_too_long_is_named_with_the_time_that_it_had(homeport, pair, taken_down, proxy, what, max_pause, said):
    source, target = pair(15, 15)
    way = proxy(target.server)
    source.sql("CREATE TABLE t (id serial PRIMARY KEY, n int)")
    live, _ = taken_down(Live(homeport, source, target, env={"HOMEPORT_TARGET_URL": way.url(target)}), None)
    live.start()
    live.caught_up()
    with contextlib.closing(target.connect(autocommit=False, application_name="homeport test")) as hold:
        if what == "draining":
            run, go_on = paused(live, "cutover", "--max-pause", max_pause)
            hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
            source.sql("INSERT INTO t (n) VALUES (1)")
            go_on()
            refused = run.wait(30)
        else:
            way.silence_at("setval")
            refused = live.run("cutover", "--max-pause", max_pause)
    error = refused.json["error"]
    assert refused.rc == 1 and f"{what} took longer than --max-pause allows ({said})" in error["message"], str(refused)
    assert "give more time" in error["hint"] and "Everything was undone" in error["hint"] and accepts(source), str(refused)
    way.silence(False)
    wait.until(lambda: live.run("cutover").rc == 0, 60, "the cutover is made")


@contextlib.contextmanager
def in_the_way(database, *tables):
    """A writer that neither idles nor can be ended."""
    name = f"in the way of {database.name}"
    database.script(f"BEGIN READ WRITE; LOCK TABLE {', '.join(tables)} IN ROW EXCLUSIVE MODE; PREPARE TRANSACTION '{name}'")
    try:
        yield
    finally:
        database.sql(f"ROLLBACK PREPARED '{name}'")


def arming(database):
    return database.server.sql(
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock' AND query LIKE '%%ENABLE ALWAYS%%'",
        (database.name,))


def test_rule_32_what_a_stop_leaves_waiting_for_a_lock_fences_nothing_afterwards(homeport, pair, taken_down, proxy):
    """All tables are armed in one go, and their server does not see that nobody is there any more: the
    statements that are left would get their locks when everything has been undone."""
    source, target = pair(15, 15)
    way = proxy(source.server)
    tables = ["t", *(f"t{i}" for i in range(60))]
    source.script("".join(f"CREATE TABLE {table} (id int PRIMARY KEY, n int);" for table in tables))
    live, _ = taken_down(Live(homeport, source, target, env={"HOMEPORT_SOURCE_URL": way.url(source)}), None)
    live.start()
    live.caught_up()
    run, go_on = paused(live, "cutover", "--max-pause", "60s")
    with in_the_way(source, *tables):
        go_on()
        wait.until(lambda: arming(source), 10, "a table's lock is waited for")
        way.keep()
        os.kill(live.mover.pid, signal.SIGTERM)
        refused = run.wait(30)
        assert refused.rc == 1 and "Everything was undone" in refused.err, str(refused)
    wait.until(lambda: not source.server.sql(
        "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND application_name LIKE 'homeport mover%%'"
        " AND state = 'active'", (source.name,)), 10, "no statement of the mover's is left")
    way.release()
    assert source.sql("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'homeport_fence' AND tgenabled <> 'D'") == []
    assert accepts(source)
    assert live.mover.wait(30).rc == 0


@pytest.mark.parametrize("stop", (False, True))
def test_rule_32_rehearsal_that_fails_tries_for_moments_only_to_take_its_triggers_away(homeport, pair, taken_down, stop):
    """It asks for the tables' locks, and writers wait behind it."""
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY, n int)")
    live, _ = taken_down(Live(homeport, source, target), None)
    live.start()
    live.caught_up()
    run, go_on = paused(live, "cutover", "--rehearse", "--max-pause", "60s" if stop else "3s")
    with in_the_way(source, "t"):
        go_on()
        wait.until(lambda: arming(source), 10, "the table's lock is waited for")
        if stop:
            os.kill(live.mover.pid, signal.SIGTERM)
        refused = run.wait(20)
        assert refused.rc == 1 and "Everything was undone" in refused.err, str(refused)
    assert refused.json["error"]["code"] == ("cancelled" if stop else "state")
    said = [line for line in live.mover.err.splitlines() if "triggers, which are disabled, could not be removed" in line]
    assert len(said) == 1 and ("SIGTERM" if stop else "the fence could not be removed in time") in said[0], said
    assert accepts(source)
    if stop:
        assert live.mover.wait(30).rc == 0
    live.ok("abort")
    assert lives.traces(source) == []


def accepts(side):
    with contextlib.suppress(psycopg2.Error):
        side.sql("UPDATE t SET n = n + 1")
        return True


@pytest.mark.parametrize("moment", ("setval", "homeport verify", "begin of feed"))
def test_rule_32_deadline_holds_where_the_other_side_goes_silent(move, proxy, moment):
    """Packets are dropped from some step of the pause on: no error ever comes by itself."""
    held = []

    def through(live):
        held.append(proxy(live.source.server))
        return {"HOMEPORT_SOURCE_URL": held[0].url(live.source)}
    live = move(through)
    live.ok("cutover")
    live.target.sql("INSERT INTO transfer (token, sender, receiver, amount) VALUES ('at home', 1, 2, 3)")
    run, go_on = paused(live, "rollback", "--max-pause", "3s")
    held[0].silence_at(moment)
    go_on()

    def accepts():
        with contextlib.suppress(psycopg2.Error):
            live.target.sql("UPDATE account SET balance = balance")
            return True
    wait.until(lambda: not accepts(), 30, "home is fenced")
    began = time.monotonic()
    wait.until(accepts, 30, "writers go on at home")
    assert time.monotonic() - began < 10
    refused = run.wait(60)
    assert refused.rc == 1 and "Everything was undone" in refused.err, str(refused)
    assert "--max-pause" in refused.err or "source: connect" in refused.err and "timeout" in refused.err, str(refused)
    held[0].silence(False)
    wait.until(lambda: live.status()["phase"] == "home" and live.status()["applying"], 60, "the way back flows again")
    wait.until(lambda: live.run("rollback").rc == 0, 60, "the rollback is made")
    assert live.source.value("SELECT amount FROM transfer WHERE token = 'at home'") == 3


def test_a_second_mover_in_the_background_is_told_of_the_first(homeport, pair, taken_down):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    live, _ = taken_down(Live(homeport, source, target), None)
    live.start()
    live.caught_up()
    for _ in range(3):
        result = live.run("move", "--detach")
        assert result.rc == 1, str(result)
        assert f"a mover is at work in \"{live.dir}\" already (process {live.mover.pid})" in result.err
        assert "the mover has ended" not in result.err
        assert "`homeport status`" in result.err and "`homeport move --stop`" in result.err
    assert live.status()["pid"] == live.mover.pid


def test_two_commands_that_find_no_mover_are_both_answered(move):
    """As after a reboot, where a job and its owner come at once: one of them starts it."""
    live = move()
    live.stop()
    runs = [live.homeport.start("verify", "--json", "--dir", live.dir, source=live.source, target=live.target)
            for _ in range(2)]
    try:
        for run in runs:
            result = run.wait(60)
            assert result.rc == 0 and result.json["verified"], str(result)
    finally:
        live.ok("move", "--stop")


def test_of_two_movers_in_the_background_one_begins(homeport, pair):
    """At the same moment: both find the folder free."""
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    live = Live(homeport, source, target)
    arguments = ("move", "--detach", "--json", "--dir", live.dir)
    runs = [homeport.start(*arguments, source=source, target=target) for _ in range(2)]
    try:
        first, second = sorted((run.wait(60) for run in runs), key=lambda result: result.rc)
        assert (first.rc, second.rc) == (0, 1), f"{first} {second}"
        pid = first.json["pid"]
        assert f"already (process {pid})" in second.err, str(second)
        live.wait_for("caught-up")
        assert live.status()["pid"] == pid
    finally:
        live.ok("move", "--stop")


def test_a_mover_in_the_background_that_ends_at_once_says_why(homeport, servers):
    source, target = (servers.new(15).create_db() for _ in range(2))
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    target.server.stop("immediate")
    result = homeport("move", "--detach", source=source, target=target)
    assert result.rc == 1 and "the mover has ended: target: connection to server" in result.err, str(result)
    assert "Nothing listens there" in result.err
