"""A live move for the tests: the mover in the foreground of a process of its own, and the commands
that steer it."""

import contextlib
import json
import socket

import wait


class Live:
    def __init__(self, homeport, source, target, *args, name="work", env=None):
        self.homeport = homeport
        self.source = source
        self.target = target
        self.dir = homeport.cwd / name / ".homeport"
        self.args = args
        self.env = env
        self.mover = None

    def start(self, *args):
        self.mover = self.homeport.start("move", "--dir", self.dir, *self.args, *args, source=self.source,
                                         target=self.target, env=self.env)
        return self.mover

    def run(self, command, *args, timeout=120, **options):
        return self.homeport(command, "--dir", self.dir, "--json", *args, source=self.source, target=self.target,
                             timeout=timeout, env=self.env, **options)

    def ok(self, command, *args, **options):
        result = self.run(command, *args, **options)
        assert result.rc == 0, str(result)
        return result.json

    def ask(self, request):
        """The mover, what no command of ours asks it."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.dir / "control.sock"))
            sock.sendall(json.dumps(request).encode() + b"\n")
            with sock.makefile() as answers:
                return json.loads(answers.readline())

    def status(self):
        return self.homeport.ok("status", "--json", "--dir", self.dir).json

    def wait_for(self, phase, seconds=60):
        """Until the mover says this phase, and that it is at work."""
        def there():
            assert self.mover is None or self.mover.running, f"the mover ended: {self.mover.wait()}"
            status = self.status()
            return status["phase"] == phase and status["receiving"] and status
        return wait.until(there, seconds, f"phase {phase}")

    def caught_up(self, seconds=60):
        return self.wait_for("caught-up", seconds)

    def applied_past(self, side=None, seconds=60):
        """Until everything that is committed on this side now is applied on the other."""
        (lsn,), = (side or self.source).sql("SELECT pg_current_wal_insert_lsn()::text")

        def there():
            applied = self.status()["applied_lsn"]
            return applied and as_number(applied) >= as_number(lsn)
        wait.until(there, seconds, f"applied past {lsn}")

    def stop(self):
        """As the owner does; the mover's own exit status must be 0."""
        assert self.homeport("move", "--stop", "--dir", self.dir, source=self.source, target=self.target).rc == 0
        result = self.mover.wait()
        assert result.rc == 0, str(result)
        self.mover = None
        return result

    def kill(self):
        result = self.mover.kill()
        self.mover = None
        return result


def as_number(lsn):
    high, low = lsn.split("/")
    return int(high, 16) << 32 | int(low, 16)


def peek(database, query):
    """The rows, asked for as homeport's own: while a side is being fenced, everybody else's sessions there are ended."""
    with contextlib.closing(database.connect(application_name="homeport test")) as conn, conn.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def held_copy(target, table):
    """Waits for the marks and returns a connection that is in the way of this table being complete, to be closed."""
    wait.until(lambda: peek(target, "SELECT to_regclass('homeport.finished_part') IS NOT NULL") == [(True,)], 30,
               "the marks are there")
    conn = target.connect(autocommit=False, application_name="homeport test")
    conn.cursor().execute("INSERT INTO homeport.finished_part VALUES ('public', %s, 0, 1, 0)", (table,))
    return contextlib.closing(conn)


def slots(*databases):
    return [row for database in databases
            for row in database.sql("SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")]


def traces(database):
    """Whatever of homeport's own is left in a database."""
    return (slots(database)
            + database.sql("SELECT pubname FROM pg_publication WHERE pubname LIKE 'homeport%'")
            + database.sql("SELECT nspname FROM pg_namespace WHERE nspname = 'homeport'")
            + database.sql("SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE tgname LIKE 'homeport%'")
            + [row for row in database.sql("SELECT setconfig::text FROM pg_db_role_setting AS s JOIN pg_database AS d"
                                           " ON d.oid = s.setdatabase WHERE datname = current_database()")
               if "read_only" in row[0]])


def answer(result):
    return json.loads(result.out)
