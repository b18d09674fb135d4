"""What the benchmarks share: two throwaway PostgreSQL servers, GitGud's data, and a stopwatch that
also counts CPU seconds and memory. Needs nothing but Python and Debian's postgresql-15."""

import contextlib
import fcntl
import functools
import os
import pathlib
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
POSTGRES_BIN = pathlib.Path(os.environ.get("POSTGRES_BIN", "/usr/lib/postgresql/15/bin"))
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20
SCALES = {"small": 2_000, "quarter": 12_500, "full": 50_000}  # users
SEED = 1

# Those under which the figures of earlier runs were taken, so that they compare.
SETTINGS = {
    "shared_buffers": "2GB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "max_parallel_maintenance_workers": "2",
    "fsync": "on",
    "synchronous_commit": "on",
}

# Indexes that an app of this size has besides its primary keys: foreign keys and the time line.
INDEXES = """
CREATE INDEX problems_user_id_idx ON problems (user_id);
CREATE INDEX attempts_problem_id_idx ON attempts (problem_id);
CREATE INDEX attempts_user_id_idx ON attempts (user_id);
CREATE INDEX attempts_created_at_idx ON attempts (created_at);
"""

PRIMARY_KEYS = {"users": "clerk_id", "problems": "id", "attempts": "id"}
# Parameters of sql/demo/*.sql before the first and the last row's number, rows a user, and the columns.
TABLES = {
    "users": (2, 1, "clerk_id, email, created_at, updated_at"),
    "problems": (3, 10, "id, user_id, title, description, url, platform, difficulty::difficulty, tags, "
                        "created_at, updated_at"),
    "attempts": (4, 100, "id, problem_id, user_id, status::status, time_taken, notes, solution_code, "
                         "created_at, updated_at"),
}


class BenchError(Exception):
    pass


def run(*argv, **options):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(map(str, argv))}: status {done.returncode}\n{done.stderr[-3000:]}")
    return done.stdout


def server_user():
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.getuid() == 0 else {}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A cluster in a folder; `create` makes it, `start` starts it on a port of its own."""

    def __init__(self, folder, wal_level):
        self.data = folder
        self.wal_level = wal_level
        self.port = 0
        self.postmaster = 0

    def create(self):
        self.data.mkdir(parents=True, mode=0o700)
        if os.getuid() == 0:
            shutil.chown(self.data, "postgres", "postgres")
        # Neon's locale, and one under which text sorts by strcoll.
        run(POSTGRES_BIN / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale", "C.UTF-8", "--no-instructions", cwd="/", **server_user())

    def start(self):
        if (self.data / "postmaster.pid").exists():
            raise BenchError(f"a server runs in {self.data} already, or was killed: remove its postmaster.pid "
                             "if none does")
        self.port = free_port()
        settings = SETTINGS | {"wal_level": self.wal_level, "port": self.port, "unix_socket_directories": "",
                               "listen_addresses": "127.0.0.1", "log_min_messages": "warning"}
        with open(self.data / "bench.conf", "w", encoding="utf8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        conf = self.data / "postgresql.conf"
        if "bench.conf" not in conf.read_text(encoding="utf8"):
            with open(conf, "a", encoding="utf8") as file:
                file.write("include 'bench.conf'\n")
        run(POSTGRES_BIN / "pg_ctl", "-D", self.data, "-l", self.data / "log", "-w", "-t", "120", "start",
            cwd="/", **server_user())
        self.postmaster = int((self.data / "postmaster.pid").read_text(encoding="utf8").splitlines()[0])

    def stop(self):
        if self.postmaster:
            subprocess.run([POSTGRES_BIN / "pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop"],
                           capture_output=True, check=False, cwd="/", **server_user())
            self.postmaster = 0

    def url(self, database):
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, database, *statements):
        argv = [POSTGRES_BIN / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]
        for statement in statements:
            argv += ["-c", statement]
        return run(*argv).strip()

    def cpu_seconds(self):
        """Of the postmaster and all it ever started: those that live, and those it has reaped."""
        for _ in range(100):
            try:
                return self._cpu_ticks() / TICKS
            except (FileNotFoundError, ProcessLookupError):
                pass  # one ended between the listing and the look at it
        raise BenchError("the server's processes cannot be counted")

    def _cpu_ticks(self):
        ticks = sum(stat_fields(self.postmaster)[11:15])
        for child in children(self.postmaster):
            ticks += sum(stat_fields(child)[11:13])
        return ticks


def stat_fields(pid):
    with open(f"/proc/{pid}/stat", encoding="utf8", errors="replace") as file:
        return [int(f) if f.lstrip("-").isdigit() else 0 for f in file.read().rsplit(")", 1)[1].split()]


def children(pid):
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="utf8") as file:
            found += [int(p) for p in file.read().split()]
    return found


def descendants(pid):
    try:
        for child in children(pid):
            yield child
            yield from descendants(child)
    except (FileNotFoundError, ProcessLookupError):
        pass


def machine_busy_seconds():
    with open("/proc/stat", encoding="utf8") as file:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, file.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS


class Memory(threading.Thread):
    """Peak memory of our child processes, of one moment: their sum, and the largest of them."""

    EVERY_S = 0.1

    def __init__(self):
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.sum_pss = 0
        self.one_rss = 0

    def run(self):
        while not self.done.wait(self.EVERY_S):
            total = 0
            for pid in descendants(os.getpid()):
                rss, pss = self.of(pid)
                total += pss
                self.one_rss = max(self.one_rss, rss)
            self.sum_pss = max(self.sum_pss, total)

    @staticmethod
    def of(pid):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="utf8") as file:
                text = file.read()
            return [int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) * 1024 for name in ("Rss", "Pss")]
        except (OSError, TypeError):
            return 0, 0


def take_machine():
    """Where others build on the same machine, HOMEPORT_BENCH_LOCK names a file that they lock, shared, while
    they do: nothing is measured meanwhile."""
    path = os.environ.get("HOMEPORT_BENCH_LOCK")
    if not path:
        return contextlib.nullcontext()
    lock = open(path, "a", encoding="utf8")  # pylint: disable=consider-using-with
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


class Stopwatch:
    """with Stopwatch(servers) as watch: ...  then watch.result has the seconds."""

    def __init__(self, servers):
        self.servers = servers
        self.result = {}
        self.machine = None

    def read(self):
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "server": sum(s.cpu_seconds() for s in self.servers),
            "client": own.ru_utime + own.ru_stime,
            "busy": machine_busy_seconds(),
            "wall": time.monotonic(),
        }

    def __enter__(self):
        self.machine = take_machine()
        self.memory = Memory()
        self.memory.start()
        self.before = self.read()
        return self

    def __exit__(self, *_):
        wall = time.monotonic()
        after = self.read() | {"wall": wall}
        self.memory.done.set()
        self.memory.join()
        with self.machine:
            pass
        took = {name: after[name] - self.before[name] for name in after}
        # What others on this machine took: more than some percent, and wall seconds say little.
        took["others"] = (took["busy"] - took["server"] - took["client"]) / took["wall"]
        took["pss"] = self.memory.sum_pss / MIB
        took["rss"] = self.memory.one_rss / MIB
        self.result = took


# ---- data ----

def demo_rows(table, users, first, last):
    """The statement that homeport demo fills this table with, its parameters put in."""
    params, _per_user, columns = TABLES[table]
    values = [SEED, users, users * 10, users * 100][:params] + [first, last]
    text = (ROOT / "sql" / "demo" / f"{table}.sql").read_text(encoding="utf8")
    text = re.sub(r"(?m)^\s*--.*$", "", text)
    text = re.sub(r"\$(\d)", lambda found: f"({values[int(found[1]) - 1]})", text)
    return f"INSERT INTO {table} SELECT {columns} FROM ({text}) AS made"


def fill(server, database, users):
    journal = ROOT / "examples/gitgud/src/lib/db/migrations/0000_init.sql"
    schema = journal.read_text(encoding="utf8").split("--> statement-breakpoint")
    keys = [s for s in schema if "FOREIGN KEY" in s]
    server.sql("postgres", f"CREATE DATABASE {database}")
    server.sql(database, *[s for s in schema if s not in keys],
               *[f"ALTER TABLE {t} DROP CONSTRAINT {t}_pkey" for t in TABLES])
    step = 100_000
    parts = [(table, first, first + step - 1)
             for table, (_, per_user, _) in TABLES.items() for first in range(1, users * per_user + 1, step)]
    each(2, parts, lambda part: server.sql(database, demo_rows(part[0], users, *part[1:])))
    server.sql(database, *[f"ALTER TABLE {t} ADD PRIMARY KEY ({c})" for t, c in PRIMARY_KEYS.items()],
               *INDEXES.strip().splitlines(), *keys, "VACUUM ANALYZE", "CHECKPOINT")


def each(threads, items, work):
    """work(item) for every item, so many at a time, in their order."""
    waiting = list(items)
    failures = []

    def loop():
        while waiting and not failures:
            with contextlib.suppress(IndexError):
                item = waiting.pop(0)
                try:
                    work(item)
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(error)

    started = [threading.Thread(target=loop) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    if failures:
        raise failures[0]


# ---- what a move must have brought ----

SHAPE = """SELECT string_agg(x, ' ' ORDER BY x) FROM (
    SELECT 'index ' || indexrelid::regclass AS x FROM pg_index
     WHERE indisvalid AND indrelid::regclass::text IN ('users', 'problems', 'attempts')
    UNION ALL
    SELECT 'key ' || conname FROM pg_constraint WHERE contype IN ('f', 'p') AND convalidated) AS all_of_it"""


def count_rows(server, database):
    return {t: int(server.sql(database, f"SELECT count(*) FROM {t}")) for t in TABLES}


def checksums(server, database):
    """Whatever the order of the rows."""
    found = {}

    def take(table):
        found[table] = server.sql(database, f"SELECT sum(hashtextextended(t::text, 0)::numeric) FROM {table} t")
    each(2, ["attempts", "problems", "users"], take)
    return found


class Expected:
    """The source as it is; `check` raises where a target is not equal to it."""

    def __init__(self, source, database):
        self.rows = count_rows(source, database)
        self.shape = source.sql(database, SHAPE)
        self.sums = checksums(source, database)

    def check(self, target, database, contents):
        if count_rows(target, database) != self.rows:
            raise BenchError(f"row counts differ: {count_rows(target, database)}, not {self.rows}")
        if target.sql(database, SHAPE) != self.shape:
            raise BenchError(f"indexes or keys differ: {target.sql(database, SHAPE)}\nnot {self.shape}")
        if contents and checksums(target, database) != self.sums:
            raise BenchError("contents differ")


# ---- the two servers ----

class Bench:
    """with Bench(folder, scale) as bench: two servers and the data set; a folder given is kept and
    used again, else all is taken down."""

    def __init__(self, folder, scale):
        self.kept = folder is not None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="homeport-bench."))
        self.scale = scale
        self.users = SCALES[scale]
        self.database = f"gitgud_{scale}"
        self.source = Server(self.folder / "source", "logical")
        self.target = Server(self.folder / "target", "replica")
        self.servers = [self.source, self.target]
        self.expected = None

    def __enter__(self):
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.chmod(self.folder, 0o755)
            for server in self.servers:
                if not server.data.exists():
                    server.create()
                server.start()
            self.prepare_data()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for server in self.servers:
            server.stop()
        if not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)

    def prepare_data(self):
        there = self.source.sql("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{self.database}'")
        if not there:
            say(f"data: {self.users} users, {self.users * 10} problems, {self.users * 100} attempts")
            fill(self.source, self.database, self.users)
        self.expected = Expected(self.source, self.database)

    def fresh_target(self):
        self.target.sql("postgres", "DROP DATABASE IF EXISTS moved WITH (FORCE)", "CREATE DATABASE moved",
                        "CHECKPOINT")
        self.source.sql("postgres", "CHECKPOINT")

    @contextlib.contextmanager
    def work_folder(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="work.", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def source_url(self):
        return self.source.url(self.database)

    @property
    def target_url(self):
        return self.target.url("moved")

    def copy_bytes(self):
        """Of COPY text: what figures of MB/s are usually of."""
        total = 0
        for table in TABLES:
            with subprocess.Popen([POSTGRES_BIN / "psql", "-Xq", "-d", self.source_url, "-c",
                                   f"COPY {table} TO STDOUT"], stdout=subprocess.PIPE) as psql:
                while chunk := psql.stdout.read(MIB):
                    total += len(chunk)
        return total


# ---- the peer ----

@functools.cache
def find_pgcopydb():
    """$PGCOPYDB, else what is installed, else Debian's package. With its version."""
    path = os.environ.get("PGCOPYDB") or shutil.which("pgcopydb")
    if not path:
        say("pgcopydb: installing Debian's package; PGCOPYDB=path names another")
        run("apt-get", "-q", "-y", "--no-install-recommends", "install", "pgcopydb",
            env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        path = shutil.which("pgcopydb")
    text = run(path, "--version")
    version = re.search(r"pgcopydb version (\S+)", text)[1]
    origin = "" if os.environ.get("PGCOPYDB") else ", Debian's package"
    return path, version, origin


# ---- words ----

def say(text):
    print(text, file=sys.stderr, flush=True)


@functools.cache
def homeport_program():
    path = pathlib.Path(os.environ.get("HOMEPORT_BIN", ROOT / "build" / "homeport"))
    if not path.exists():
        raise BenchError(f"{path} is missing: meson setup build && ninja -C build")
    if "HOMEPORT_BIN" not in os.environ:
        run("ninja", "-C", ROOT / "build", "homeport")
    return path.resolve()


def clean_environment():
    """Ours may hold settings of homeport."""
    return {name: value for name, value in os.environ.items() if not name.startswith("HOMEPORT_")}


def machine():
    with open("/proc/cpuinfo", encoding="utf8") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    with open("/proc/meminfo", encoding="utf8") as file:
        memory = int(re.search(r"MemTotal:\s+(\d+)", file.read())[1]) / 1024 / 1024
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return (f"{os.cpu_count()} cores ({model[1].strip() if model else platform.machine()}), "
            f"{memory:.0f} GB, {release}, Linux {platform.release().split('-')[0]}")


def postgres_version():
    return re.search(r"\d+\.\d+", run(POSTGRES_BIN / "postgres", "--version"))[0]


def homeport_version():
    """With the commit, where the program was built from what is committed."""
    version = run(homeport_program(), "version", env=clean_environment()).split()[1]
    if "HOMEPORT_BIN" in os.environ:
        return version
    commit = run("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip()
    changed = run("git", "-C", ROOT, "status", "--porcelain", "--", "src", "sql").strip()
    return f"{version} ({commit}{' and changes' if changed else ''})"


def median(results, name):
    return statistics.median(r[name] for r in results)


def write_block(name, text):
    """Puts the table between its two marks in docs/benchmarks.md; all else there is written by hand."""
    path = ROOT / "docs" / "benchmarks.md"
    begin, end = f"<!-- bench/{name}: begin -->", f"<!-- bench/{name}: end -->"
    old = path.read_text(encoding="utf8")
    if begin not in old or end not in old:
        raise BenchError(f"{path.name} has no place for the table: {begin} ... {end}")
    head, rest = old.split(begin, 1)
    tail = rest.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n{text.strip()}\n{end}{tail}", encoding="utf8")
    say(f"docs/{path.name} has the table")
