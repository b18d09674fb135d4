"""A move that is killed at any moment: before the next run the target is called incomplete, after it
everything is exact (rule 6)."""

import contextlib
import os
import random
import signal
import time

import pytest

import moving
import wait
from moving import BEFORE_MARKS_GO, IN_COPY, Move, held, shop

ROUNDS = int(os.environ.get("HOMEPORT_TORTURE_ROUNDS", "3"))
MEASURED = {}  # how long a run takes here and now; asked once, not for each round


@pytest.fixture
def shops(pair):
    source, target = pair(15, 15)
    shop(source, target)
    return source, target


def test_rule_6_killed_at_every_step_in_turn_then_exact(homeport, shops, pg_bin, tmp_path):
    """One move, killed at each step: what a run finds is what all the runs before it left."""
    move = Move(homeport, *shops, verify=True)
    for name, hold in moving.steps(move, pg_bin, tmp_path):
        with hold() as run:
            run.kill()
        status = move.check_incomplete()
        assert status["phase"] == {"dump": "planned", "schema": "schema", "marks": "finishing"}.get(name, "copying"), name
        wait.until(lambda: not moving.processes(str(move.dir)), 5, f"programs gone after kill in {name}")
        move.check_no_session()
    # All was there before the last kill.
    result = move.ok()
    assert result.json["already_done"] is True
    move.check_exact()


@pytest.mark.parametrize("step", ("dump", "schema", "copy", "indexes", "finish", "verify"))
def test_rule_6_killed_once_then_exact(homeport, shops, pg_bin, tmp_path, step):
    source, target = shops
    move = Move(homeport, source, target)
    verified = Move(homeport, source, target, verify=True)
    hold = dict(moving.steps(verified if step == "verify" else move, pg_bin, tmp_path))[step]
    with hold() as run:
        run.kill()
    move.check_incomplete()
    # Writers go on meanwhile: the second run has another moment.
    source.sql("INSERT INTO shop.transfer (sender, receiver, amount) VALUES (1, 2, 3)")
    source.sql("DELETE FROM shop.booking WHERE during @> 10")
    result = move.ok()
    assert result.json["resumed"] is (step not in ("dump", ))
    assert ("schema kept" in result.err) is (step not in ("dump", "schema"))
    move.check_exact()


def test_killed_between_the_schema_and_its_record(homeport, shops):
    move = Move(homeport, *shops)
    with contextlib.ExitStack() as stack:
        with moving.held_in_schema(move.start, move.target) as run:
            stack.enter_context(moving.locked_state(move))
        run.wait_for(lambda: move.target.value("SELECT schema_done FROM homeport.move"), what="schema committed")
        run.kill()
    assert move.check_incomplete()["phase"] == "schema"
    move.ok()
    move.check_exact()


def test_killed_between_the_marks_and_the_record_finished(homeport, shops):
    """All is there and no mark tells: the state must, and check must not call the target occupied."""
    move = Move(homeport, *shops)
    with contextlib.ExitStack() as stack:
        with held(move.start, move.target, BEFORE_MARKS_GO) as run:
            stack.enter_context(moving.locked_state(move))
        run.wait_for(lambda: move.target.value("SELECT to_regclass('homeport.move') IS NULL"), what="marks gone")
        run.kill()
    assert move.check_incomplete()["phase"] == "finishing"
    result = move.ok()
    assert result.json["already_done"] is True
    move.check_exact()


def test_killed_run_leaves_nothing_that_commits_later(homeport, shops):
    """The commit of a killed run that still waits for a lock would come after the next run began."""
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
        second = move.start()
        # It gets rid of the first one's sessions although these wait for a lock, then waits itself.
        second.wait_for(lambda: target.server.value(
            "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name LIKE 'homeport copy%%'"
            " AND wait_event_type = 'Lock'"), what="the second run held alone")
    assert second.wait().rc == 0
    move.check_exact()


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_rule_6_killed_at_random_moments_then_exact(homeport, pair, seed):
    """Three kills, then a run to the end. HOMEPORT_TORTURE_ROUNDS sets how many rounds."""
    source, target = pair(15, 15)
    shop(source, target, accounts=300, transfers=20000)
    rng = random.Random(seed)
    move = Move(homeport, source, target, "--jobs", str(rng.randint(1, 4)), "--split-bytes", "400kB",
                verify=rng.random() < 0.5)
    if "seconds" not in MEASURED:
        began = time.monotonic()
        Move(homeport, source, target.server.create_db(), *move.args, name="measured").ok()
        MEASURED["seconds"] = time.monotonic() - began
    for _ in range(3):
        run = move.start()
        moment = time.monotonic() + rng.random() * MEASURED["seconds"]
        wait.until(lambda: time.monotonic() >= moment or not run.running, 60, "the moment")
        if run.running:
            run.kill()
        if move.status()["complete"]:
            break
        move.check_incomplete()
        source.sql("UPDATE shop.account SET balance = balance + 1 WHERE id % 7 = 0")
        source.sql("SELECT lo_put(7001, 0, 'other'), nextval('shop.number')")
        source.sql("REFRESH MATERIALIZED VIEW shop.total")
    else:
        move.ok()
    move.check_exact()
