"""A move that is asked to stop: it ends at once whatever it waits for, and nobody is left at work."""

import itertools
import signal
import time

import pytest

import moving
import wait
from moving import IN_COPY, Move, held, shop

AT_ONCE = 3  # seconds; without load it is a tenth of that


@pytest.fixture
def shops(pair):
    source, target = pair(15, 15)
    shop(source, target)
    return source, target


def check_stops(move, run, number):
    began = time.monotonic()
    run.signal(number)
    result = run.wait(30)
    assert time.monotonic() - began < AT_ONCE, str(result)
    assert result.rc == 1, str(result)
    error = moving.error_of(result)
    assert error["code"] == "cancelled"
    assert {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[number] in error["message"]
    assert error["hint"] == "Run it again; `homeport status` says where it stands."
    wait.until(lambda: not moving.processes(str(move.dir)), 5, "programs gone")
    move.check_no_session(AT_ONCE)


@pytest.mark.tsan
def test_stopped_at_every_step_in_turn_then_exact(homeport, shops, pg_bin, tmp_path):
    """Whoever waits at that step, the main thread or a worker or pg_dump, is woken."""
    move = Move(homeport, *shops, verify=True)
    numbers = itertools.cycle((signal.SIGINT, signal.SIGTERM))
    for _, hold in moving.steps(move, pg_bin, tmp_path):
        with hold() as run:
            check_stops(move, run, next(numbers))
        move.check_incomplete()
    move.ok()
    move.check_exact()


def test_stopped_while_the_keeper_waits_for_a_lock(homeport, shops):
    source, _ = shops
    move = Move(homeport, *shops)
    with moving.transaction(source, "LOCK TABLE shop.account IN ACCESS EXCLUSIVE MODE") as holder:
        run = move.start()
        run.wait_for(lambda: moving.is_waiting(source, holder), what="keeper waits")
        check_stops(move, run, signal.SIGINT)
    assert move.check_incomplete()["phase"] == "planned"


@pytest.mark.parametrize("command", ("abort", "finish"))
def test_what_ends_a_live_move_does_not_stop_one_that_ends_by_itself(homeport, shops, command):
    source, target = shops
    move = Move(homeport, *shops)

    def refused(hint, running=False):
        result = homeport(command, "--json", "--dir", move.dir, source=source, target=target)
        error = moving.error_of(result)
        assert run.running is running, str(run.wait(10))
        assert result.rc == 1 and "--once" in error["message"] and hint in error["hint"], str(result)
    with moving.transaction(source, "LOCK TABLE shop.account IN ACCESS EXCLUSIVE MODE") as holder:
        run = move.start()
        run.wait_for(lambda: moving.is_waiting(source, holder), what="keeper waits")
        refused("`homeport move --once`", running=True)
    assert run.wait(60).rc == 0
    refused("is over")
    move.check_exact()


@pytest.mark.parametrize("side", ("source", "target"))
def test_stopped_while_a_server_does_not_answer(homeport, servers, side):
    """No FIN, no answer, no error: the process must not wait for a server that is frozen."""
    source, target = (servers.new(15).create_db() for _ in range(2))
    shop(source, target)
    move = Move(homeport, source, target)
    frozen = {"source": source, "target": target}[side].server
    with held(move.start, target, IN_COPY) as run:
        frozen.freeze()
        try:
            began = time.monotonic()
            run.signal(signal.SIGTERM)
            result = run.wait(30)
            assert time.monotonic() - began < AT_ONCE, str(result)
            assert result.rc == 1, str(result)
        finally:
            frozen.thaw()
    move.check_no_session()
    move.ok()
    move.check_exact()


def test_stopped_twice_ends_without_any_more_ado(homeport, shops, pg_bin, tmp_path):
    move = Move(homeport, *shops)
    with moving.held_in_dump(move.start, tmp_path / "bin", pg_bin(15)) as run:
        run.signal(signal.SIGINT)
        run.signal(signal.SIGINT)
        assert run.wait(10).rc in (1, 128 + signal.SIGINT)
    wait.until(lambda: not moving.processes(str(move.dir)), 5, "programs gone")
    move.ok()
    move.check_exact()


def test_one_worker_fails_and_all_stop(homeport, shops):
    """An index that cannot be built there: the other workers, who wait for ever, are not waited for."""
    source, target = shops
    source.sql("CREATE FUNCTION shop.fussy(integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS"
               " $$BEGIN IF current_setting('port') = %s THEN RAISE 'not here' USING ERRCODE = '22023'; END IF;"
               " RETURN 1; END$$", (str(target.server.port),))
    source.sql("CREATE INDEX fussy ON shop.branch (shop.fussy(id))")
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        result = run.wait(30)
        assert result.rc == 1
        error = moving.error_of(result)
        assert error["sqlstate"] == "22023"
        assert "create INDEX shop.fussy: not here" in error["message"]
    assert "not here" in move.check_incomplete()["last_error"]
    move.check_no_session()
    source.sql("SET session_replication_role = replica; DROP INDEX shop.fussy")
    assert "the schema has changed" in move.ok().err
    move.check_exact()
