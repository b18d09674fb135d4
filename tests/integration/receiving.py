"""Receiver and spool, driven by follow_tool (tests/tools), and what a test compares them by.

A Feed is a publication, a slot and a work folder. What its spool holds is replayed here into plain
dicts, which must equal the source's tables.
"""

import contextlib
import pathlib
import re
import socket
import subprocess
import threading

import wait
from server import free_port, make_url

TABLES = """
CREATE TABLE a (id int PRIMARY KEY, note text);
CREATE TABLE b (id int PRIMARY KEY, note text);
"""
VALUE = re.compile(r"NULL|unchanged|'([^']*)'")
CHANGE = re.compile(r"^([IUD]) public\.(\w+)(?: (?:key|old)\(([^)]*)\))?(?: new\(([^)]*)\))?$")


class Feed:
    def __init__(self, tool, database, folder, settings=()):
        self.tool = tool
        self.database = database
        self.dir = pathlib.Path(folder) / f"feed-{database.name}"
        self.faults = self.dir.with_suffix(".faults")
        self.dir.mkdir()
        for name, value in dict(settings).items():
            database.sql(f'ALTER DATABASE "{database.name}" SET {name} = %s', (str(value),))
        self.slot = f"s_{database.name}".lower()

    def begin(self, script=TABLES):
        self.database.script(script)
        self.database.sql("CREATE PUBLICATION tool FOR ALL TABLES")
        made = self.tool.ok("slot", "--slot", self.slot, source=self.database)
        self.start_lsn = made.out.split()[0]
        return self

    def receive(self, *args, source=None, wrapper=()):
        argv = ["receive", "--dir", self.dir, "--slot", self.slot, "--start", self.start_lsn, *args]
        binary = self.tool.binary
        try:
            if wrapper:
                self.tool.binary, argv = pathlib.Path(wrapper[0]), [*wrapper[1:], binary, *argv]
            return self.tool.start(*argv, source=source or self.database, env={"FOLLOW_FAULTS": self.faults})
        finally:
            self.tool.binary = binary

    def fault(self, order=None):
        if order is None:
            self.faults.unlink(missing_ok=True)
        else:
            fresh = self.faults.with_suffix(".new")
            fresh.write_text(order, encoding="ascii")
            fresh.rename(self.faults)

    def end_lsn(self):
        return self.database.value("SELECT pg_current_wal_insert_lsn()")

    def receive_all(self, *args, **kwargs):
        """Until everything written so far is synced."""
        result = self.receive("--until", self.mark(), *args, **kwargs).wait()
        assert result.rc == 0, str(result)
        return result

    def mark(self):
        """A position that the stream reaches for certain: behind a transaction of ours."""
        self.database.sql("SELECT pg_logical_emit_message(true, 'mark', '')")
        return self.end_lsn()

    def dump(self):
        return self.tool.ok("dump", "--dir", self.dir).out.splitlines()

    def confirmed(self):
        return self.database.value(
            "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = %s", (self.slot,))

    def check(self, lines=None):
        """What is spooled makes the tables what they are; every transaction once and in order."""
        lines = self.dump() if lines is None else lines
        commits = [position(line.split()[1]) for line in lines if line.startswith("COMMIT")]
        assert commits == sorted(set(commits)), "a transaction came twice, or not in order"
        found = replay(lines)
        for table in ("a", "b"):
            wanted = {str(key): note for key, note in self.database.sql(f"SELECT id, note FROM {table}")}
            assert found.get(table, {}) == wanted, difference(table, found.get(table, {}), wanted)
        return lines


def difference(table, found, wanted):
    missing = sorted(wanted.keys() - found.keys())[:10]
    extra = sorted(found.keys() - wanted.keys())[:10]
    other = [key for key in wanted.keys() & found.keys() if wanted[key] != found[key]][:10]
    return f"{table}: {len(found)} rows instead of {len(wanted)}; missing {missing}, extra {extra}, other {other}"


def position(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def values(text):
    return [None if match[0] == "NULL" else match[1] for match in VALUE.finditer(text)]


def replay(lines):
    tables, open_transaction = {}, False
    for line in lines:
        word = line.split(" ", 1)[0]
        if word in ("BEGIN", "COMMIT"):
            assert open_transaction == (word == "COMMIT"), line
            open_transaction = word == "BEGIN"
        elif word == "T":
            for name in line.split()[1:]:
                tables[name.removeprefix("public.")] = {}
        elif word in ("I", "U", "D"):
            assert open_transaction, line
            kind, table, old, new = CHANGE.match(line).groups()
            rows = tables.setdefault(table, {})
            if kind == "I":
                assert values(new)[0] not in rows, f"inserted twice: {line[:200]}"
            else:
                del rows[values(old or new)[0]]
            if kind != "D":
                rows[values(new)[0]] = values(new)[1]
    assert not open_transaction, "the last transaction does not end"
    return tables


def status(run):
    """The last status line as a dict, {} before the first."""
    lines = [line for line in run.out.splitlines() if line.startswith("status ")]
    if not lines:
        return {}
    line, _, error = lines[-1].partition(" error=")
    return {**dict(pair.split("=", 1) for pair in line.split()[1:]), "error": error}


def connected(run):
    return status(run).get("connected") == "1"


class Silence:
    """How long the server went without a word from us, at most: pg_stat_replication.reply_time."""

    def __init__(self, database):
        self._database = database
        self._over = threading.Event()
        self.longest = 0.0
        self.looks = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        with contextlib.closing(self._database.connect()) as conn, conn.cursor() as cursor:
            while not self._over.wait(0.1):
                cursor.execute(
                    "SELECT extract(epoch FROM clock_timestamp() - reply_time)::float8 FROM pg_stat_replication"
                    " WHERE reply_time IS NOT NULL AND application_name LIKE 'homeport%'")
                for (seconds,) in cursor.fetchall():
                    self.looks += 1
                    self.longest = max(self.longest, seconds)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._over.set()
        self._thread.join(10)


class SilentRelay:
    """A network that can die without a word: the client's end is gone, the server's stays open."""

    def __init__(self, server):
        self.port = free_port()
        self._server = server
        self._clients, self._servers = [], []
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database):
        return make_url("127.0.0.1", self.port, database.name, "postgres", self._server.password)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server.port))
                self._clients.append(client)
                self._servers.append(server)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    @staticmethod
    def _pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    def lose_clients(self):
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        self._clients.clear()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.lose_clients()
        for server in self._servers:
            server.close()


class Writers:
    """Clients that write at once; their transactions overlap."""

    def __init__(self, database, count=4, rows=3):
        self._database = database
        self._rows = rows
        self._over = threading.Event()
        self.transactions = 0
        self._failures = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write, args=(i,), daemon=True) for i in range(count)]

    def _write(self, number):
        try:
            with contextlib.closing(self._database.connect(autocommit=False)) as conn, conn.cursor() as cursor:
                at = number * 1_000_000
                while not self._over.is_set():
                    for _ in range(self._rows):
                        at += 1
                        cursor.execute("INSERT INTO a VALUES (%s, %s)", (at, f"w{number}"))
                        cursor.execute("INSERT INTO b VALUES (%s, %s)", (at, "x"))
                    cursor.execute("UPDATE a SET note = note || '+' WHERE id = %s", (at - 1,))
                    cursor.execute("DELETE FROM b WHERE id = %s", (at,))
                    conn.commit()
                    with self._lock:
                        self.transactions += 1
        except Exception as error:  # told by the thread that waits for us
            self._failures.append(error)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def wait_for(self, transactions, seconds=60):
        goal = self.transactions + transactions
        wait.until(lambda: self.transactions >= goal or self._failures, seconds, f"{transactions} transactions")

    def __exit__(self, kind, *unused):
        self._over.set()
        for thread in self._threads:
            thread.join(20)
        if not kind:
            assert not self._failures, self._failures


def file_limit(size):
    """A wrapper: no file grows beyond `size`, and writing there fails rather than kills."""
    for program in ("env", "prlimit"):
        assert subprocess.run(["which", program], stdout=subprocess.DEVNULL, check=False).returncode == 0, program
    return ["env", "--ignore-signal=XFSZ", "prlimit", f"--fsize={size}"]
