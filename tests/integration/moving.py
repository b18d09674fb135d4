"""Moves for the tests that break them: a small database of everything that comes before and after
rows, the run itself, points at which it can be held, and what must be so afterwards.

shop(source, target)    the database, its roles on both servers
Move(homeport, ...)     one move: start(), run(), ok(), status(), check_exact(), check_incomplete()
held(target, ...)       context managers that hold a move where they say, by locks of our own
"""

import contextlib
import os
import pathlib
import sqlite3

import psycopg2

import wait
import zoo

OWNER = "shop owner"
READER = 'shop "reader"'

SHOP = '''
SET client_min_messages = warning;
CREATE SCHEMA shop AUTHORIZATION "shop owner";
COMMENT ON SCHEMA shop IS 'what it sells';
SET search_path = shop;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE place AS (street text, number integer);
CREATE FUNCTION half(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1 / 2';
CREATE TABLE account (
    id serial PRIMARY KEY, owner text NOT NULL UNIQUE, balance bigint NOT NULL CHECK (balance >= 0),
    feels mood DEFAULT 'good', twice bigint GENERATED ALWAYS AS (balance * 2) STORED);
INSERT INTO account (owner, balance, feels)
    SELECT 'owner ' || g, 1000, CASE WHEN g % 3 = 0 THEN 'bad'::mood ELSE 'good' END
      FROM generate_series(1, {accounts}) AS g;
CREATE TABLE transfer (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sender integer NOT NULL REFERENCES account, receiver integer NOT NULL REFERENCES account,
    amount bigint NOT NULL, note text);
INSERT INTO transfer (sender, receiver, amount, note)
    SELECT g % {accounts} + 1, (g * 7) % {accounts} + 1, g % 50, repeat(md5(g::text), 4)
      FROM generate_series(1, {transfers}) AS g;
CREATE INDEX transfer_sender ON transfer (sender, receiver);
CREATE INDEX transfer_half ON transfer (half(amount)) WHERE amount > 10;
CREATE TABLE branch (id integer PRIMARY KEY, above integer REFERENCES branch DEFERRABLE INITIALLY DEFERRED);
INSERT INTO branch SELECT g, nullif(g / 2, 0) FROM generate_series(1, 200) AS g;
CREATE TABLE address (account integer REFERENCES account, place place, note text);
INSERT INTO address SELECT g % {accounts} + 1, ROW('street ' || g, g)::place, NULL FROM generate_series(1, 300) AS g;
CREATE TABLE visit (at date NOT NULL, account integer, PRIMARY KEY (at, account)) PARTITION BY RANGE (at);
CREATE TABLE visit_old PARTITION OF visit FOR VALUES FROM (MINVALUE) TO ('2026-01-01');
CREATE TABLE visit_new PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
INSERT INTO visit SELECT date '2025-06-01' + g, g % {accounts} + 1 FROM generate_series(1, 500) AS g;
CREATE INDEX visit_account ON visit (account);
ALTER TABLE visit ADD FOREIGN KEY (account) REFERENCES account;
CREATE TABLE booking (during int4range, EXCLUDE USING gist (during WITH &&));
INSERT INTO booking SELECT int4range(g * 10, g * 10 + 5) FROM generate_series(1, 100) AS g;
CREATE UNLOGGED TABLE session (id integer PRIMARY KEY, token text);
INSERT INTO session SELECT g, md5(g::text) FROM generate_series(1, 400) AS g;
CREATE TABLE empty (id integer);
CREATE STATISTICS account_feels (dependencies) ON owner, feels FROM account;
CREATE MATERIALIZED VIEW total AS SELECT feels, sum(balance) FROM account GROUP BY feels;
CREATE UNIQUE INDEX total_feels ON total (feels);
CREATE MATERIALIZED VIEW total_of_total AS SELECT count(*) FROM total;
CREATE TABLE audit (id bigserial PRIMARY KEY, what text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN INSERT INTO shop.audit (what) VALUES (TG_OP); RETURN NULL; END$$;
CREATE TRIGGER audited AFTER INSERT OR UPDATE ON account FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER audited_truncate AFTER TRUNCATE ON account FOR EACH STATEMENT EXECUTE FUNCTION audit();
CREATE SEQUENCE number START 100;
SELECT nextval('number'), nextval('number');
ALTER TABLE address ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON address TO "shop ""reader""" USING (account = 1);
CREATE PUBLICATION feed FOR TABLE account, transfer;
GRANT USAGE ON SCHEMA shop TO "shop ""reader""";
GRANT SELECT ON account, transfer TO "shop ""reader""" WITH GRANT OPTION;
ALTER DEFAULT PRIVILEGES FOR ROLE "shop owner" IN SCHEMA shop GRANT SELECT ON TABLES TO "shop ""reader""";
ALTER TABLE account OWNER TO "shop owner";
COMMENT ON TABLE account IS 'who has how much';
SELECT lo_from_bytea(7001, 'first'), lo_from_bytea(7002, decode(repeat('00ff', 5000), 'hex'));
ALTER LARGE OBJECT 7001 OWNER TO "shop owner";
GRANT SELECT ON LARGE OBJECT 7002 TO "shop ""reader""";
CREATE FUNCTION no_drops() RETURNS event_trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'nothing is dropped here'; END$$;
CREATE EVENT TRIGGER no_drops ON sql_drop EXECUTE FUNCTION no_drops();
'''


def shop(source, target=None, accounts=200, transfers=3000):
    """Everything that is made before and after rows, in a moment. Its event trigger lets nothing be
    dropped, as a careful owner's would."""
    for server in {source.server, target.server if target else source.server}:
        for role in (OWNER, READER):
            quoted = '"' + role.replace('"', '""') + '"'
            if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)):
                server.sql(f"CREATE ROLE {quoted}")
    source.script(SHOP.replace("{accounts}", str(accounts)).replace("{transfers}", str(transfers)))


def sessions(server):
    """homeport's, and those of the programs that it runs."""
    return server.sql(
        "SELECT pid, application_name, state, query FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND (application_name LIKE 'homeport%' OR application_name IN ('pg_dump', 'pg_restore'))")


class Move:
    """A move from one database to another, in a work folder of its own."""

    def __init__(self, homeport, source, target, *args, name="work", verify=False):
        self.homeport = homeport
        self.source = source
        self.target = target
        self.dir = homeport.cwd / name / ".homeport"
        self.args = [*args, *([] if verify else ["--no-verify"])]

    def start(self, *args, source=None, target=None, **options):
        return self.homeport.start("move", "--once", "--json", "--dir", self.dir, *self.args, *args,
                                   source=source or self.source, target=target or self.target, **options)

    def run(self, *args, timeout=120, **options):
        return self.start(*args, **options).wait(timeout)

    def ok(self, *args, **options):
        result = self.run(*args, **options)
        assert result.rc == 0, str(result)
        assert result.json["complete"] is True
        return result

    def failed(self, *args, rc=1, **options):
        """The run must end with this status; returns its error, as JSON."""
        result = self.run(*args, **options)
        assert result.rc == rc, str(result)
        return error_of(result)

    def status(self):
        result = self.homeport("status", "--json", "--dir", self.dir)
        assert result.rc == 0, str(result)
        return result.json

    def check_incomplete(self):
        status = self.status()
        assert (status["complete"], status["running"]) == (False, False), status
        return status

    def check_exact(self):
        """Finished, everything is there, and nothing of homeport's is left on either side."""
        status = self.status()
        assert status["complete"] and status["phase"] == "finished" and status["last_error"] is None, status
        assert not list(self.dir.glob("*.dump")), "the schema's archives, with its passwords and large objects"
        found = zoo.differences(self.source, self.target)
        assert not found, "\n".join(found)
        self.check_nothing_left()

    def check_nothing_left(self):
        assert self.target.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'homeport'") == []
        assert self.target.sql("SELECT datname FROM pg_database WHERE datname LIKE 'homeport%'") == []
        self.check_no_session()

    def check_no_session(self, seconds=10):
        for database in (self.source, self.target):
            wait.until(lambda server=database.server: not sessions(server), seconds, "no session of homeport left")


def error_of(result):
    """The object on standard output, or the last one on standard error, of a failed run."""
    found = result.json
    assert "error" in found, str(result)
    return found["error"]


def processes(text):
    """Ids of the processes whose command line has this in it."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text.encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


# -- holding a move

@contextlib.contextmanager
def transaction(database, *statements):
    """Open, with what these took; rolled back at the end."""
    with contextlib.closing(database.connect(autocommit=False)) as conn:
        with conn.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield conn
        with contextlib.suppress(psycopg2.Error):  # where the test has stopped the server
            conn.rollback()


def is_waiting(database, holder, role="%"):
    """Whether a session of homeport (in this role) waits there for a lock of the holder, a connection. For others'
    locks one waits now and then, as where autovacuum shortens a shared catalogue."""
    return database.server.value(
        "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'homeport ' || %s AND datname = %s"
        " AND %s = ANY (pg_blocking_pids(pid))", (role, database.name, holder.get_backend_pid()))


@contextlib.contextmanager
def held_in_schema(start, target, table="shop.account"):
    """While the schema is being made: the table's name is taken by somebody who has not committed."""
    schema, _ = table.split(".")
    with transaction(target, f"CREATE SCHEMA IF NOT EXISTS {schema}", f"CREATE TABLE {table} ()") as holder:
        run = start()
        run.wait_for(lambda: is_waiting(target, holder), what="the schema held")
        yield run


# What a move of the shop waits for where the test has done this before: its row of a mark collides
# with one that is not committed yet, or a lock is taken.
IN_COPY = "INSERT INTO homeport.finished_part VALUES ('shop', 'account', 0, 1, 0)"
IN_INDEXES = "INSERT INTO homeport.finished_entry SELECT generate_series(1, 20000) ON CONFLICT DO NOTHING"
IN_FINISH = "ALTER SEQUENCE shop.number MINVALUE 1"
IN_VERIFY = "LOCK TABLE shop.empty IN ACCESS EXCLUSIVE MODE"  # copied before: only from IN_FINISH on
BEFORE_MARKS_GO = "LOCK TABLE homeport.move IN ACCESS SHARE MODE"


@contextlib.contextmanager
def held(start, target, *places):
    """A run that waits at the last of the places, having passed the ones before."""
    with contextlib.ExitStack() as stack:
        if target.value("SELECT to_regclass('homeport.move') IS NULL"):
            if places[0] != IN_COPY:  # until then there is nothing that could be locked
                places = (IN_COPY, *places)
            with held_in_schema(start, target) as run:
                holder = stack.enter_context(transaction(target, places[0]))
        else:
            holder = stack.enter_context(transaction(target, places[0]))
            run = start()
        run.wait_for(lambda: is_waiting(target, holder), what=f"held by {places[0]}")
        for place in places[1:]:
            former = stack.pop_all()
            holder = stack.enter_context(transaction(target, place))
            former.close()
            run.wait_for(lambda: is_waiting(target, holder), what=f"held by {place}")
        yield run


@contextlib.contextmanager
def locked_state(move):
    """Nobody else can write the work folder's state: a run waits there for some seconds."""
    with contextlib.closing(sqlite3.connect(move.dir / "state.sqlite", timeout=5, isolation_level=None)) as state:
        state.execute("BEGIN IMMEDIATE")
        yield
        state.execute("ROLLBACK")


def held_pg_bin(folder, real):
    """A folder of programs whose pg_dump waits for ever before it begins, once it is asked to dump."""
    folder.mkdir()
    os.mkfifo(folder / "go")
    (folder / "pg_restore").symlink_to(real / "pg_restore")
    (folder / "pg_dump").write_text(
        "#!/bin/sh\n"
        f'[ "$1" = --version ] && exec "{real}/pg_dump" --version\n'
        f'touch "{folder}/begun"\n'
        f'read -r _ <"{folder}/go"\n', encoding="utf-8")
    (folder / "pg_dump").chmod(0o755)
    return folder


@contextlib.contextmanager
def held_in_dump(start, folder, real):
    bins = held_pg_bin(folder, real)
    run = start("--pg-bin", bins)
    run.wait_for((bins / "begun").exists, what="pg_dump begun")
    yield run


def steps(move, pg_bin, tmp_path):
    """Every step of a move of the shop, in its order: a name, and what holds a run there."""
    target = move.target
    yield "dump", lambda: held_in_dump(move.start, tmp_path / "bin", pg_bin(15))
    yield "schema", lambda: held_in_schema(move.start, target)
    yield "copy", lambda: held(move.start, target, IN_COPY)
    yield "indexes", lambda: held(move.start, target, IN_INDEXES)
    yield "finish", lambda: held(move.start, target, IN_FINISH)
    yield "verify", lambda: held(move.start, target, IN_FINISH, IN_VERIFY)
    yield "marks", lambda: held(move.start, target, BEFORE_MARKS_GO)
