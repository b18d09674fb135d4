"""What is copied is one moment, nobody is blocked for it, and DDL does not get between (rules 3, 4)."""

import contextlib
import threading
import time

import pytest

import moving
import wait
from moving import IN_COPY, Move, held, shop

LONGEST_WAIT = 2  # seconds, of one writer's transaction; without load some milliseconds


@pytest.fixture
def shops(pair):
    source, target = pair(15, 15)
    shop(source, target)
    return source, target


class Background:
    """SQL in a thread of its own; what failed there is raised at the end."""

    def __init__(self, work, *args):
        self.error = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(work, args))
        self.thread.start()

    def _run(self, work, args):
        try:
            work(self.stop, *args)
        except Exception as error:  # of any kind: raised where it is waited for
            self.error = error

    def end(self, seconds=30):
        self.stop.set()
        self.thread.join(seconds)
        assert not self.thread.is_alive(), "still at work"
        if self.error:
            raise self.error


# -- one moment, nobody blocked

def write_for_ever(stop, database, number, waits):
    """Moves money between accounts, with a row for each transfer and a family of new rows: whatever
    moment is seen, money is neither made nor lost, and every child has its parent."""
    with contextlib.closing(database.connect(autocommit=False)) as conn, conn.cursor() as cursor:
        turn = 0
        while not stop.is_set():
            turn += 1
            a, b = (turn * 7 + number) % 200 + 1, (turn * 13 + number * 3) % 200 + 1
            began = time.monotonic()
            cursor.execute("SELECT FROM shop.account WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", (a, b))
            cursor.execute("UPDATE shop.account SET balance = balance - 1 WHERE id = %s", (a,))
            cursor.execute("UPDATE shop.account SET balance = balance + 1 WHERE id = %s", (b,))
            cursor.execute("INSERT INTO shop.transfer (sender, receiver, amount) VALUES (%s, %s, 1)", (a, b))
            cursor.execute("INSERT INTO shop.account (owner, balance) VALUES (%s, 0) RETURNING id", (f"{number}/{turn}",))
            (new,) = cursor.fetchone()
            cursor.execute("INSERT INTO shop.address VALUES (%s, ROW('new', 1), NULL)", (new,))
            cursor.execute("INSERT INTO shop.visit VALUES (current_date, %s)", (new,))
            cursor.execute("DELETE FROM shop.transfer WHERE id = (SELECT min(id) FROM shop.transfer WHERE id %% 5 = %s)", (number,))
            conn.commit()
            waits.append(time.monotonic() - began)


@pytest.mark.tsan
def test_one_moment_is_copied_and_writers_never_wait(homeport, shops):
    source, target = shops
    source.sql("INSERT INTO shop.transfer (sender, receiver, amount, note)"
               " SELECT 1, 2, 0, repeat('x', 400) FROM generate_series(1, 30000)")
    money = source.value("SELECT sum(balance) FROM shop.account")
    waits = []
    writers = [Background(write_for_ever, source, number, waits) for number in range(4)]
    try:
        wait.until(lambda: len(waits) > 20, 30, "writers at work")
        before = len(waits)
        # Verified under the same snapshot, while the source has moved on.
        Move(homeport, source, target, "--jobs", "4", "--split-bytes", "1MB", verify=True).ok()
        during = waits[before:]
    finally:
        for writer in writers:
            writer.end()
    assert len(during) > 20, "the writers wrote nothing meanwhile"
    assert max(during) < LONGEST_WAIT
    assert target.value("SELECT sum(balance) FROM shop.account") == money
    assert target.value("SELECT count(*) FROM shop.account") > 200
    for child, key in (("address", "account"), ("visit", "account"), ("transfer", "sender"), ("transfer", "receiver")):
        assert target.value(f"SELECT count(*) FROM shop.{child} AS c WHERE NOT EXISTS"
                            f" (SELECT FROM shop.account AS a WHERE a.id = c.{key})") == 0, child
    # One transaction made these together.
    assert target.value("SELECT count(*) FROM shop.account AS a WHERE a.owner LIKE '%%/%%' AND NOT EXISTS"
                        " (SELECT FROM shop.visit AS v WHERE v.account = a.id)") == 0
    # At or ahead of every row.
    assert target.value("SELECT last_value >= (SELECT max(id) FROM shop.account) FROM shop.account_id_seq")


def test_what_is_committed_after_the_snapshot_stays_out(homeport, shops):
    source, target = shops
    before = source.contents()
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        source.sql("DELETE FROM shop.transfer; UPDATE shop.account SET balance = 7; UPDATE shop.branch SET above = NULL;"
                   " INSERT INTO shop.empty VALUES (1)")
        source.sql("VACUUM shop.transfer, shop.account")
    assert run.wait().rc == 0
    after = target.contents()
    assert after == before


# -- rule 3

def wait_until_blocked(database, query):
    wait.until(lambda: database.server.value(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query = %s", (query,)),
        20, f"{query} waits")


@pytest.mark.parametrize("ddl", (
    "ALTER TABLE shop.transfer ADD COLUMN added integer DEFAULT 1",
    "ALTER TABLE shop.transfer ALTER COLUMN sender TYPE bigint",
    "TRUNCATE shop.branch, shop.session, shop.address",
    "DROP TABLE shop.session, shop.booking",
    "VACUUM FULL shop.transfer",
    "ALTER TABLE shop.visit DETACH PARTITION shop.visit_old",
    "DROP SCHEMA shop CASCADE",
))
def test_rule_3_ddl_on_a_table_being_copied_waits_and_breaks_nothing(homeport, shops, ddl):
    """Also tables that no worker has read yet: their locks are to be had no more, the DDL is before
    them, and the DDL waits for the keeper."""
    source, target = shops
    source.sql("ALTER EVENT TRIGGER no_drops DISABLE")
    before = source.contents()
    move = Move(homeport, source, target, "--jobs", "1")

    def run_ddl(_):
        source.sql(ddl)
    with held(move.start, target, IN_COPY) as run:
        owner = Background(run_ddl)
        wait_until_blocked(source, ddl)
    result = run.wait()
    owner.end()
    assert result.rc == 0, str(result)
    assert target.contents() == before


def test_rule_3_a_copy_by_the_keeper_that_fails_takes_the_snapshot_with_it(homeport, shops):
    """Where DDL waits no worker gets the table's lock: its rows go through the connection that has the snapshot."""
    source, target = shops
    move = Move(homeport, source, target, "--jobs", "1")
    ddl = "ALTER TABLE shop.branch ADD COLUMN more integer"
    with contextlib.ExitStack() as stack:
        with held(move.start, target, IN_COPY) as run:
            owner = Background(lambda _: source.sql(ddl))
            wait_until_blocked(source, ddl)
            holder = stack.enter_context(moving.transaction(target, IN_COPY.replace("account", "branch")))
        run.wait_for(lambda: moving.is_waiting(target, holder, "copy %"), what="its rows are copied")
        assert "a statement on the source waits for this move to end" in run.err
        target.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'homeport copy %'")
    result = run.wait()
    owner.end()
    assert result.rc == 0 and "rows start again under a new one" in result.err, str(result)
    assert target.contents() == source.contents()


def test_rule_3_ddl_that_waits_since_the_copy_goes_before_the_verification(homeport, shops):
    """Verification cannot read behind it: the DDL is let pass and the rows start again, with its result."""
    source, target = shops
    source.sql("ALTER EVENT TRIGGER no_drops DISABLE")
    ddl = "ALTER TABLE shop.branch ADD COLUMN added integer DEFAULT 1"
    move = Move(homeport, source, target, verify=True)

    def run_ddl(_):
        source.sql(ddl)
    with held(move.start, target, IN_COPY) as run:
        owner = Background(run_ddl)
        wait_until_blocked(source, ddl)
    result = run.wait()
    owner.end()
    assert result.rc == 0, str(result)
    assert "the schema has changed" in result.err
    assert result.json["verified"] is True
    move.check_exact()


def test_rule_3_ddl_while_verify_runs_alone(homeport, shops):
    """Neither hangs: somebody is let pass."""
    source, target = shops
    source.sql("ALTER EVENT TRIGGER no_drops DISABLE")
    Move(homeport, source, target).ok()
    ddl = "ALTER TABLE shop.branch ADD COLUMN added integer DEFAULT 1"

    def run_ddl(_):
        source.sql(ddl)
    with moving.transaction(target, "LOCK TABLE shop.empty IN ACCESS EXCLUSIVE MODE") as holder:
        run = homeport.start("verify", source=source, target=target)
        run.wait_for(lambda: moving.is_waiting(target, holder), what="verify waits for the target")
        owner = Background(run_ddl)
        wait_until_blocked(source, ddl)
    result = run.wait(60)
    owner.end()
    assert result.rc in (1, 3), str(result)
    assert result.rc == 3 or "stood in the way" in result.err


# Before them in the order of locks, since it is the largest: while it is locked by somebody, the
# keeper has its snapshot and not yet their locks.
LARGEST = "shop.transfer"
BETWEEN = {
    "truncated": "TRUNCATE shop.branch; INSERT INTO shop.branch VALUES (7, NULL)",
    "rewritten": "ALTER TABLE shop.branch ALTER id TYPE bigint; INSERT INTO shop.branch VALUES (1007, NULL)",
    "clustered": "CLUSTER shop.branch USING branch_pkey",
    "swapped": "CREATE TABLE shop.other (LIKE shop.session INCLUDING ALL); INSERT INTO shop.other VALUES (1, 'other');"
               " ALTER TABLE shop.session RENAME TO session_old; ALTER TABLE shop.other RENAME TO session",
    "dropped": "DROP TABLE shop.session",
    "schema renamed": "ALTER SCHEMA shop RENAME TO market",
    "column dropped": "ALTER TABLE shop.session DROP COLUMN token",
    "column added": "ALTER TABLE shop.session ADD COLUMN more integer DEFAULT 5",
    "columns swapped": "ALTER TABLE shop.session ADD COLUMN other text DEFAULT 'o'; ALTER TABLE shop.session RENAME token TO x;"
                       " ALTER TABLE shop.session RENAME other TO token; ALTER TABLE shop.session RENAME x TO other",
    "created": "CREATE TABLE shop.fresh AS SELECT 1 AS a",
}


@pytest.mark.parametrize("what", BETWEEN)
def test_rule_3_ddl_between_the_snapshot_and_the_lock_is_noticed(homeport, shops, what):
    source, target = shops
    source.sql("ALTER EVENT TRIGGER no_drops DISABLE")
    move = Move(homeport, source, target)
    with moving.transaction(source, f"LOCK TABLE {LARGEST} IN ACCESS EXCLUSIVE MODE") as holder:
        run = move.start()
        run.wait_for(lambda: moving.is_waiting(source, holder), what="keeper waits")
        source.sql(BETWEEN[what])
    result = run.wait()
    assert result.rc == 0, str(result)
    if what == "created":  # after the snapshot: not of this moment
        source.sql("DROP TABLE shop.fresh")
    elif what == "column added":  # what was there is as it was
        source.sql("ALTER TABLE shop.session DROP COLUMN more")
        assert source.contents() == target.contents()
        return
    else:
        assert "rows start again under a new one" in result.err
    move.check_exact()


def test_rule_3_a_dump_behind_a_waiting_statement_is_made_again(homeport, shops, pg_bin, tmp_path):
    """It waits for us, and pg_dump for it. Also where there are many tables: pg_dump names them all behind its error."""
    source, target = shops
    source.script("".join(f"CREATE TABLE {'wide' * 14}_{i} ();" for i in range(200)))
    bins = tmp_path / "bin"
    bins.mkdir()
    (bins / "pg_restore").symlink_to(pg_bin(17) / "pg_restore")
    (bins / "pg_dump").write_text(f"""\
#!/bin/sh
case $1 in --version) ;; *)
    touch {bins}/begun
    while [ ! -e {bins}/go ]; do sleep 0.05; done;;
esac
exec {pg_bin(17)}/pg_dump "$@"
""", encoding="utf-8")
    (bins / "pg_dump").chmod(0o755)
    move = Move(homeport, source, target, "--pg-bin", bins)
    run = move.start()
    run.wait_for((bins / "begun").exists, what="pg_dump begun")
    ddl = Background(lambda stop: source.sql("ALTER TABLE shop.session ADD COLUMN more integer"))
    run.wait_for(lambda: source.value("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted"), what="DDL waits")
    (bins / "go").touch()
    result = run.wait()
    ddl.end()
    assert result.rc == 0, str(result)
    assert "canceling statement due to statement timeout" in result.err and "Query was" not in result.err, str(result)
    assert "rows start again under a new one" in result.err
    move.check_exact()


def test_rule_3_the_keeper_waits_shortly_and_lets_others_pass(homeport, shops):
    """Behind a lock that is waited for everybody waits: a long migration must not freeze the app."""
    source, target = shops
    move = Move(homeport, source, target)
    with moving.transaction(source, "LOCK TABLE shop.account IN ROW EXCLUSIVE MODE"):
        # Writers do not conflict with the keeper at all.
        move.ok()
    second = Move(homeport, source, target.server.create_db(), name="second")
    with moving.transaction(source, "LOCK TABLE shop.account IN ACCESS EXCLUSIVE MODE") as holder:
        run = second.start("--verbose")
        for _ in range(2):
            run.wait_for(lambda: moving.is_waiting(source, holder), what="keeper waits")
            run.wait_for(lambda: not moving.is_waiting(source, holder), 10, "keeper gave way")
    assert run.wait().rc == 0
    second.check_exact()


# -- rule 4

@pytest.mark.parametrize("split", ("16kB", "100kB", "1GB"))
def test_rule_4_ranges_hold_every_row_of_the_snapshot_once(homeport, shops, split):
    """Rows appended, updated (their new versions lie behind) and vacuumed away during the copy."""
    source, target = shops
    source.sql("DELETE FROM shop.transfer WHERE id % 3 = 0")
    before = source.contents()
    move = Move(homeport, source, target, "--split-bytes", split, "--jobs", "3")
    # Not the first ranges: the workers stop in the middle.
    with held(move.start, target, IN_COPY) as run:
        source.sql("UPDATE shop.transfer SET note = note || 'changed' WHERE id % 2 = 0")
        source.sql("INSERT INTO shop.transfer (sender, receiver, amount, note)"
                   " SELECT 1, 2, 3, repeat('new', 30) FROM generate_series(1, 5000)")
        source.sql("DELETE FROM shop.transfer WHERE id % 5 = 0")
        source.sql("VACUUM shop.transfer")
    assert run.wait().rc == 0
    assert target.contents() == before


def test_rule_4_ranges_are_counted_after_the_snapshot(homeport, shops):
    """Blocks that came between the two belong to the last range, which has no end."""
    source, target = shops
    move = Move(homeport, source, target, "--split-bytes", "16kB")
    with moving.transaction(source, "LOCK TABLE shop.branch IN ACCESS EXCLUSIVE MODE") as holder:
        run = move.start()
        run.wait_for(lambda: moving.is_waiting(source, holder), what="keeper waits")
        source.sql("INSERT INTO shop.transfer (sender, receiver, amount, note)"
                   " SELECT 1, 2, 3, repeat('new', 30) FROM generate_series(1, 5000)")
    result = run.wait()
    assert result.rc == 0
    # Taken before the rows came, so without them.
    assert target.value("SELECT count(*) FROM shop.transfer") == 3000
    assert target.value("SELECT count(DISTINCT id) FROM shop.transfer") == 3000
