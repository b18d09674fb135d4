"""What fails anywhere loses nothing: a connection that is lost at a call of libpq, a disk that gives an error at a call
on a file, at one place of the program after the other. Whatever the place, what ran says what failed or gets over it,
and the next try goes on to where everything is equal.

Of the places (faults.py) some are chosen, as far apart as they can be; HOMEPORT_FAULTS=all has each fail.
"""

import pytest

import wait
from faults import Faults, chosen
from ledger import ODD_TABLES, TABLES, Ledger
from live import Live, traces
from moving import Move, shop

pytestmark = pytest.mark.timeout(3600)

CODES = {"io", "connect", "sql", "state", "snapshot", "program", "format", "cancelled"}
SETTLED = {"caught-up": "source", "away": "source", "home": "target"}
OPTIONS = ("--split-bytes", "100kB")


@pytest.fixture
def faults(homeport):
    return Faults(homeport)


@pytest.fixture
def shops(pair):
    source, target = pair(15, 15)
    shop(source, target)
    return source, target


def judge(result, site):
    """It did what was asked (true), or says what failed."""
    about = f"{site}\n{result}"
    assert result.rc in (0, 1, 3), about
    if result.rc != 1:
        return True
    error = result.json["error"] if "--json" in result.argv else {"code": "io", "message": result.err}
    assert error["code"] in CODES and len(error["message"]) > 10, about
    print(site.name, error)  # for who looks at what is said of a failure
    return False


# -- move --once


def test_move_goes_on_wherever_it_failed(homeport, faults, shops):
    """One run after the other, each with its fault, where the one before has left it."""
    source, target = shops
    before = source.contents()
    made = []

    def another():
        made.append(Move(homeport, source, target.server.create_db(), *OPTIONS, name=f"work{len(made)}", verify=True))
        return made[-1]

    move = another()
    faults.record()
    move.ok(env=faults.env)
    sites = faults.sites()
    assert len(sites) > 100, "these are not all of them"

    failed = set()
    move = another()
    for site in chosen(sites, 12):
        for _ in range(2):  # the first goes on behind this place, maybe
            faults.fail(site)
            result = move.run(env=faults.env)
            faults.withdraw()
            done = judge(result, site)
            assert source.contents() == before, f"{site}\n{result}"
            move.check_no_session()
            if done:
                check_arrived(move, result, site)
                move = another()
            if faults.failed():
                failed.add(site)
                break
    check_arrived(move, move.ok(), None)
    assert len(failed) > len(chosen(sites, 12)) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"


def check_arrived(move, result, site):
    assert move.status()["complete"], f"{site}\n{result}"
    if not result.json["verified"]:
        found = move.homeport("verify", "--json", "--dir", move.dir, source=move.source, target=move.target)
        assert found.rc == 0, f"{site}\n{result}\n{found}"
    move.check_exact()


# -- verify


@pytest.mark.parametrize("equal", (True, False), ids=("equal", "different"))
def test_verify_says_nothing_wrong_wherever_it_failed(homeport, faults, shops, equal):
    source, target = shops
    move = Move(homeport, source, target)
    move.ok()
    if not equal:
        target.sql("UPDATE shop.transfer SET amount = amount + 1 WHERE id = 77")
    before = source.contents(), target.contents()

    def verify():
        return homeport("verify", "--json", "--dir", move.dir, source=source, target=target, env=faults.env)

    faults.record()
    assert verify().rc == (0 if equal else 3)
    sites = faults.sites()
    assert len(sites) > 30, "these are not all of them"
    for site in chosen(sites, 5):
        faults.fail(site)
        result = verify()
        faults.withdraw()
        assert faults.failed(), f"not called again: {site}"
        if judge(result, site):
            found = result.json
            assert found["differences"] == (0 if equal else 1), f"{site}\n{result}"
            assert result.rc == 3 or equal and found["schema"]["compared"], f"{site}\n{result}"
        assert (source.contents(), target.contents()) == before, f"{site}\n{result}"
        move.check_no_session()


# -- the live move


class Faulty:
    """A live move whose mover and commands have the fault that is ordered."""

    def __init__(self, live, ledger, faults):
        self.live = live
        self.ledger = ledger
        self.faults = faults
        live.env = faults.env

    def settle(self, site=None):
        """The mover goes on, or has said why not and does when it is started again."""
        live = self.live
        if live.mover is None:
            live.start()

        def settled():
            if not live.mover.running:
                result = live.mover.wait()
                assert not judge(result, site), f"the mover ended without a word: {site}\n{result}"
                live.start()
            status = live.status()
            return status["phase"] in SETTLED and status["receiving"] and status["applying"] and status["phase"]
        phase = wait.until(settled, 60, f"the move goes on after {site}")
        if self.ledger:
            self.ledger.side = getattr(live, SETTLED[phase])
            before = self.ledger.written()
            wait.until(lambda: self.ledger.written() >= before + 10, 60, f"writers go on in phase {phase} after {site}")
        return phase

    def check_kept(self, site):
        """What has been written until now is on the other side, once that one has applied it."""
        here = self.ledger.side
        there = self.live.target if here is self.live.source else self.live.source
        written = {row[0] for row in here.sql("SELECT token FROM transfer")}
        self.live.applied_past(here)
        lost = written - {row[0] for row in there.sql("SELECT token FROM transfer")}
        assert not lost, f"{len(lost)} of {len(written)} writes are lost on the {there.name} after {site}: {sorted(lost)[:5]}"

    def switch(self):
        return self.live.run("rollback" if self.live.status()["phase"] == "home" else "cutover")


FOLLOWED = TABLES + ODD_TABLES + """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('good', 'bad');
CREATE SEQUENCE shop.number START 100;
CREATE TABLE shop.visit (at date, feels shop.mood, n bigint DEFAULT nextval('shop.number'), PRIMARY KEY (at)) PARTITION BY RANGE (at);
CREATE TABLE shop.visit_old PARTITION OF shop.visit FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE shop.visit_new PARTITION OF shop.visit FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO shop.visit SELECT date '2025-06-01' + g, 'good' FROM generate_series(1, 500) AS g;
CREATE INDEX visit_feels ON shop.visit (feels);
CREATE VIEW shop.bad AS SELECT * FROM shop.visit WHERE feels = 'bad';
CREATE FUNCTION shop.nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
CREATE TRIGGER nothing BEFORE INSERT ON account FOR EACH ROW EXECUTE FUNCTION shop.nothing();
INSERT INTO entry SELECT 'token', g FROM generate_series(1, 100) AS g;
"""


def test_live_move_begins_wherever_it_failed(homeport, faults, pair, taken_down):
    """Every mover has its fault; the next goes on where that one ended. One that gets over it is taken back."""
    source, target = pair(15, 15)
    source.script(FOLLOWED)
    live, _ = taken_down(Live(homeport, source, target, *OPTIONS), None)
    faulty = Faulty(live, None, faults)
    before = source.contents()
    faults.record()
    live.start()
    live.caught_up()
    sites = faults.sites()
    assert len(sites) > 150, "these are not all of them"

    def check_begun(site):
        faults.withdraw()
        live.applied_past(source)
        there = target.contents()
        assert {name: there[name] for name in before} == before, str(site)
        live.stop()
        live.ok("abort")
        assert traces(source) == [] == traces(target) and target.tables() == []
        assert source.contents() == before, str(site)

    check_begun(None)
    failed = set()
    for site in chosen(sites, 6):
        faults.fail(site)
        live.start()
        wait.until(lambda: not live.mover.running or live.status()["phase"] == "caught-up", 60, f"an end with {site}")
        if faults.failed():
            failed.add(site)
        if live.mover.running:
            faulty.settle(site)
            check_begun(site)
        else:
            judge(live.mover.wait(), site)
    faults.withdraw()
    live.mover = None
    faulty.settle()
    check_begun(None)
    assert len(failed) > len(chosen(sites, 6)) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"


COMMANDS = {
    "switch": None,
    "verify": ("verify", ),
    "resync": ("move", "--resync", "account"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_live_move_loses_no_write_wherever_it_failed(homeport, faults, pair, taken_down, command):
    """While there are writers: something is asked of it, and it fails."""
    source, target = pair(15, 15)
    live, ledger = taken_down(Live(homeport, source, target), Ledger(source, writers=2, odd=True))
    faulty = Faulty(live, ledger, faults)

    def asked():
        return live.run(*COMMANDS[command]) if COMMANDS[command] else faulty.switch()

    with ledger:
        faulty.settle()
        faults.record()
        for _ in range(2):  # there and back
            result = asked()
            assert result.rc == 0, str(result)
            faulty.settle()
        sites = faults.sites()
        assert len(sites) > 30, "these are not all of them"
        failed = set()
        for site in chosen(sites, 7):
            faults.fail(site)
            judge(asked(), site)
            faulty.settle(site)
            faulty.check_kept(site)
            if faults.failed():
                failed.add(site)
            faults.withdraw()
        phase = faulty.settle()
    assert len(failed) > len(chosen(sites, 7)) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"
    ledger.stop()
    here, there = (source, target) if phase != "home" else (target, source)
    ledger.check(here)
    live.applied_past(here)
    ledger.check(here, there)


ONCE_WRONG = ("session_reset", "archive_read", "state_open")  # functions whose calls' faults crashed, or said what was not so


@pytest.mark.parametrize("end", ("abort", "finish"))
def test_live_move_ends_wherever_it_failed(homeport, faults, pair, taken_down, end):
    source, target = pair(15, 15)
    source.script("CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) SELECT g::text FROM generate_series(1, 100) AS g")
    rows = source.contents()
    made = []

    def another():
        live, _ = taken_down(Live(homeport, source, target.server.create_db(), name=f"work{len(made)}"), None)
        made.append(live)
        live.start()
        live.caught_up()
        if end == "finish":
            live.ok("cutover")
        live.stop()
        live.env = faults.env
        return live

    def check_ended(live):
        assert live.status()["phase"] == {"abort": "aborted", "finish": "finished"}[end]
        assert traces(source) == [] == traces(live.target)
        assert source.contents() == rows
        assert end == "abort" and live.target.tables() == [] or live.target.contents()["public.t"] == rows["public.t"]

    live = another()
    faults.record()
    live.ok(end)
    sites = faults.sites()
    assert len(sites) > 20, "these are not all of them"
    check_ended(live)
    live = another()
    for site in chosen(sites, 4, *ONCE_WRONG):
        faults.fail(site)
        result = live.run(end)
        done = judge(result, site)
        assert done or "cut over" not in result.out, f"that is not why: {site}\n{result}"
        faults.withdraw()
        if done:
            check_ended(live)
            live = another()
    live.ok(end)
    check_ended(live)
