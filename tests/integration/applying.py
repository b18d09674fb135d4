"""A receiver and an applier between two databases, run by follow_tool: what test_apply.py is made of.

    follow = Apply(pair(15, 15), tmp_path, "net")
    follow.script("CREATE TABLE t (id int PRIMARY KEY)")   # on both sides, before the stream begins
    follow.start()
    follow.source.sql("INSERT INTO t VALUES (1)")
    follow.catch_up()                                      # all that was committed is applied
    follow.check_equal()
"""

import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading

import wait

ROOT = pathlib.Path(__file__).resolve().parents[2]


def tool():
    named = os.environ.get("HOMEPORT_FOLLOW_TOOL")
    binary = pathlib.Path(os.environ.get("HOMEPORT_BIN", ROOT / "build/homeport")).absolute()
    return pathlib.Path(named) if named else binary.parent / "tests/tools/follow_tool"


class Stopped(AssertionError):
    """The applier stopped; its last status."""

    def __init__(self, status):
        super().__init__(json.dumps(status))
        self.status = status
        self.error = status.get("error", {})


class Apply:
    FEED = 1

    def __init__(self, pair, folder, mode, to=None, **options):
        self.source, self.target = pair
        self.folder = pathlib.Path(folder) / "feed"
        self.mode = mode
        self.to = to or self.target.url
        self.options = {"every": 50, **options}
        self.process = None
        self.slot = "apply_" + self.source.name
        self.markers = 0
        self.status = {}
        self.start_lsn = None

    # -- preparing

    def script(self, text):
        self.source.script(text)
        self.target.script(text)

    def prepare(self, tables=None):
        """Publication, slot, progress; the tables on both sides are equal now."""
        names = ", ".join(tables or [t for t in self.source.tables()])
        self.source.sql(f"CREATE PUBLICATION p FOR TABLE {names}")
        self.start_lsn = self.source.value(
            "SELECT lsn FROM pg_create_logical_replication_slot(%s, 'pgoutput')", (self.slot,))
        sql = (ROOT / "sql/apply/create_progress.sql").read_text(encoding="utf-8")
        self.target.script(re.sub(r"(?m)^--.*$", "", sql))
        self.target.sql("INSERT INTO homeport.progress VALUES (%s, '', '', %s)", (self.FEED, self.start_lsn))

    # -- running

    def start(self, **options):
        if self.start_lsn is None:
            self.prepare()
        self.folder.mkdir(exist_ok=True)
        argv = [tool()]
        if tool().name == "follow_tool":
            argv.append("apply")
        named = {
            "from": self.source.url, "slot": self.slot, "publication": "p", "to": self.to, "dir": self.folder,
            "feed": self.FEED, "mode": self.mode, "start": self.start_lsn, **self.options, **options,
        }
        for name, value in named.items():
            argv += [f"--{name.replace('_', '-')}", str(value)]
        self.process = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, self.lines), daemon=True).start()
        return self

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.put(json.loads(line))
        lines.put(None)

    def next(self, seconds=30):
        """The next line, None at the end."""
        line = self.lines.get(timeout=seconds)
        if line and line["event"] in ("status", "end", "stopped"):
            self.status = line
        return line

    def until(self, condition, seconds=60):
        deadline = wait.time.monotonic() + seconds
        while (left := deadline - wait.time.monotonic()) > 0:
            try:
                line = self.next(left)
            except queue.Empty:
                break
            if line is None or line["event"] == "stopped":
                raise Stopped(self.status)
            if condition(line):
                return line
        raise AssertionError(f"not in time; last: {self.status}")

    def ask(self, text, seconds=60):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        return self.until(lambda line: line["event"] == text, seconds)

    def mark(self):
        """A marker behind all that is committed now."""
        self.markers += 1
        name = f"m{self.markers}"
        self.source.sql("SELECT pg_logical_emit_message(true, 'homeport', %s)", (name,))
        return name

    def catch_up(self, seconds=60):
        answer = self.ask(f"marker {self.mark()}", seconds)
        assert answer["ok"], answer
        return answer

    def stopped(self, seconds=30):
        """Waits until it stops by itself; its last status."""
        try:
            self.until(lambda line: False, seconds)
        except Stopped as stop:
            self.process.wait(10)
            return stop
        raise AssertionError("it did not stop")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            rc = self.process.wait(10)
            assert rc == 0, f"follow_tool ended with {rc}: {self.status}"

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()

    # -- comparing

    @staticmethod
    def tables_of(database):
        return {name: what for name, what in database.contents().items()
                if not isinstance(what[1], bool) and not name.startswith("homeport.")}

    def check_equal(self):
        source, target = self.tables_of(self.source), self.tables_of(self.target)
        assert source == target, {name: (source.get(name), target.get(name))
                                  for name in source.keys() | target.keys() if source.get(name) != target.get(name)}

    def end_equal(self):
        """All that was written arrives, and nothing else."""
        self.catch_up()
        self.check_equal()
        self.stop()

    def progress(self):
        return dict(((s, n), lsn) for s, n, lsn in self.target.sql(
            "SELECT schema_name, table_name, lsn FROM homeport.progress WHERE feed = %s", (self.FEED,)))
