"""Throwaway PostgreSQL servers of every supported version.

A Server is one cluster in a folder of its own, listening on 127.0.0.1 and on a socket in that
folder. Local connections are trusted (the tests' own way in), TCP asks for a password by SCRAM (the
way homeport comes in). A ServerPool starts servers when first asked for and keeps them for the
session; after each test it takes away what the test left on them.
"""

import contextlib
import ctypes
import datetime
import os
import pathlib
import random
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
from urllib.parse import quote, urlencode

import psycopg2

import wait

ROOT = pathlib.Path(__file__).resolve().parents[2]
SUPERUSER = "postgres"
PSQL = "/usr/lib/postgresql/15/bin/psql"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "full_page_writes": "off",
    "wal_level": "logical",
    "max_wal_senders": 10,
    "max_replication_slots": 10,
    "max_prepared_transactions": 10,
    "max_connections": 80,
    "shared_buffers": "32MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "logging_collector": "off",
}

HBA = """\
local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 scram-sha-256
host  replication all 127.0.0.1/32 scram-sha-256
"""


def as_server_user():
    """The server refuses to run as root; Popen arguments that make it the user postgres."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def server_environment():
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}


def end_with_parent():
    """Whatever way the test run dies, its servers shut down (PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


def free_port():
    """Below the range that the kernel gives to clients, so that nobody takes it by chance."""
    for _ in range(200):
        port = random.randint(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


def provided(*versions):
    """{version: folder of programs}, made by scripts/servers.sh where missing."""
    out = subprocess.run(
        [ROOT / "scripts/servers.sh", *map(str, versions)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    rows = (line.split("\t") for line in out.splitlines())
    return {int(version): pathlib.Path(folder) for version, folder in rows}


def make_url(host, port, dbname, user, password, **params):
    login = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
    query = "?" + urlencode(params) if params else ""
    return f"postgresql://{login}@{host}:{port}/{quote(dbname, safe='')}{query}"


class Server:
    def __init__(self, version, bin_dir, folder, settings=None, initdb=(), template=None):
        self.version = version
        self.bin_dir = pathlib.Path(bin_dir)
        self.dir = pathlib.Path(folder)
        self.data_dir = self.dir / "data"
        self.socket_dir = self.dir
        self.log_path = self.dir / "log"
        self.port = free_port()
        # Random, so that finding it in any output of homeport proves a leak.
        self.password = "pw" + secrets.token_hex(8)
        self.process = None
        self.environment = server_environment()
        self._settings = {**SETTINGS, **(settings or {})}
        self.dir.mkdir(mode=0o755)
        if os.geteuid() == 0:
            shutil.chown(self.dir, "postgres", "postgres")
        if template:
            self._run("cp", "-a", "--reflink=auto", str(template), str(self.data_dir))
        else:
            self.initdb(self.bin_dir, self.data_dir, initdb)

    @staticmethod
    def initdb(bin_dir, data_dir, args=()):
        locale = [] if any("locale" in arg for arg in args) else ["--locale=C.UTF-8"]
        encoding = [] if any("encoding" in arg for arg in args) else ["--encoding=UTF8"]
        subprocess.run(
            [bin_dir / "initdb", "-D", data_dir, "-U", SUPERUSER, "--no-sync", "--auth=trust", *locale, *encoding, *args],
            check=True, env=server_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            cwd="/", **as_server_user(),
        )
        # Not by initdb, which then wants a password for the superuser: that is set at each start.
        (pathlib.Path(data_dir) / "pg_hba.conf").write_text(HBA, encoding="utf-8")

    @staticmethod
    def _run(*argv):
        subprocess.run(argv, check=True, env=server_environment(), cwd="/", **as_server_user())

    # -- running it

    def _write_settings(self):
        settings = {**self._settings, "port": self.port, "unix_socket_directories": str(self.socket_dir)}
        lines = [f"{name} = '{str(value)}'\n" for name, value in settings.items()]
        conf = self.data_dir / "postgresql.conf"
        marker = "# -- the test's own\n"
        text = conf.read_text(encoding="utf-8").split(marker)[0] + marker + "".join(lines)
        conf.write_text(text, encoding="utf-8")

    def start(self):
        """Returns when the server answers."""
        assert not self.running, "already running"
        for _ in range(5):
            self._write_settings()
            with open(self.log_path, "ab") as log:
                start_of_log = log.tell()
                self.process = subprocess.Popen(
                    [self.bin_dir / "postgres", "-D", self.data_dir], stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, cwd="/", env=self.environment,
                    start_new_session=True, preexec_fn=end_with_parent, **as_server_user(),
                )
            if wait.until(lambda: self.process.poll() is not None or self._answers(), 60, "server start"):
                if self.process.poll() is None:
                    self.sql(f"ALTER ROLE {SUPERUSER} PASSWORD %s", (self.password,))
                    return self
            failure = self.log_path.read_text(encoding="utf-8", errors="replace")[start_of_log:]
            if "Address already in use" not in failure:
                raise AssertionError(f"PostgreSQL {self.version} did not start:\n{failure}")
            self.port = free_port()
        raise AssertionError("no port could be had")

    def _answers(self):
        try:
            self.connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    def stop(self, mode="fast"):
        """smart, fast or immediate, as pg_ctl's."""
        if self.running:
            signals = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}
            self.process.send_signal(signals[mode])
            self.process.wait(60)

    def kill(self):
        """The machine's power is cut: postmaster and all its processes at once."""
        with contextlib.ExitStack() as opened:
            children = []
            for pid in self._children():
                with contextlib.suppress(ProcessLookupError):
                    children.append(os.pidfd_open(pid))
                    opened.callback(os.close, children[-1])
            self.process.kill()
            self.process.wait(10)
            # Not by their ids: where many tests run, another server's process has one as soon as it is free.
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(child, signal.SIGKILL)
            for child in children:
                assert select.select([child], [], [], 10)[0], "a backend is left"

    def _children(self):
        text = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in text.split()]

    def freeze(self):
        """Stops every process where it is: connections stay open and nothing answers."""
        for pid in [self.pid, *self._children()]:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in [*self._children(), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def restart(self, mode="fast", **settings):
        """With other settings; one of None goes back to PostgreSQL's default."""
        self.stop(mode)
        self._settings = {k: v for k, v in {**self._settings, **settings}.items() if v is not None}
        return self.start()

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def said_since(self, when, count=25, width=300):
        """The last entries of its log since `when`, in seconds since 1970."""
        since = f"{datetime.datetime.fromtimestamp(when, datetime.timezone.utc):%Y-%m-%d %H:%M:%S}"
        entries = [line[:width] for line in self.log().splitlines() if line[:1].isdigit() and line >= since]
        return "\n".join(entries[-count:])

    def remove(self):
        if self.running:
            self.thaw()
            self.stop("immediate")
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- using it

    def url(self, dbname="postgres", user=SUPERUSER, password=None, **params):
        """For homeport: over TCP, with a password."""
        if password is None and user == SUPERUSER:
            password = self.password
        return make_url("127.0.0.1", self.port, dbname, user, password, **params)

    def connect(self, dbname="postgres", user=SUPERUSER, autocommit=True, application_name="test"):
        """For the test itself: over the socket, without a password."""
        conn = psycopg2.connect(
            host=str(self.socket_dir), port=self.port, dbname=dbname, user=user,
            application_name=application_name,
        )
        conn.autocommit = autocommit
        return conn

    def sql(self, query, params=None, dbname="postgres", user=SUPERUSER):
        """Runs it and returns the rows, [] where there are none."""
        with contextlib.closing(self.connect(dbname, user)) as conn, conn.cursor() as cursor:
            assert not query.lstrip().startswith("SELECT FROM"), "rows of no column are not told from no row"
            cursor.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    def value(self, query, params=None, dbname="postgres"):
        return self.sql(query, params, dbname)[0][0]

    def script(self, text, dbname="postgres", user=SUPERUSER):
        """A file's worth of SQL through psql; stops at the first error."""
        done = subprocess.run(
            [PSQL, "-Xq", "-v", "ON_ERROR_STOP=1", "-h", self.socket_dir, "-p", str(self.port),
             "-U", user, "-d", dbname, "-f", "-"],
            input=text, text=True, capture_output=True, env=server_environment(), cwd="/", check=False,
        )
        assert done.returncode == 0, f"script failed on {self.version}:\n{done.stderr}"
        return done.stdout

    def create_db(self, name=None, options=""):
        """options: the rest of CREATE DATABASE, as "OWNER x ENCODING 'LATIN1' TEMPLATE template0"."""
        name = name or "db_" + secrets.token_hex(4)
        quoted = '"' + name.replace('"', '""') + '"'
        self.sql(f"CREATE DATABASE {quoted} {options}")
        return Database(self, name)

    def clean(self):
        """Takes away what a test left: transactions, slots, databases, roles, settings."""
        if not self.running:
            self.start()
        self.thaw()
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND (backend_type = 'client backend' OR backend_type = 'walsender')"
        )
        for gid, dbname in self.sql("SELECT gid, database FROM pg_prepared_xacts"):
            self.sql("ROLLBACK PREPARED %s", (gid,), dbname)
        for (slot,) in self.sql("SELECT slot_name FROM pg_replication_slots"):
            wait.until(lambda: not self.value(
                "SELECT active FROM pg_replication_slots WHERE slot_name = %s", (slot,)), 10, "slot free")
            self.sql("SELECT pg_drop_replication_slot(%s)", (slot,))
        for name, dbname in self.sql(
                "SELECT quote_ident(subname), datname FROM pg_subscription AS s JOIN pg_database AS d ON d.oid = s.subdbid"):
            self.sql(f"ALTER SUBSCRIPTION {name} DISABLE", dbname=dbname)
            self.sql(f"ALTER SUBSCRIPTION {name} SET (slot_name = NONE)", dbname=dbname)
            self.sql(f"DROP SUBSCRIPTION {name}", dbname=dbname)
        for (name,) in self.sql("SELECT quote_ident(datname) FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'"):
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")
        for (name,) in self.sql("SELECT quote_ident(spcname) FROM pg_tablespace WHERE spcname !~ '^pg_'"):
            self.sql(f"DROP TABLESPACE {name}")
        for (name,) in self.sql("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> %s", (SUPERUSER,)):
            self.sql(f"DROP OWNED BY {name}")
            self.sql(f"DROP ROLE {name}")
        if (self.data_dir / "postgresql.auto.conf").read_text(encoding="utf-8").count("\n") > 2:
            self.sql("ALTER SYSTEM RESET ALL")
            self.sql("SELECT pg_reload_conf()")


class Database:
    """One database of a server, by default reached as the superuser."""

    def __init__(self, server, name):
        self.server = server
        self.name = name

    @property
    def url(self):
        return self.url_as()

    def url_as(self, user=SUPERUSER, password=None, **params):
        return self.server.url(self.name, user, password, **params)

    def connect(self, user=SUPERUSER, autocommit=True, **options):
        return self.server.connect(self.name, user, autocommit, **options)

    def sql(self, query, params=None, user=SUPERUSER):
        return self.server.sql(query, params, self.name, user)

    def value(self, query, params=None):
        return self.server.value(query, params, self.name)

    def script(self, text, user=SUPERUSER):
        return self.server.script(text, self.name, user)

    def role(self, name, attributes="LOGIN", password="pw-of-role"):
        """A role of the server; gone after the test."""
        self.server.sql(f'CREATE ROLE "{name}" {attributes} PASSWORD %s', (password,))
        return self.url_as(name, password)

    def tables(self):
        """Quoted names of everything that holds rows of its own, sorted."""
        return [row[0] for row in self.sql(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
            " ORDER BY 1")]

    def contents(self):
        """{table: (rows, checksum)} and {sequence: value}, without any help of homeport's: what the
        tests compare two databases by."""
        found = {}
        with contextlib.closing(self.connect()) as conn, conn.cursor() as cursor:
            cursor.execute(
                "SET search_path = ''; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';"
                " SET extra_float_digits = 3; SET bytea_output = 'hex'; SET TimeZone = 'UTC'")
            cursor.execute(
                "SELECT c.oid::regclass::text, c.relkind FROM pg_catalog.pg_class c"
                "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                " WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname !~ '^pg_'"
                "   AND n.nspname <> 'information_schema'")
            for name, kind in cursor.fetchall():
                if kind == "S":
                    cursor.execute(f"SELECT last_value, is_called FROM {name}")
                else:
                    # Summed hashes: no sort, no string as long as the table, order of rows is no matter.
                    cursor.execute(
                        f"SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(t::text, 0)::numeric)"
                        f" FROM ONLY {name} AS t" if kind == "r" else
                        f"SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtextextended(t::text, 0)::numeric)"
                        f" FROM {name} AS t")
                found[name] = cursor.fetchone()
        return found


class ServerPool:
    def __init__(self, bins):
        self.bins = bins
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="homeport-test-"))
        self.base.chmod(0o755)
        self._shared = {}
        self._own = []
        self._templates = {}
        self._count = 0

    def _template(self, version):
        """initdb takes over a second, a copy of its result a tenth of that."""
        if version not in self._templates:
            folder = self.base / f"template-{version}"
            folder.mkdir()
            if os.geteuid() == 0:
                shutil.chown(folder, "postgres", "postgres")
            Server.initdb(self.bins[version], folder / "data")
            self._templates[version] = folder / "data"
        return self._templates[version]

    def _make(self, version, settings, initdb):
        self._count += 1
        folder = self.base / f"{version}-{self._count}"
        template = None if initdb else self._template(version)
        server = Server(version, self.bins[version], folder, settings, initdb, template)
        return server

    def get(self, version, side="source"):
        """The session's server of this version; source and target sides are two servers."""
        key = (version, side)
        if key not in self._shared:
            self._shared[key] = self._make(version, None, ())
        server = self._shared[key]
        if not server.running:
            server.start()
        return server

    def new(self, version, settings=None, initdb=(), start=True):
        """A server of the test's own, gone after it: for other settings, for stopping and killing."""
        server = self._make(version, settings, initdb)
        self._own.append(server)
        return server.start() if start else server

    def clean(self):
        for server in self._own:
            server.remove()
        self._own.clear()
        for key, server in list(self._shared.items()):
            try:
                server.clean()
            except Exception:  # a server that a test broke must not fail the next ones
                server.remove()
                del self._shared[key]

    def all(self):
        return [*self._shared.values(), *self._own]

    def passwords(self):
        return [server.password for server in self.all()]

    def remove(self):
        for server in self.all():
            server.remove()
        self._own.clear()
        self._shared.clear()
        shutil.rmtree(self.base, ignore_errors=True)
