"""What fails anywhere loses nothing: a connection that is lost at a call of libpq, a disk that gives an error at a call
on a file, at one place of the program after the other. Whatever the place, what ran says what failed or gets over it,
and the next try goes on to where everything is equal.

Of the places (faults.py) some are chosen, as far apart as they can be; HOMEPORT_FAULTS=all has each fail.
"""

import pathlib

import pytest

import test_identities as identities
import wait
from faults import Faults, chosen
from ledger import ODD_TABLES, TABLES, Ledger
from live import Live, as_number, traces
from moving import Move, shop

pytestmark = pytest.mark.timeout(3600)

GITGUD = pathlib.Path(__file__).resolve().parents[2] / "examples/gitgud/src/lib/db/migrations"
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


# Functions with places of which each fails: what comes then is run by no other test.
ALONE = {
    "dump": ("truncate_tables", "on_tick", "job_obtain_archive", "keep_archive", "keep_finished", "check_storage", "set_owners",
             "marks_read", "marks_check_crash", "complete_once", "types_differ", "schema_dump", "state_count_run",
             "read_values", "sequences_read", "parents_analyze", "end_copy", "fail_target", "send_bytes", "pump_rows",
             "batch_send", "count_some", "verify_counts", "read_list", "pool_run", "make_id"),
    "journal": ("create_scratch", "apply_journal", "drizzle_schema", "drizzle_close", "find_places", "drop_entry",
                "schema_drop_all"),
    "mapped": ("identities_note_in", "identities_pin", "identities_query", "copy_pairs", "identities_send"),
    "check": ("judge_keys", "read_ids", "judge_ids", "look_for_more", "assess_identity_rules", "judge_owner",
              "assess_space_rules"),
    "verify": ("open_side", "connect_side", "again_wait", "merge_streams", "role_map", "verify_states", "verify_values",
               "dump_start", "start_workers"),
    "begin": ("live_fence", "live_hold_fence", "open_keeper", "schema_made", "write_positions", "complete", "live_resume_load",
              "live_fact", "live_load_hooks", "live_load_feeds", "live_sample", "live_copy_look", "find_unpublished",
              "find_without_stream", "look_at_rows", "look_at_schema", "spool_sync_dir", "open_folder", "dispatcher_main",
              "binding_make", "receiver_start", "applier_start", "workers_start", "control_wait", "live_load_token"),
    "live switch": ("move_sequences", "change_feed", "drop_old_slot", "net_commit", "copy_flush", "copy_end", "copy_staged",
               "block_read_header", "block_read_payload", "load_header", "wait_for", "run_halves", "rows_enter", "send_sync",
               "rows_leave", "rows_statement", "rows_commit", "send_prepare", "rows_progress", "rows_change", "wait_socket",
               "pump", "push"),
    "live verify": ("live_check_start", ),
    "live resync": ("resync_held", "replace_all"),
    "abort": ("is_ours", "end"),
}


def judge(result, site):
    """It did what was asked (true), or says what failed."""
    about = f"{site}\n{result}"
    assert result.rc in (0, 1, 3), about
    if result.rc != 1:
        return True
    error = result.json["error"] if "--json" in result.argv else {"code": "io", "message": result.err}
    assert error["code"] in CODES and len(error["message"]) > 10, about
    print(site, error)  # for who looks at what is said of a failure
    return False


# -- move --once


class Kind:
    """Of a move: what it moves and how, and when it has arrived."""

    def __init__(self, homeport, pair, tmp_path):
        self.homeport = homeport
        self.source, self.target = pair(15, 15)
        self.made = 0
        self.options = self.prepare(tmp_path)
        self.compared_by = [] if "--schema" in self.options else self.options

    def another(self):
        self.made += 1
        return Move(self.homeport, self.source, self.target.server.create_db(), *OPTIONS, *self.options,
                    name=f"work{self.made}", verify=True)

    def check(self, move):
        move.check_exact()


class ByDump(Kind):
    def prepare(self, _):
        shop(self.source, self.target)
        return []


class ByJournal(Kind):
    """And a table that the journal does not know of."""

    def prepare(self, _):
        self.homeport.ok("migrations", "apply", "--migrations", GITGUD, target=self.source)
        self.source.script("CREATE TABLE by_hand (id serial PRIMARY KEY, n integer);"
                           "INSERT INTO by_hand (n) SELECT g FROM generate_series(1, 10) AS g")
        return ["--schema", "drizzle", "--migrations", GITGUD, "--accept-drift"]


class Mapped(Kind):
    def prepare(self, folder):
        self.source.script(identities.SCHEMA)
        return identities.options(identities.write_map(folder / "map.csv", identities.pairs()))

    def check(self, move):
        identities.assert_mapped(move.source, move.target, dict(identities.pairs()))
        move.check_nothing_left()


# How many places are chosen of each, beside those of ALONE.
MOVES = {ByDump: (12, "dump"), ByJournal: (2, "journal"), Mapped: (2, "mapped")}


@pytest.mark.parametrize("kind", MOVES)
def test_move_goes_on_wherever_it_failed(homeport, faults, pair, tmp_path, kind):
    """One run after the other, each with its fault, where the one before has left it."""
    moves = kind(homeport, pair, tmp_path)
    before = moves.source.contents()

    def check_arrived(move, result, site):
        assert move.status()["complete"], f"{site}\n{result}"
        if not result.json["verified"]:
            found = homeport("verify", "--json", "--dir", move.dir, *moves.compared_by, source=move.source, target=move.target)
            assert found.rc == 0, f"{site}\n{result}\n{found}"
        moves.check(move)

    move = moves.another()
    faults.record()
    move.ok(env=faults.env)
    sites = faults.sites()
    assert len(sites) > 100, "these are not all of them"

    count, alone = MOVES[kind]
    fail = chosen(sites, count, *ALONE[alone])
    failed = set()
    move = moves.another()
    for site in fail:
        for _ in range(2):  # the first goes on behind this place, maybe
            faults.fail(site)
            result = move.run(env=faults.env)
            faults.withdraw()
            done = judge(result, site) and result.json["complete"]  # else the schema could not be compared
            assert moves.source.contents() == before, f"{site}\n{result}"
            move.check_no_session()
            if done:
                check_arrived(move, result, site)
                move = moves.another()
            if faults.failed():
                failed.add(site)
                break
    check_arrived(move, move.ok(), None)
    assert len(failed) > len(fail) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"


# -- check


def test_check_says_what_failed_wherever_it_did(homeport, faults, pair, tmp_path):
    """Or judges as it does else: it only reads."""
    moves = Mapped(homeport, pair, tmp_path)
    moves.source.script("CREATE TABLE audit (actor text); INSERT INTO audit SELECT id FROM users;"
                        "INSERT INTO visits VALUES ('guest', '/')")
    before = moves.source.contents()

    def check():
        return homeport("check", "--json", *moves.options, source=moves.source, target=moves.target, env=faults.env)

    faults.record()
    judged = check()
    sites = faults.sites()
    assert len(sites) > 20, f"these are not all of them: {judged}"
    for site in chosen(sites, 2, *ALONE["check"]):
        faults.fail(site)
        result = check()
        faults.withdraw()
        assert faults.failed(), f"not called again: {site}"
        if judge(result, site):
            assert result.rc == judged.rc and ids(result) - ids(judged) <= {"rule-unanswered"}, f"{site}\n{result}"
        assert moves.source.contents() == before


def ids(result):
    return {finding["id"] for finding in result.json["findings"]}


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

    assert verify().rc == (0 if equal else 3)  # what it found is noted once
    faults.record()
    assert verify().rc == (0 if equal else 3)
    sites = faults.sites()
    assert len(sites) > 30, "these are not all of them"
    for site in chosen(sites, 5, *([] if equal else ALONE["verify"])):
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

    def go_on(self, site):
        """The mover is at work, or has said why not and is started again; what was asked of it may have started one, too."""
        if not self.live.mover.running and not self.live.status()["running"]:
            result = self.live.mover.wait()
            assert not judge(result, site), f"the mover ended without a word: {site}\n{result}"
            self.live.start()

    def settle(self, site=None):
        """Until the move goes on."""
        live = self.live
        if live.mover is None:
            live.start()

        def settled():
            self.go_on(site)
            status = live.status()
            return status["phase"] in SETTLED and status["receiving"] and status["applying"] and status["phase"]
        phase = wait.until(settled, 60, f"the move goes on after {site}")
        if self.ledger:
            self.ledger.side = getattr(live, SETTLED[phase])
            before = self.ledger.written()
            wait.until(lambda: self.ledger.written() >= before + 10, 60, f"writers go on in phase {phase} after {site}")
        return phase

    def check_applied(self, site, here=None):
        """What is committed here now gets to the other side, though the fault may strike only meanwhile."""
        (lsn,), = (here or self.live.source).sql("SELECT pg_current_wal_insert_lsn()::text")

        def applied():
            self.go_on(site)
            status = self.live.status()
            return status["applied_lsn"] and as_number(status["applied_lsn"]) >= as_number(lsn)
        wait.until(applied, 60, lambda: f"applied past {lsn} after {site}: {self.live.status()}")

    def check_kept(self, site):
        """What has been written until now is on the other side, once that one has applied it."""
        here = self.ledger.side
        there = self.live.target if here is self.live.source else self.live.source
        written = {row[0] for row in here.sql("SELECT token FROM transfer")}
        self.check_applied(site, here)
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
    fail = chosen(sites, 6, *ALONE["begin"])
    failed = set()
    for site in fail:
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
    assert len(failed) > len(fail) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"


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
        fail = chosen(sites, 7, *ALONE[f"live {command}"])
        failed = set()
        for site in fail:
            faults.fail(site)
            judge(asked(), site)
            faulty.settle(site)
            faulty.check_kept(site)
            if faults.failed():
                failed.add(site)
            faults.withdraw()
        phase = faulty.settle()
    assert len(failed) > len(fail) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"
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
    for site in chosen(sites, 4, *ONCE_WRONG, *ALONE.get(end, ())):
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
