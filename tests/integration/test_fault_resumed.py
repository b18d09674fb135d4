"""What a killed run has left is gone on with, wherever that fails: as test_fault_sites.py has it of a first run."""

import pytest

import wait
from faults import Faults, chosen
from live import Live, held_copy, peek, traces
from moving import IN_FINISH, Move, held, shop
from test_fault_sites import FOLLOWED, OPTIONS, Faulty, judge

pytestmark = pytest.mark.timeout(3600)

# Functions with places of which each fails: what comes then is run by no other test.
ALONE = {
    "finish": ("marks_end_sessions", "schema_drop_marked", "relax_begin", "relax_end"),
    "changed": ("drop_schema", ),
    "copying": ("keep_finished", "marks_keep_finished", "schema_drop_marked"),
    "following": ("live_load_feeds", "recover", "end_own_reader", "list_files", "cut_off", "scan_segment", "live_drop_others"),
}


@pytest.fixture
def faults(homeport):
    return Faults(homeport)


@pytest.mark.parametrize("left", ("finish", "changed"))
def test_move_goes_on_with_what_was_left_wherever_it_fails(homeport, faults, pair, left):
    """The earlier run had relaxed the target, and was killed before the end. `changed`: then the source's schema was."""
    source, target = pair(15, 15)
    shop(source, target)
    made = []

    def another():
        made.append(Move(homeport, source, target.server.create_db(), *OPTIONS, "--relax-durability", name=f"work{len(made)}"))
        with held(made[-1].start, made[-1].target, IN_FINISH) as run:
            run.kill()
        if left == "changed":
            source.sql(f"CREATE TABLE shop.added_{len(made)} (id integer PRIMARY KEY)")
        return made[-1]

    def check(move):
        move.check_exact()
        assert move.status()["relaxed_sql"] is None
        assert "max_wal_size" not in (target.server.data_dir / "postgresql.auto.conf").read_text(encoding="utf-8")

    move = another()
    faults.record()
    move.ok(env=faults.env)
    sites = faults.sites()
    assert len(sites) > 100, "these are not all of them"
    check(move)
    fail = chosen(sites, 2, *ALONE[left])
    failed = set()
    for site in fail:
        move = another()
        before = source.contents()
        faults.fail(site)
        done = judge(move.run(env=faults.env), site)
        if faults.failed():
            failed.add(site)
        faults.withdraw()
        assert source.contents() == before, str(site)
        if not done:
            move.ok()
        check(move)
    assert len(failed) > len(fail) // 2, f"failed at {len(failed)} alone: {sorted(map(str, failed))}"


def ended_or(live, phase):
    return not live.mover.running or live.status()["phase"] == phase


def test_live_move_goes_on_with_tables_that_are_complete_wherever_it_fails(homeport, faults, pair, taken_down):
    """It was killed in the copy, when the other tables were complete."""
    source, target = pair(15, 15)
    source.script(FOLLOWED + "CREATE TABLE large AS SELECT g AS id, md5(g::text) FROM generate_series(1, 5000) AS g;"
                  "ALTER TABLE large ADD PRIMARY KEY (id)")
    before = source.contents()
    live, _ = taken_down(Live(homeport, source, target, *OPTIONS), None)
    faulty = Faulty(live, None, faults)

    def leave():
        live.start()
        with held_copy(target, "large"):
            wait.until(lambda: peek(target, "SELECT count(DISTINCT table_name) >= 3 FROM homeport.finished_part") == [(True,)],
                       30, "others are complete")
            live.kill()

    def check_begun(site):
        live.applied_past(source)
        there = target.contents()
        assert {name: there[name] for name in before} == before, str(site)
        live.stop()
        live.ok("abort")
        assert traces(source) == [] == traces(target) and target.tables() == []

    leave()
    faults.record()
    live.start()
    live.caught_up()
    sites = faults.sites()
    assert len(sites) > 100, "these are not all of them"
    check_begun(None)
    for site in chosen(sites, 2, *ALONE["copying"]):
        leave()
        faults.fail(site)
        live.start()
        wait.until(lambda: ended_or(live, "caught-up"), 60, f"an end with {site}")
        faulty.settle(site)
        faults.withdraw()
        check_begun(site)


def test_live_move_follows_on_wherever_its_next_start_fails(homeport, faults, pair, taken_down):
    """It was killed while it followed; what is written meanwhile is there in the end."""
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id serial PRIMARY KEY, v text)")
    live, _ = taken_down(Live(homeport, source, target), None)
    faulty = Faulty(live, None, faults)

    def leave():
        source.sql("INSERT INTO t (v) SELECT g::text FROM generate_series(1, 100) AS g")
        live.applied_past(source)
        live.kill()
        source.sql("UPDATE t SET v = v || '.' WHERE id % 7 = 0")

    live.start()
    live.caught_up()
    leave()
    faults.record()
    live.start()
    live.applied_past(source)
    sites = faults.sites()
    assert len(sites) > 60, "these are not all of them"
    for site in chosen(sites, 6, *ALONE["following"]):
        leave()
        faults.fail(site)
        live.start()
        faulty.settle(site)
        faulty.check_applied(site)
        faults.withdraw()
        assert source.contents()["public.t"] == target.contents()["public.t"], str(site)
    live.ok("verify")
