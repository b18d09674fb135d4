"""Connections that break, servers that stop and come back under a move (rules 5 and 6)."""

import os
import random
import signal

import pytest

import moving
import wait
from moving import IN_COPY, IN_FINISH, IN_INDEXES, IN_VERIFY, Move, error_of, held, shop

ROUNDS = int(os.environ.get("HOMEPORT_TORTURE_ROUNDS", "3"))
SAME_SNAPSHOT = "under the same snapshot"
NEW_SNAPSHOT = "rows start again under a new one"
LATER = "INSERT INTO shop.branch VALUES (9999, NULL)"


@pytest.fixture
def shops(pair):
    source, target = pair(15, 15)
    shop(source, target)
    return source, target


def terminate(database, role):
    """Ends homeport's connections of this kind, as a restart of something between would."""
    ended = database.server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE %s AND datname = %s",
        (f"homeport {role}", database.name))
    assert ended, f"no connection of {role}"


def copied(result):
    """How often each part of a table was finished, by the log."""
    found = {}
    for line in result.err.splitlines():
        if '"part copied"' in line:
            name = line.split("table=")[1].split(" rows=")[0]
            found[name] = found.get(name, 0) + 1
    return found


# -- broken connections

@pytest.mark.tsan
@pytest.mark.parametrize("place", (IN_COPY, IN_INDEXES), ids=("copy", "indexes"))
@pytest.mark.parametrize("side", ("source", "target"))
def test_rule_6_a_worker_whose_connection_breaks_goes_on_under_the_same_snapshot(homeport, shops, side, place):
    source, target = shops
    before = source.contents()
    move = Move(homeport, source, target, "--verbose", "--jobs", "1")
    with held(move.start, target, place) as run:
        source.sql(LATER)
        terminate({"source": source, "target": target}[side], "copy %")
    result = run.wait()
    assert result.rc == 0, str(result)
    assert NEW_SNAPSHOT not in result.err
    assert side == "source" and place == IN_INDEXES or SAME_SNAPSHOT in result.err
    # What was finished was not done twice.
    assert max(copied(result).values()) == 1
    assert target.contents() == before


def test_rule_6_a_snapshot_that_is_lost_while_pg_dump_reads_is_taken_anew(homeport, shops, pg_bin, tmp_path):
    """What pg_dump says of it is not what failed."""
    source, target = shops
    real, bins = pg_bin(15), tmp_path / "bin"
    bins.mkdir()
    (bins / "pg_restore").symlink_to(real / "pg_restore")
    (bins / "pg_dump").write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] || [ -e "{bins}/done" ] || {{ touch "{bins}/begun"; while ! [ -e "{bins}/done" ]; do sleep 0.05; done;'
        " echo 'pg_dump: error: invalid snapshot identifier' >&2; exit 1; }\n"
        f'exec "{real}/pg_dump" "$@"\n', encoding="utf-8")
    (bins / "pg_dump").chmod(0o755)
    run = Move(homeport, source, target, "--pg-bin", bins).start()
    run.wait_for((bins / "begun").exists, what="pg_dump begun")
    terminate(source, "keeper")
    (bins / "done").touch()
    result = run.wait()
    assert result.rc == 0 and NEW_SNAPSHOT in result.err, str(result)
    assert target.contents() == source.contents()


def test_rule_6_all_connections_to_the_target_break_in_each_step(homeport, shops):
    """Also the main thread's: it goes on with its step."""
    source, target = shops
    before = source.contents()
    for number, places in enumerate(((IN_COPY,), (IN_INDEXES,), (IN_FINISH,), (IN_FINISH, IN_VERIFY))):
        move = Move(homeport, source, target.server.create_db(), name=f"work{number}", verify=True)
        with held(move.start, move.target, *places) as run:
            terminate(move.target, "%")
        result = run.wait()
        assert result.rc == 0, f"{places}\n{result}"
        assert NEW_SNAPSHOT not in result.err
        assert result.json["verified"] is True
        assert move.target.contents() == before
        assert move.status()["complete"]


@pytest.mark.parametrize("place", (IN_COPY, IN_INDEXES, IN_FINISH, IN_VERIFY), ids=("copy", "indexes", "finish", "verify"))
def test_rule_6_the_keeper_lost_starts_the_rows_again_under_a_new_snapshot(homeport, shops, place):
    source, target = shops
    move = Move(homeport, source, target, verify=True)
    with held(move.start, target, *((IN_FINISH, place) if place == IN_VERIFY else (place,))) as run:
        terminate(source, "keeper")
        source.sql(LATER)
    result = run.wait()
    assert result.rc == 0, str(result)
    assert NEW_SNAPSHOT in result.err
    assert "schema kept from the run before" in result.err
    move.check_exact()


def test_rule_3_rows_read_after_the_keeper_was_lost_do_not_count(homeport, shops):
    """Workers read on under the snapshot, but nobody holds the locks: a table that is truncated now
    reads as empty, without an error."""
    source, target = shops
    move = Move(homeport, source, target, "--jobs", "1")
    with held(move.start, target, IN_COPY) as run:
        terminate(source, "keeper")
        # The smallest ones come last: nobody has read them yet.
        source.sql("TRUNCATE shop.branch, shop.booking; INSERT INTO shop.branch VALUES (1, NULL)")
    result = run.wait()
    assert result.rc == 0, str(result)
    assert NEW_SNAPSHOT in result.err
    move.check_exact()


@pytest.mark.parametrize("what", (
    "COMMIT", "finished_part (", 'COPY "shop"', "CREATE INDEX", "ADD CONSTRAINT", "DROP SCHEMA homeport",
    "CREATE SCHEMA IF NOT EXISTS homeport", "setval(", 'ANALYZE "shop"', "REFRESH MATERIALIZED"))
def test_rule_5_an_answer_that_got_lost_is_looked_up(homeport, shops, proxy, what):
    """The target did it and nobody was told: for a COMMIT that is the whole difference. Each message
    of this kind in turn, in its own move."""
    source, target = shops
    before = source.contents()
    for skip in (0, 3, 9) if what == "COMMIT" else (0,):
        target = target.server.create_db()
        relay = proxy(target.server)
        relay.lose_answer_to(what, skip)
        move = Move(homeport, source, target, name=f"work{skip}")
        result = move.run(target=relay.url(target))
        if result.rc != 0:
            # Nothing had begun yet that could be gone on with.
            assert result.rc == 1 and what.startswith("CREATE SCHEMA"), str(result)
            move.check_incomplete()
            move.ok(target=relay.url(target))
        assert target.contents() == before, skip
        assert move.status()["complete"]
        assert target.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'homeport'") == []
        relay.close()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_rule_6_connections_cut_at_random_then_exact(homeport, shops, proxy, seed):
    """Any connection to either side, after any number of bytes, several times in a run."""
    source, target = shops
    rng = random.Random(seed)
    relays = {side: proxy(side.server) for side in (source, target)}
    urls = {"source": relays[source].url(source), "target": relays[target].url(target)}
    move = Move(homeport, source, target, "--split-bytes", "200kB", "--jobs", str(rng.randint(1, 4)), verify=seed % 2 == 0)
    for _ in range(3):
        run = move.start(**urls)
        while run.running:
            for relay in relays.values():
                if rng.random() < 0.5:
                    relay.cut_after(int(10 ** rng.uniform(2, 5.5)))
            wait_shortly(run, rng)
        result = run.wait()
        if result.rc == 0:
            break
        # 3 where the connection of the schema's comparison was cut, when all rows were found equal.
        assert result.rc == 1 or "the schema could not be compared" in error_of(result)["message"], str(result)
        move.check_incomplete()
        source.sql(f"INSERT INTO shop.branch VALUES ({rng.randint(10000, 10**6)}, NULL)")
    else:
        for relay in relays.values():
            relay.cut_after(10**12)
        result = move.run(**urls)
        assert result.rc == 0, str(result)
    move.check_exact()


def wait_shortly(run, rng):
    """Some moments of a run, or its end."""
    turns = rng.randint(1, 10)

    def is_over():
        nonlocal turns
        turns -= 1
        return turns < 0 or not run.running
    wait.until(is_over, 30, "some moments")


# -- servers that stop

@pytest.fixture
def own_shops(servers):
    """On servers that may be stopped."""
    source, target = (servers.new(15).create_db() for _ in range(2))
    shop(source, target)
    return source, target


def check_comes_back(homeport, own_shops, side, mode, places):
    source, target = own_shops
    server = {"source": source, "target": target}[side].server
    move = Move(homeport, source, target, verify=True)
    with held(move.start, target, *places) as run:
        server.kill() if mode == "power" else server.stop(mode)
        server.start()
    result = run.wait()
    assert result.rc == 0, str(result)
    return move, result


@pytest.mark.parametrize("places", ((IN_COPY,), (IN_FINISH, IN_VERIFY)), ids=("copy", "verify"))
def test_rule_6_target_restarted_in_order_costs_no_row_and_no_snapshot(homeport, own_shops, places):
    move, result = check_comes_back(homeport, own_shops, "target", "fast", places)
    assert NEW_SNAPSHOT not in result.err
    move.check_exact()


@pytest.mark.parametrize("places, mode", (
    ((IN_COPY,), "immediate"), ((IN_INDEXES,), "power"), ((IN_FINISH, IN_VERIFY), "immediate"),
), ids=("copy", "indexes", "verify"))
def test_rule_6_target_that_crashed_gets_all_rows_again(homeport, own_shops, places, mode):
    """It has lost commits that did not wait for its disk, and every row of unlogged tables."""
    move, result = check_comes_back(homeport, own_shops, "target", mode, places)
    assert NEW_SNAPSHOT in result.err
    assert move.target.value("SELECT count(*) FROM shop.session") == 400
    move.check_exact()


def test_rule_6_crash_of_one_backend_of_the_target_is_a_crash(homeport, own_shops):
    """The postmaster lives on, and still all sessions are gone and unlogged tables empty."""
    source, target = own_shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_INDEXES) as run:
        (pid,) = target.server.sql(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'homeport copy%' ORDER BY pid LIMIT 1")[0]
        os.kill(pid, signal.SIGKILL)
    result = run.wait()
    assert result.rc == 0, str(result)
    assert NEW_SNAPSHOT in result.err
    move.check_exact()


@pytest.mark.parametrize("places, mode", (((IN_COPY,), "immediate"), ((IN_FINISH, IN_VERIFY), "fast")), ids=("copy", "verify"))
def test_rule_6_source_that_stopped_has_no_snapshot_any_more(homeport, own_shops, places, mode):
    move, result = check_comes_back(homeport, own_shops, "source", mode, places)
    assert NEW_SNAPSHOT in result.err
    if mode == "immediate":  # an unlogged table is empty after that, on the source as well
        assert move.source.value("SELECT count(*) FROM shop.session") == 0
    move.check_exact()


@pytest.mark.parametrize("side", ("source", "target"))
def test_rule_6_a_server_that_stopped_in_the_schema_step(homeport, own_shops, side):
    source, target = own_shops
    server = {"source": source, "target": target}[side].server
    move = Move(homeport, source, target)
    with moving.held_in_schema(move.start, target) as run:
        server.stop("immediate")
        server.start()
    result = run.wait()
    assert result.rc == 0, str(result)
    move.check_exact()


def test_rule_6_target_crashes_right_after_the_schema(homeport, own_shops):
    """What the state says is there must be there: the schema's commit waits for the disk."""
    source, target = own_shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
    target.server.kill()
    target.server.start()
    move.check_incomplete()
    result = move.ok()
    assert "schema kept" in result.err
    move.check_exact()
