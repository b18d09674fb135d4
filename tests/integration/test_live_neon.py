"""The live move from a source like Neon's: the owner's role is no superuser, may not set
session_replication_role, is cut off after 10 s of silence, and loses a slot that falls behind."""

import contextlib

import pytest

import live as lives
import server as postgres
import wait
from ledger import Ledger
from live import Live

OWNER = "neondb_owner"
PASSWORD = "pw-of-neondb-owner"

# What goes back to the old side meets its foreign keys, cascades and triggers there (rule 19).
TABLES = """
CREATE TABLE parent (id integer PRIMARY KEY, note text, changed integer NOT NULL DEFAULT 0);
CREATE TABLE child (id integer PRIMARY KEY, note text,
                    parent_id integer REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE grandchild (id integer PRIMARY KEY, child_id integer REFERENCES child ON DELETE CASCADE);
CREATE TABLE journal (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text NOT NULL);
CREATE FUNCTION keep_journal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO journal (what) VALUES (TG_OP || ' ' || coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;
CREATE FUNCTION count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.changed := NEW.changed + 1; RETURN NEW; END $$;
CREATE TRIGGER journal AFTER INSERT OR UPDATE OR DELETE ON parent FOR EACH ROW EXECUTE FUNCTION keep_journal();
CREATE TRIGGER counted BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION count_change();
CREATE TRIGGER asleep BEFORE UPDATE ON parent FOR EACH ROW EXECUTE FUNCTION count_change();
ALTER TABLE parent DISABLE TRIGGER asleep;
INSERT INTO parent SELECT g, 'before' FROM generate_series(1, 20) AS g;
INSERT INTO child SELECT g, 'before', (g + 1) / 2 FROM generate_series(1, 40) AS g;
INSERT INTO grandchild SELECT g, (g + 1) / 2 FROM generate_series(1, 80) AS g;
"""

# Each line is a transaction.
WRITES = """
INSERT INTO parent VALUES ({n}00, 'new'); INSERT INTO child VALUES ({n}00, 'new', {n}00); INSERT INTO grandchild VALUES ({n}00, {n}00)
UPDATE parent SET note = 'changed {n}' WHERE id IN (1, 2, 3)
UPDATE parent SET id = id + 1000 * {n} WHERE id = 4 + {n}
DELETE FROM parent WHERE id = 8 + {n}
UPDATE child SET note = 'moved {n}', parent_id = 2 WHERE parent_id = 1; DELETE FROM parent WHERE id = {n}00
DELETE FROM parent WHERE id = 12 + {n}; INSERT INTO parent VALUES (12 + {n}, 'again'); INSERT INTO child VALUES ({n}01, 'again', 12 + {n})
"""


class Owned(postgres.Database):
    """A database as its owner sees it, who is no superuser."""

    def url_as(self, user=OWNER, password=PASSWORD, **params):
        return super().url_as(user, password, **params)

    def connect(self, user=OWNER, autocommit=True, **options):
        return super().connect(user, autocommit, **options)

    def sql(self, query, params=None, user=OWNER):
        return super().sql(query, params, user)

    def script(self, text, user=OWNER):
        return super().script(text, user)


@pytest.fixture
def neon(homeport, servers, pg_bin, taken_down):
    def make(version, writers=2, **settings):
        server = servers.new(version, {"wal_sender_timeout": "10s", "max_slot_wal_keep_size": "256MB", **settings})
        server.sql(f"CREATE ROLE {OWNER} LOGIN REPLICATION CREATEROLE CREATEDB BYPASSRLS PASSWORD '{PASSWORD}'"
                   " IN ROLE pg_monitor, pg_signal_backend, pg_read_all_data")
        source = Owned(server, server.create_db(options=f"OWNER {OWNER}").name)
        postgres.Database.script(source, f"ALTER SCHEMA public OWNER TO {OWNER}", postgres.SUPERUSER)
        source.script(TABLES)
        target = servers.get(17, "target").create_db()
        live = Live(homeport, source, target, "--map-role", f"{OWNER}=postgres", "--pg-bin", pg_bin(17))
        return taken_down(live, Ledger(source, writers=writers))
    return make


def contents(database):
    """Rows alone: sequences go ahead at the side in use."""
    with contextlib.closing(database.connect(user=postgres.SUPERUSER)) as conn, conn.cursor() as cursor:
        found = {}
        for table in ("parent", "child", "grandchild", "journal", "account", "transfer", "scratch"):
            cursor.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            found[table] = [row[0] for row in cursor.fetchall()]
        return found


def write(side, number):
    for line in WRITES.strip().splitlines():
        with contextlib.closing(side.connect(autocommit=False)) as conn:
            conn.cursor().execute(line.format(n=number))
            conn.commit()


def triggers(database):
    return database.sql("SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'parent'::regclass"
                        " AND NOT tgisinternal AND tgname NOT LIKE 'homeport%' ORDER BY 1")


@pytest.mark.parametrize("version", (15, 17))
def test_rule_19_the_whole_way_and_back_with_cascades_and_triggers_of_the_owner(neon, version):
    live, ledger = neon(version)
    source, target = live.source, live.target
    before = triggers(source)
    with ledger, contextlib.closing(source.connect(user=postgres.SUPERUSER)) as provider:
        provider.cursor().execute("SELECT 1")  # idle, and cannot be ended
        live.start()
        live.caught_up()
        write(source, 1)
        for number, (verb, here, there) in enumerate((("cutover", target, source), ("rollback", source, target),
                                                      ("cutover", target, source)), 2):
            live.ok(verb)
            ledger.side = here
            if here is source:
                assert triggers(source) == before
            count = here.sql("SELECT count(*) FROM journal")[0][0]
            write(here, number)
            assert here.sql("SELECT count(*) FROM journal")[0][0] == count + 9, "the triggers of the side in use"
            live.applied_past(here)
            wait.until(lambda: live.status()["last_error"] is None, 10, "nothing is in the way")
        cursor = provider.cursor()
        cursor.execute("SELECT 2")
        assert cursor.fetchall() == [(2,)]
    live.applied_past(target)
    ledger.check(source, target)
    assert contents(source) == contents(target)
    live.ok("finish")
    live.mover.wait()
    live.mover = None
    assert lives.traces(source) == [] and lives.traces(target) == []
    assert triggers(source) == before == triggers(target)


def test_a_quiet_source_and_a_backlog_outlive_the_senders_timeout(neon):
    """Longer than wal_sender_timeout without a word of the source, and with the applier at work."""
    live, ledger = neon(17, wal_sender_timeout="2s")
    live.start()
    live.caught_up()
    sender = "SELECT pid FROM pg_stat_replication"
    pids = live.source.sql(sender, user=postgres.SUPERUSER)
    quiet = wait.time.monotonic() + 5
    wait.until(lambda: wait.time.monotonic() > quiet, 10, "some time")
    live.source.sql("INSERT INTO transfer (token, sender, receiver, amount)"
                    " SELECT 'bulk ' || g, 1, 2, 0 FROM generate_series(1, 100000) AS g")
    live.applied_past(live.source)
    assert live.source.sql(sender, user=postgres.SUPERUSER) == pids and len(pids) == 1
    assert ledger.written() == 0


def test_a_slot_that_was_dropped_while_the_mover_was_stopped_is_said_with_the_way_on(neon):
    live, _ledger = neon(17)
    live.start()
    live.caught_up()
    slot = live.status()["slot"]
    live.stop()
    live.source.sql("SELECT pg_drop_replication_slot(%s)", (slot,), user=postgres.SUPERUSER)
    live.source.sql("INSERT INTO scratch VALUES ('lost')")
    mover = live.start()
    result = mover.wait(30)
    live.mover = None
    assert result.rc == 1, str(result)
    assert slot in result.err and "abort" in result.err, str(result)
    status = live.status()
    assert slot in status["last_error"]
    assert live.homeport("cutover", "--dir", live.dir, source=live.source, target=live.target).rc == 1
    live.ok("abort")
    assert lives.traces(live.source) == [] and live.target.tables() == []
    live.start()
    live.caught_up()
    assert live.target.sql("SELECT id FROM scratch") == [("lost",)]


def test_a_slot_that_fell_behind_max_slot_wal_keep_size_is_said_with_the_way_on(neon):
    live, _ledger = neon(17, max_slot_wal_keep_size="1MB", max_wal_size="32MB", min_wal_size="32MB")
    live.start()
    live.caught_up()
    slot = live.status()["slot"]
    live.stop()

    def is_lost():
        live.source.sql("SELECT pg_switch_wal(); CHECKPOINT", user=postgres.SUPERUSER)
        live.source.sql("INSERT INTO scratch SELECT md5(g::text || now()) FROM generate_series(1, 50000) AS g")
        return live.source.sql("SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", (slot,)) == [("lost",)]
    wait.until(is_lost, 60, "the slot is lost")
    result = live.start().wait(30)
    live.mover = None
    assert result.rc == 1 and slot in result.err and "abort" in result.err, str(result)
