"""kill -9 between any two durable steps of a switch, one after the other: whatever the step, the next mover
undoes the switch or brings it to its end, and not a write is lost."""

import os
import random
import subprocess

import psycopg2
import pytest

import server as postgres
import wait
from ledger import TABLES, Ledger
from live import Live, traces

pytestmark = [pytest.mark.plain, pytest.mark.timeout(900)]

CRASHES = int(os.environ.get("HOMEPORT_CRASHES", "24"))  # spread over the steps; 0: at every one
SEED = int(os.environ.get("HOMEPORT_SEED", random.SystemRandom().randrange(1_000_000)))  # which of them
SETTLED = {"caught-up": "source", "away": "source", "home": "target"}


class Crashing:
    def __init__(self, homeport, live, ledger):
        self.live = live
        self.ledger = ledger
        self.order = homeport.cwd / "die-at"
        library = homeport.binary.parent / "tests/tools/libdie_at.so"
        self.env = {"LD_PRELOAD": library, "DIE_AT": self.order}

    def start(self):
        """The mover alone is to die, not the commands that ask it."""
        self.live.env = self.env
        self.live.start()
        self.live.env = None

    def settle(self):
        def settled():
            assert self.live.mover.running, f"the mover ended: {self.live.mover.wait()}"
            status = self.live.status()
            return status["phase"] in SETTLED and status["receiving"] and status["applying"] and status["phase"]
        phase = wait.until(settled, 60, "the move goes on")
        self.ledger.side = getattr(self.live, SETTLED[phase])
        before = self.ledger.written()
        wait.until(lambda: self.ledger.written() >= before + 20, 60, f"writers go on in phase {phase}")
        return phase

    def switch(self, phase, at):
        """Its step `at` is its last; false: it has fewer."""
        self.order.write_text(str(at))
        result = self.live.run("rollback" if phase == "home" else "cutover")
        self.order.unlink()
        if result.rc == 0:
            return False
        wait.until(lambda: not self.live.mover.running, 10, "the mover is dead")
        assert self.live.mover.wait().rc == -9, str(self.live.mover.wait())
        accepting = [name for name in ("source", "target") if accepts(getattr(self.live, name))]
        assert len(accepting) <= 1, f"both sides accept writes after a crash at step {at}"
        return True

    def steps(self):
        """Of one switch; which is made."""
        self.order.write_text("0")
        self.live.ok("cutover")
        self.order.unlink()
        return int(self.order.with_suffix(".count").read_text())


def accepts(side):
    """A write that is taken back."""
    try:
        conn = side.connect(autocommit=False)
    except psycopg2.Error:
        return False
    try:
        cursor = conn.cursor()
        cursor.execute("BEGIN READ WRITE")
        cursor.execute("DELETE FROM account WHERE false")
        return True
    except psycopg2.Error:
        return False
    finally:
        conn.close()


def test_rule_32_killed_at_any_step_of_a_switch_it_is_undone_or_concluded(homeport, pair, taken_down):
    print(f"HOMEPORT_SEED={SEED} repeats this")
    source, target = pair(15, 15)
    live, ledger = taken_down(Live(homeport, source, target), Ledger(source, writers=2, seed=SEED))
    crashing = Crashing(homeport, live, ledger)
    with ledger:
        crashing.start()
        phase = crashing.settle()
        steps = crashing.steps()
        assert steps > 60, "these are not all of them"
        stride = max(1, steps // CRASHES) if CRASHES else 1
        died = set()
        for at in range(1 + random.Random(SEED).randrange(stride), steps + 1, stride):
            phase = crashing.settle()
            if crashing.switch(phase, at):
                died.add(at)
                crashing.start()
        phase = crashing.settle()
    assert len(died) > steps // stride // 2, f"died at {sorted(died)} of {steps}"
    ledger.stop()
    here, there = (source, target) if phase != "home" else (target, source)
    ledger.check(here)
    live.applied_past(here)
    ledger.check(here, there)


def killed_again_and_again(live, command, library, order, stride):
    """Each run is killed `stride` steps later than the one before, until one is through; at how many steps each died."""
    live.env = {"LD_PRELOAD": library, "DIE_AT": order}
    died = []
    at = stride
    while True:
        order.write_text(str(at))
        result = live.run(command)
        if result.rc == 0:
            break
        assert result.rc == -9, str(result)
        died.append(at)
        at += stride
    order.unlink()
    live.env = None
    return died


@pytest.mark.parametrize("command", ("abort", "finish"))
def test_rule_33_killed_at_any_step_of_its_end_a_move_is_ended_by_the_next_try(homeport, pair, taken_down, command):
    live, _ledger = taken_down(Live(homeport, *pair(15, 15)), None)
    live.source.script(TABLES)
    live.start()
    live.caught_up()
    if command == "finish":
        live.ok("cutover")
    live.stop()
    died = killed_again_and_again(live, command, homeport.binary.parent / "tests/tools/libdie_at.so",
                                  homeport.cwd / "die-at", 7)
    assert len(died) > 5, f"these are not all of them: {died}"
    assert live.status()["phase"] == {"abort": "aborted", "finish": "finished"}[command]
    assert traces(live.source) == [] == traces(live.target)
    assert (live.target.tables() == []) == (command == "abort")
    assert accepts(live.source)


def lifted_by_hand(live, side):
    """`status` says what is fenced, first, and its SQL opens the side to everybody."""
    said = live.homeport("status", "--dir", live.dir)
    assert said.rc == 0 and live.status()["fence_lift_sql"] in said.out, str(said)
    done = subprocess.run([postgres.PSQL, "-Xq", "-v", "ON_ERROR_STOP=1", side.url],
                          input=live.status()["fence_lift_sql"], text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    side.sql("INSERT INTO scratch VALUES ('by hand'); DELETE FROM scratch WHERE id = 'by hand'")
    return said.out.splitlines()[0]


def test_rule_29_status_says_what_a_dead_mover_left_fenced_and_how_to_lift_it(homeport, pair, taken_down):
    live, _ledger = taken_down(Live(homeport, *pair(15, 15)), None)
    live.source.script(TABLES)
    live.start()
    live.caught_up()
    assert live.status()["fenced"] is None and live.status()["fence_lift_sql"] is None
    killed = live.homeport.cwd / "killed"
    live.run("cutover", "--on-switch", f"test -e {killed} || {{ touch {killed}; kill -9 $PPID; }}")
    wait.until(lambda: not live.mover.running, 10, "the mover is dead")
    assert not accepts(live.source) and not accepts(live.target)
    assert live.status()["fenced"] == "both"
    assert "INTERRUPTED" in lifted_by_hand(live, live.source) and not accepts(live.target)
    live.start()
    live.caught_up()
    live.ok("cutover")
    live.kill()
    assert not accepts(live.source) and live.status()["fenced"] == "source"
    assert lifted_by_hand(live, live.source) == "The source is fenced: the app writes at home."
