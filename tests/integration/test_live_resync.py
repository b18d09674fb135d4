"""`move --resync TABLE` where it could lose or double rows, wait for ever, or not be possible."""

import contextlib
import time

import pytest

import server as postgres
import wait
from live import Live
from test_live_faults import arrives, open_by_hand, rows, stopped
from test_live_neon import neon  # noqa: F401  (a fixture)

MOVER = "FROM pg_stat_activity WHERE application_name LIKE 'homeport mover %%' AND datname = current_database()"
AGAIN = "FROM pg_stat_activity WHERE application_name = 'homeport resync'"


@pytest.fixture
def following(homeport, pair, servers, taken_down):
    """following(schema) -> a live move of these tables that has caught up; own: of servers that no other
    test has, so that their settings may be changed."""
    def make(schema, versions=(15, 15), own=False, url=None):
        source, target = (servers.new(v).create_db() for v in versions) if own else pair(*versions)
        source.script(schema)
        live, _ = taken_down(Live(homeport, source, target), None)
        if url:
            live.env = url(live)
        live.start()
        live.caught_up()
        return live
    return make


def resync(live, table):
    """In the background, as it is held up."""
    return live.homeport.start("move", "--resync", table, "--dir", live.dir, "--json", source=live.source,
                               target=live.target, env=live.env)


def setting(server, value):
    server.sql(f"ALTER SYSTEM SET synchronous_standby_names = '{value}'")
    server.sql("SELECT pg_reload_conf()")
    wait.until(lambda: server.value("SHOW synchronous_standby_names") == value, 10, "the setting")


def confirmed(live):
    """What is written until now has been read from the slot."""
    (lsn,), = live.source.sql("SELECT pg_current_wal_insert_lsn()::text")
    wait.until(lambda: live.source.sql(
        "SELECT 1 FROM pg_replication_slots WHERE database = current_database() AND confirmed_flush_lsn >= %s", (lsn,)), 20,
        f"confirmed past {lsn}")


def test_rule_13_what_is_read_again_for_a_truncate_is_not_passed_over_by_a_resync(following):
    """What was read until then is void and read again; that the source was quiet behind it must be as well. Else the
    position at which the applier is to hold still is ahead of what it has applied."""
    live = following("CREATE TABLE held (n int PRIMARY KEY); CREATE TABLE kept (n int PRIMARY KEY);"
                     " CREATE TABLE emptied (n int PRIMARY KEY)")
    source, target = live.source, live.target
    source.sql("INSERT INTO held VALUES (1)")
    live.applied_past()
    with contextlib.closing(target.connect(autocommit=False)) as hold:
        hold.set_session(readonly=False)
        hold.cursor().execute("SELECT FROM homeport.progress WHERE table_name = 'held' FOR UPDATE")
        source.sql("INSERT INTO held VALUES (2)")
        wait.until(lambda: target.sql("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'homeport apply%%'"
                                      " AND wait_event_type = 'Lock'"), 20, "a window is held")
        source.sql("INSERT INTO kept VALUES (1)")
        source.server.sql("SELECT pg_logical_emit_message(true, 'test', 'of another database')")
        confirmed(live)
        source.sql("TRUNCATE emptied")
        confirmed(live)
        since = source.value("SELECT clock_timestamp()")
        again = resync(live, "emptied")
        # The last that it asks of either side before it asks the applier to hold still.
        since = wait.until(lambda: source.value(f"SELECT max(query_start) {MOVER} AND query LIKE %s AND query_start > %s",
                                                ("%indisreplident%", since)), 20, "it is published")
        wait.until(lambda: target.sql(f"SELECT 1 {MOVER} AND query = 'RESET deadlock_timeout' AND state = 'idle' AND query_start > %s",
                                      (since,)), 20, "its fence holds")
        hold.rollback()
    assert again.wait(60).rc == 0
    arrives(live, "held", "kept", "emptied")


def test_rule_13_a_resyncs_commit_in_flight_is_waited_for(following, proxy):
    """Its rows may still come when its connection is gone: what the applier has of them is not applied
    beside them, to a table where nothing would notice."""
    relays = []

    def url(live):
        relays.append(proxy(live.target.server))
        return {"HOMEPORT_TARGET_URL": relays[0].url(live.target)}
    live = following("CREATE TABLE plain (n int); ALTER TABLE plain REPLICA IDENTITY FULL;"
                     "INSERT INTO plain SELECT generate_series(1, 5); CREATE TABLE beside (n int PRIMARY KEY)", own=True, url=url)
    target = live.target
    with contextlib.closing(live.source.connect(autocommit=False)) as hold:
        # The slot of the snapshot waits for this transaction; what is written meanwhile is in the
        # snapshot, and in the stream from where the applier holds still.
        hold.cursor().execute("INSERT INTO beside VALUES (1)")
        again = resync(live, "plain")
        wait.until(lambda: live.source.sql("SELECT 1 FROM pg_replication_slots WHERE slot_name LIKE '%%again%%'"), 20,
                   "the slot waits")
        live.source.sql("INSERT INTO plain SELECT generate_series(6, 10)")
        setting(target.server, "nobody")  # as while a synchronous standby is away
        hold.rollback()
    wait.until(lambda: target.sql(f"SELECT pid {AGAIN} AND wait_event = 'SyncRep'"), 20, "a commit in flight")
    relays[0].cut()
    assert again.wait(60).rc == 1
    stopped(live, "earlier session of ours")
    live.source.sql("INSERT INTO plain VALUES (11)")
    setting(target.server, "")
    arrives(live, "plain")
    assert target.sql("SELECT n FROM plain ORDER BY n") == [(n,) for n in range(1, 12)]


def test_rule_13_a_resync_waits_for_a_commit_in_flight_of_an_applier_that_is_gone(following):
    live = following("CREATE TABLE plain (n int); ALTER TABLE plain REPLICA IDENTITY FULL; CREATE TABLE t (id int PRIMARY KEY)")
    live.applied_past(live.source)
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport apply")) as gone:
        # As the server process of an applier whose connection broke, at work on its last rows.
        gone.cursor().execute((postgres.ROOT / "sql/apply/share.sql").read_text(encoding="utf-8").replace("$1", "1"))
        gone.cursor().execute("ROLLBACK; BEGIN READ WRITE; SET LOCAL session_replication_role = replica;"
                              " INSERT INTO homeport.progress VALUES (77, '', '', '0/1')")
        open_by_hand(live.target, "INSERT INTO t VALUES (1)")
        live.source.sql("INSERT INTO t VALUES (1)")
        stopped(live, "t", "23505")
        again = resync(live, "plain")
        until = time.monotonic() + 2
        wait.until(lambda: time.monotonic() > until, 5, "some time")
        assert again.running, str(again.wait())
        assert live.status()["phase"] == "caught-up"  # which is answered meanwhile
        gone.commit()
    assert again.wait(60).rc == 0
    live.ok("move", "--resync", "t")
    arrives(live, "t", "plain")


def test_rule_3_a_table_that_is_copied_again_is_locked_while_the_snapshot_is_read(following):
    """After a rewriting ALTER an older snapshot reads no rows and no error."""
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 100) AS g")
    with contextlib.closing(live.target.connect(autocommit=False, application_name="homeport test")) as hold:
        hold.cursor().execute("BEGIN READ WRITE; LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE")
        again = resync(live, "t")
        wait.until(lambda: live.target.sql(f"SELECT 1 {AGAIN} AND wait_event_type = 'Lock'"), 20, "it wants to write")
        with contextlib.closing(live.source.connect(autocommit=False)) as owner, owner.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
            with pytest.raises(Exception, match="lock timeout"):
                cursor.execute("ALTER TABLE t ALTER COLUMN n TYPE bigint")
        hold.rollback()
    found = again.wait(60)
    assert found.rc == 0 and found.json["rows"] == 100, str(found)
    arrives(live, "t")


def test_rule_3_a_table_that_is_rewritten_under_the_snapshot_is_copied_again_under_another(following, proxy):
    relays = []

    def url(live):
        relays.append(proxy(live.source.server))
        return {"HOMEPORT_SOURCE_URL": relays[0].url(live.source)}
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 100) AS g",
                     url=url)
    relays[0].silence_at("pg_export_snapshot")
    again = resync(live, "t")
    wait.until(lambda: live.source.sql("SELECT 1 FROM pg_replication_slots WHERE slot_name LIKE '%again%'"
                                       " AND confirmed_flush_lsn IS NOT NULL")
               and live.source.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'homeport keeper'"
                                   " AND state = 'idle in transaction'"), 20, "the snapshot is there")
    live.source.sql("ALTER TABLE t ALTER COLUMN n TYPE int USING n + 0")
    relays[0].silence(False)
    found = again.wait(60)
    assert found.rc == 0 and found.json["rows"] == 100, str(found)
    assert "a new snapshot is needed" in live.mover.err
    arrives(live, "t")


def test_rule_6_resync_waits_only_so_long_for_its_slot_and_says_for_whom(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    with contextlib.closing(live.source.connect(autocommit=False, application_name="forgotten")) as hold:
        hold.cursor().execute("CREATE TABLE x ()")
        began = time.monotonic()
        refused = live.run("move", "--resync", "t")
        assert time.monotonic() - began < 40
        assert refused.rc == 1 and "forgotten" in refused.err and "transactions to end" in refused.err, str(refused)
        live.source.sql("INSERT INTO t VALUES (1)")
        wait.until(lambda: rows(live.target, "t") == ["(1)"], 20, "the others follow")
    live.ok("move", "--resync", "t")


PARTITIONED = """
CREATE TABLE part (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200) PARTITION BY RANGE (id);
CREATE TABLE part_21 PARTITION OF part_2 FOR VALUES FROM (100) TO (150);
CREATE TABLE part_22 PARTITION OF part_2 FOR VALUES FROM (150) TO (200);
INSERT INTO part SELECT g, g FROM generate_series(1, 199) AS g;
CREATE TYPE filler AS ENUM ('x'); CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd', 'e', 'f', 'g');
CREATE TABLE hashed (m mood, n int) PARTITION BY HASH (m);
CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (modulus 2, remainder 0);
CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (modulus 2, remainder 1);
ALTER TABLE hashed_0 REPLICA IDENTITY FULL; ALTER TABLE hashed_1 REPLICA IDENTITY FULL;
INSERT INTO hashed SELECT (enum_range(NULL::mood))[g % 7 + 1], g FROM generate_series(1, 70) AS g
"""


@pytest.mark.parametrize("name, count", (("part", 199), ("public.part_2", 100), ("part_1", 99), ("hashed", 70), ("hashed_1", 70)))
def test_rule_6_resync_of_a_partitioned_table_and_of_its_partitions(following, name, count):
    live = following(PARTITIONED)
    table = name.removeprefix("public.").split("_")[0]
    open_by_hand(live.target, *(f"UPDATE {table} SET n = -n WHERE n IN (20, 21, 22, 23, 24, 120, 170)",), table=table)
    found = live.run("move", "--resync", name)
    assert found.rc == 0 and found.json["rows"] == count, str(found)
    live.source.sql(f"INSERT INTO {table} (n, {'id' if table == 'part' else 'm'}) VALUES (0, {0 if table == 'part' else chr(39) + 'a' + chr(39)})")
    live.applied_past(live.source)
    left = {"part": 0, "public.part_2": 5, "part_1": 2}.get(name, 0)
    assert live.target.sql(f"SELECT count(*) FROM {table} WHERE n < 0") == [(left,)]
    assert live.run("verify").json["differences"] == left


@pytest.mark.parametrize("name", ("nothing", "public.nothing", "passing"))
def test_bad_input_resync_of_what_is_not_followed_is_refused(following, name):
    live = following("CREATE TABLE t (id int PRIMARY KEY)")
    live.source.sql("CREATE UNLOGGED TABLE passing (id int PRIMARY KEY)")
    refused = live.run("move", "--resync", name)
    assert refused.rc == 2 and f'"{name}" is no table whose changes are followed' in refused.err, str(refused)
    live.source.sql("INSERT INTO t VALUES (1)")
    live.applied_past(live.source)


@pytest.mark.parametrize("name", ("tree_b0", "tree"))
def test_rule_6_resync_of_a_hash_over_an_enum_leaves_the_branches_beside_it(following, name):
    """Rows of such partitions are sent to the table above them that is divided so, and no higher."""
    live = following("""
CREATE TYPE filler AS ENUM ('x'); CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd');
CREATE TABLE tree (id int, kind text, m mood, PRIMARY KEY (id, kind, m)) PARTITION BY LIST (kind);
CREATE TABLE tree_a PARTITION OF tree FOR VALUES IN ('a');
CREATE TABLE tree_b PARTITION OF tree FOR VALUES IN ('b') PARTITION BY HASH (m);
CREATE TABLE tree_b0 PARTITION OF tree_b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE tree_b1 PARTITION OF tree_b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO tree SELECT g, 'a', 'a' FROM generate_series(1, 500) AS g;
INSERT INTO tree SELECT g, 'b', (enum_range(NULL::mood))[g % 4 + 1] FROM generate_series(1, 40) AS g""")
    found = live.run("move", "--resync", name)
    assert found.rc == 0 and found.json["rows"] == (40 if name == "tree_b0" else 540), str(found)
    assert rows(live.target, "tree") == rows(live.source, "tree")
    live.source.sql("INSERT INTO tree VALUES (1000, 'a', 'b'), (1000, 'b', 'b')")
    live.applied_past(live.source)
    assert live.run("verify").json["differences"] == 0


def test_rule_19_resync_on_the_way_back_where_foreign_keys_act(neon):  # noqa: F811
    """The old side's role may not set session_replication_role: rows that are right stay as they are."""
    live, _ledger = neon(17, writers=0)
    source = live.source
    live.start()
    live.caught_up()
    live.ok("cutover")
    journal = rows(source, "journal")
    spoil = ("UPDATE parent SET note = 'spoilt' WHERE id < 4", "INSERT INTO parent VALUES (900, 'none of ours')",
             "UPDATE child SET id = 901 WHERE id = 38")
    with contextlib.closing(source.connect(user=postgres.SUPERUSER)) as conn:
        conn.cursor().execute("BEGIN READ WRITE; SET LOCAL session_replication_role = replica;"
                              " ALTER TABLE parent DISABLE TRIGGER homeport_fence; ALTER TABLE child DISABLE TRIGGER homeport_fence;"
                              + "; ".join(spoil) + "; DELETE FROM parent WHERE id = 20;"
                              " DELETE FROM child WHERE parent_id = 20;"
                              " ALTER TABLE parent ENABLE ALWAYS TRIGGER homeport_fence;"
                              " ALTER TABLE child ENABLE ALWAYS TRIGGER homeport_fence; COMMIT")
    assert live.run("verify").json["differences"] == 9
    refused = live.run("move", "--resync", "child")
    assert refused.rc == 1 and "bring the table that is referred to up to date first" in refused.err, str(refused)
    # With those that refer to it, and to these.
    for table, count, tables in (("parent", 20 + 40 + 80, 3), ("child", 40 + 80, 2), ("transfer", 0, 1)):
        found = live.run("move", "--resync", table)
        assert found.rc == 0 and (found.json["rows"], found.json["tables"]) == (count, tables), str(found)
    live.target.sql("UPDATE parent SET note = 'after' WHERE id = 1; DELETE FROM parent WHERE id = 2")
    live.applied_past(live.target)
    assert live.run("verify").json["differences"] == 0
    assert len(rows(source, "journal")) == len(journal) + 2
    assert live.ok("rollback")["differences"] == 0


REFERRING = """
CREATE TABLE staff (id integer PRIMARY KEY, boss integer REFERENCES staff ON DELETE CASCADE,
                    parent_id integer REFERENCES parent ON DELETE CASCADE);
CREATE TABLE note (parent_id integer REFERENCES parent ON DELETE SET NULL, child_id integer);
ALTER TABLE note REPLICA IDENTITY FULL;
CREATE TABLE piece (id integer PRIMARY KEY, parent_id integer REFERENCES parent ON DELETE CASCADE) PARTITION BY RANGE (id);
CREATE TABLE piece_1 PARTITION OF piece FOR VALUES FROM (0) TO (100);
CREATE TABLE beside (id integer PRIMARY KEY, parent_id integer REFERENCES parent);
INSERT INTO staff SELECT g, NULLIF(g / 2, 0), (g + 1) / 2 FROM generate_series(1, 40) AS g;
INSERT INTO note SELECT (g + 1) / 2, g FROM generate_series(1, 40) AS g;
INSERT INTO piece SELECT g, (g + 1) / 2 FROM generate_series(1, 40) AS g; INSERT INTO beside VALUES (1, 20)
"""


def test_rule_19_resync_brings_back_what_a_cascade_takes(neon):  # noqa: F811
    """A row that goes there takes rows with it that home still has, and of which nothing is in the stream."""
    live, _ledger = neon(17, writers=0)
    source = live.source
    source.script(REFERRING)
    live.start()
    live.caught_up()
    live.ok("cutover")
    tables = ("parent", "child", "grandchild", "staff", "note", "piece", "beside")
    before = {table: rows(source, table) for table in tables}
    with contextlib.closing(source.connect(user=postgres.SUPERUSER)) as conn:
        cursor = conn.cursor()
        cursor.execute("BEGIN READ WRITE; SET LOCAL session_replication_role = replica")
        for table in ("parent", "child", "staff", "note", "piece"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER homeport_fence")
        cursor.execute("ALTER TABLE piece_1 DISABLE TRIGGER homeport_fence; UPDATE parent SET id = 901 WHERE id = 1;"
                       " UPDATE child SET parent_id = 901 WHERE parent_id = 1; UPDATE staff SET parent_id = 901 WHERE parent_id = 1;"
                       " UPDATE note SET parent_id = 901 WHERE parent_id = 1; UPDATE piece SET parent_id = 901 WHERE parent_id = 1;"
                       # A child that stays refers to a row that is to come, and one of the staff to one of its own table.
                       " DELETE FROM staff WHERE id = 20; UPDATE staff SET boss = NULL WHERE id = 40;"
                       " DELETE FROM parent WHERE id = 7; UPDATE child SET parent_id = NULL WHERE parent_id = 7")
        for table in ("parent", "child", "staff", "note", "piece", "piece_1"):
            cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER homeport_fence")
        cursor.execute("COMMIT")
    found = live.run("move", "--resync", "parent")
    assert found.rc == 0 and (found.json["rows"], found.json["tables"]) == (20 + 40 + 80 + 3 * 40, 6), str(found)
    assert {table: rows(source, table) for table in tables} == before
    live.target.sql("DELETE FROM child WHERE id = 1; UPDATE note SET parent_id = 5 WHERE parent_id = 3")
    assert live.ok("rollback")["differences"] == 0
    assert {table: rows(source, table) for table in tables} == {table: rows(live.target, table) for table in tables}


def test_rule_6_resync_on_the_way_back(following):
    live = following("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT g, 0 FROM generate_series(1, 50) AS g")
    live.ok("cutover")
    open_by_hand(live.source, "UPDATE t SET n = 7 WHERE id = 7", "INSERT INTO t VALUES (100, 1)")
    found = live.run("move", "--resync", "t")
    assert found.rc == 0 and found.json["rows"] == 50, str(found)
    live.target.sql("UPDATE t SET n = 1 WHERE id = 8")
    assert live.ok("rollback")["differences"] == 0
    assert rows(live.source, "t") == rows(live.target, "t")
