"""Unmodified programs of npm against the gateway: only their environment is ours.

Their hosts file is too, which takes a mount namespace and so root: the driver derives names and
always uses port 443. What the real service answers was recorded beforehand; where only its
documentation or its source says so, the test's comment does.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

import gateway as gw

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "e2e"
DRIVERS = ["driver-1.2", "driver-0.10", "driver-0.9"]
NAMES = ["pg.db.internal", "api.db.internal", "app-pooler.db.internal", "neondb"]


def can_have_names():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_have_names(), reason="a hosts file of one's own takes root and unshare")


@pytest.fixture(scope="session")
def clients():
    out = subprocess.run([ROOT / "scripts/neon-clients.sh"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return pathlib.Path(out.strip())


class App:
    """A program with names that lead to the gateway, and its CA."""

    def __init__(self, homeport, server, clients, tmp_path):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        self.address = f"127.77.{worker + 1}.{os.getpid() % 250 + 1}"
        users = tmp_path / "users.txt"
        users.write_text('"app" "pw-of-role"\n', encoding="utf-8")
        self.gate = gw.Gateway(homeport, server, f"--listen={self.address}:443", f"--listen-pg={self.address}:5432",
                               f"--names={','.join(NAMES)}", roles_file=users)
        self.clients, self.tmp_path = clients, tmp_path
        self.hosts = tmp_path / "hosts"
        self.hosts.write_text(f"{self.address} {' '.join(NAMES)}\n127.0.0.1 localhost\n", encoding="utf-8")

    def url(self, host="pg.db.internal", query=""):
        return f"postgresql://app:pw-of-role@{host}/{self.gate.db.name}{query}"

    def run(self, *argv, env=None, cwd=None, timeout=120):
        script = f"mount --bind {self.hosts} /etc/hosts && exec \"$@\""
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", *map(str, argv)], cwd=cwd or self.tmp_path, timeout=timeout,
            env={"PATH": os.environ["PATH"], "HOME": str(self.tmp_path), "NODE_EXTRA_CA_CERTS": str(self.gate.ca),
                 "DATABASE_URL": self.url(), "TZ": "UTC", **(env or {})},
            capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def script(self, name, folder, **kwargs):
        node = kwargs.pop("node", "node")
        return json.loads(self.run(node, CLIENTS / name, self.clients / folder, **kwargs).splitlines()[-1])


@pytest.fixture
def app(homeport, servers, clients, tmp_path):
    return App(homeport, servers.get(15, "target"), clients, tmp_path)


def check_driver(out, driver):
    assert out["values"] == {
        "i": 1, "t": "x", "n": None, "big": "9007199254740993", "num": "1.10", "b": True, "j": {"a": [1]},
        "ia": [1, 2, None], "ta": ["a,b", 'c"d'], "ts": "2024-01-02T03:04:05.678Z", "by": "00ff"}
    assert out["full"]["rows"] == [{"a": 1, "b": 2}] and out["full"]["command"] == "SELECT" and out["full"]["rowCount"] == 1
    assert out["array"] == [[1, 2]]
    assert (out["insert"]["command"], out["insert"]["rowCount"], out["insert"]["rows"]) == ("INSERT", 2, [{"id": 1}, {"id": 2}])
    unique = out["unique"]
    assert (unique["name"], unique["code"], unique["constraint"], unique["table"], unique["schema"]) == (
        "NeonDbError", "23505", "e2e_pkey", "e2e", "public")
    assert unique["detail"] == "Key (id)=(1) already exists."
    assert (out["notnull"]["code"], out["notnull"]["column"]) == ("23502", "v")
    assert (out["syntax"]["code"], out["syntax"]["position"]) == ("42601", "1")
    assert out["password"]["code"] == "28P01" and "password authentication failed" in out["password"]["message"]
    assert out["batch"] == [[], [{"n": 3}]]
    assert out["batchError"]["code"] == "22012"
    assert out["isolation"] == [[{"transaction_isolation": "repeatable read"}], [{"transaction_read_only": "on"}]]
    assert out["after"] == [{"id": 1}, {"id": 2}, {"id": 4}]
    # A bug of 0.9.5 that the real service lets show as well.
    assert out["buffer"] == ('{"type":"Buffer","data":[0,255]}' if driver == "driver-0.9" else "\\x00ff")
    assert out["large"] == 1000000
    # Which status the real service has here is from its documentation.
    assert "HTTP status 413" in out["tooLarge"]["message"] and "HTTP status 507" in out["resultTooLarge"]["message"]
    assert out["pool"] == [{"n": 42}] and out["session"] == [{"a": 1}] and out["notification"] == "hello"
    assert out["poolPassword"]["code"] == "28P01"


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("host", ["pg.db.internal", "neondb"])
def test_neons_driver(app, driver, host):
    url = app.url(host, "?sslmode=require&channel_binding=require&options=endpoint%3Dep-x")
    check_driver(app.script("driver.mjs", driver, env={"DATABASE_URL": url, "USE_WS": "1"}), driver)


def test_neons_driver_on_node_22_with_its_own_websocket(app):
    node = app.clients / "node22/node_modules/.bin/node"
    check_driver(app.script("driver.mjs", "driver-1.2", node=node), "driver-1.2")


@pytest.mark.parametrize("driver", DRIVERS)
def test_drizzle_over_http_websocket_and_tcp(app, driver):
    out = app.script("drizzle.mjs", driver)
    assert out["inserted"] == [{"id": 1, "name": "ann"}, {"id": 2, "name": "bob"}]
    assert out["relational"] == [{"name": "ann", "posts": 2, "date": True}, {"name": "bob", "posts": 0, "date": True}]
    assert out["updated"] == [{"name": "anna"}] and out["batch"] == [1, 3] and out["code"] == "23505"
    assert out.get("count", 3) == 3
    assert (out["transaction"], out["rolledBack"], out["left"]) == (4, "TransactionRollbackError", 4)
    assert out["pg"] == [{"n": 4}]


def test_vercel_postgres(app):
    env = {"POSTGRES_URL": app.url("app-pooler.db.internal"), "POSTGRES_URL_NON_POOLING": app.url()}
    assert app.script("vercel.mjs", "vercel", env=env) == {"sql": [{"n": 7}], "pool": [{"n": 8}], "client": [{"n": 9}]}


def test_drizzle_kit_migrates_with_neons_driver_alone(app, tmp_path):
    project = tmp_path / "app"
    shutil.copytree(ROOT / "examples/gitgud", project, ignore=shutil.ignore_patterns("node_modules", ".next"))
    (project / "node_modules").symlink_to(app.clients / "kit/node_modules")
    for _ in range(2):
        app.run("node", "node_modules/drizzle-kit/bin.cjs", "migrate", cwd=project)
    assert app.gate.db.value("select count(*) from drizzle.__drizzle_migrations") == 1
    assert app.gate.db.value("select count(*) from information_schema.tables where table_schema = 'public'") == 3


def test_pgbench_through_5432(app):
    pgbench = "/usr/lib/postgresql/15/bin/pgbench"
    env = {"PGPASSWORD": "pw-of-role", "PGSSLMODE": "verify-full", "PGSSLROOTCERT": str(app.gate.ca), "PGHOST": "pg.db.internal",
           "PGUSER": "app"}
    app.run(pgbench, "-i", "-q", "-s", "1", app.gate.db.name, env=env)
    for mode in ("simple", "extended", "prepared"):
        app.run(pgbench, "-n", "-M", mode, "-c", "4", "-t", "50", app.gate.db.name, env=env)


def test_doctor_finds_a_certificate_that_lacks_a_name(app):
    script = ["gateway", "doctor", app.url(), f"--dir={app.gate.dir}", "--json"]
    out = app.run(app.gate.homeport.binary, *script, env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert all(check["ok"] for check in json.loads(out)["checks"])
