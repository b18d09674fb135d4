"""Two live moves from one source: what has one name for all of them belongs to one, and the other leaves it."""

import pytest

import live as lives
import wait
from ledger import Ledger
from live import Live
from test_live_crash import accepts


@pytest.fixture
def two(homeport, pair, database, taken_down):
    """Moves a and b from one source to a target each, and the ledger of the source."""
    source, target = pair(15, 15)
    ledger = Ledger(source, writers=2)
    a, _ = taken_down(Live(homeport, source, target, name="a"), ledger)
    b, _ = taken_down(Live(homeport, source, database(15, "target"), name="b"), None)
    return a, b, ledger


def begin(live):
    live.start()
    return live.caught_up()


def goes_home_and_back(live, ledger):
    """From home, and nothing is lost."""
    before = ledger.written()
    wait.until(lambda: ledger.written() >= before + 50, 60, "writers go on at home")
    live.ok("rollback")
    ledger.side = live.source
    before = ledger.written()
    wait.until(lambda: ledger.written() >= before + 50, 60, "writers go on at the source")
    ledger.stop()
    live.applied_past(live.source)
    ledger.check(live.source, live.target)


def test_a_move_is_refused_where_another_has_cut_over(two):
    a, b, _ledger = two
    begin(a)
    a.ok("cutover")
    refused = b.homeport("move", "--dir", b.dir, source=b.source, target=b.target)
    assert refused.rc == 3 and "other-move" in refused.err, str(refused)
    assert lives.slots(b.source) == [] and b.target.tables() == []
    # Nothing was begun, so nothing can be undone; the fence of the first stands.
    assert b.run("abort").rc == 1
    assert not accepts(a.source) and accepts(a.target)
    a.ok("finish")
    begin(b)


def test_abort_of_a_move_leaves_the_fence_of_another_that_went_home_since(two):
    a, b, ledger = two
    with ledger:
        begin(a)
        begin(b)
        a.ok("cutover")
        ledger.side = a.target
        refused = b.run("cutover")
        assert refused.rc == 1 and "another move (id " in refused.err and "--dir" in refused.err, str(refused)
        assert not accepts(a.source) and accepts(a.target)

        b.ok("abort")
        assert b.mover.wait().rc == 0
        assert b.target.tables() == [] and lives.traces(b.target) == []
        assert len(lives.slots(a.source) + lives.slots(a.target)) == 1
        assert not accepts(a.source) and accepts(a.target)
        goes_home_and_back(a, ledger)
    a.ok("cutover")
    a.ok("finish")
    assert lives.traces(a.source) == [] and lives.traces(a.target) == []
