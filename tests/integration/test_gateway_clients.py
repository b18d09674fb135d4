"""Unmodified programs of npm against the gateway (see apps.py).

What the real service answers was recorded beforehand; where only its documentation or its source
says so, the test's comment does.
"""

import json
import shutil
import subprocess

import pytest

import gateway as gw
from apps import CLIENTS, ROOT, App, needs_names, provided

DRIVERS = ["driver-1.2", "driver-0.10", "driver-0.9"]

pytestmark = needs_names


@pytest.fixture(scope="session")
def clients():
    return provided("neon-clients.sh")


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


def test_pools_go_on_behind_another_server(homeport, servers, clients, tmp_path):
    old, new = gw.two_sides(servers)
    app = App(homeport, old, clients, tmp_path, database=gw.postgres.Database(old, "shop"))
    argv = app.argv("node", CLIENTS / "pools.mjs", clients / "driver-1.2")
    with subprocess.Popen(argv, env=app.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as pools:
        def say(word):
            pools.stdin.write(word + "\n")
            pools.stdin.flush()

        def ask(word="ask"):
            say(word)
            return json.loads(pools.stdout.readline())

        def everywhere(name):
            return {"http": name, "websocket": [name] * 4, "tcp": [name] * 4}
        assert ask() == everywhere("old")
        assert app.gate.ask("switch", f"--to=postgresql://127.0.0.1:{new.port}/").rc == 0
        gw.eventually(app.gate, lambda: ask("lost") == {"websocket": ["57P01"] * 4, "tcp": ["57P01"] * 4}, "idle ones have ended")
        assert ask() == everywhere("new")
        # Asked while it is paused, they wait and find the other server.
        assert app.gate.ask("pause").rc == 0
        gw.eventually(app.gate, lambda: len(ask("lost")["tcp"]) == 8, "idle ones have ended again")
        say("ask")
        gw.eventually(app.gate, lambda: app.gate.ask("status").json["waiting"] > 0, "they wait")
        assert app.gate.ask("switch", f"--to=postgresql://127.0.0.1:{old.port}/").rc == 0
        assert app.gate.ask("resume").rc == 0
        assert json.loads(pools.stdout.readline()) == everywhere("old")
        pools.stdin.close()
        assert pools.wait(20) == 0


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


def test_prisma_through_5432(app, tmp_path):
    """Prisma's client with the adapter for pg. Prisma Migrate is a program that npm does not have."""
    project = tmp_path / "prisma"
    project.mkdir()
    shutil.copy(CLIENTS / "schema.prisma", project)
    (project / "prisma.config.ts").write_text('export default { schema: "schema.prisma" };\n', encoding="utf-8")
    (project / "node_modules").symlink_to(app.clients / "prisma/node_modules")
    node = app.clients / "node22/node_modules/.bin/node"
    # Given an engine, the generator fetches none; it uses none.
    app.run(node, "node_modules/prisma/build/index.js", "generate", cwd=project,
            env={"PRISMA_SCHEMA_ENGINE_BINARY": "/bin/true", "CHECKPOINT_DISABLE": "1"})
    url = app.url(query="?sslmode=verify-full")
    out = json.loads(app.run(node, CLIENTS / "prisma.mjs", project, env={"DATABASE_URL": url}))
    assert out["nested"] == {"id": 1, "name": "red", "players": [
        {"name": "ann", "score": "9007199254740993n"}, {"name": "bob", "score": "0n"}]}
    assert out["many"] == {"count": 2}
    assert out["filtered"] == [["ann", None, True], ["dee", {"deep": [1, None, "ü"]}, True]]
    assert out["grouped"] == [[1, 3], [None, 1]] and out["bytes"] == "00ff" and out["unique"] == "P2002"
    assert (out["batch"], out["rolledBack"], out["interactive"]) == (2, "no", 3)
    assert out["teams"] == ["red", "blue"] and out["raw"] == [{"n": 42}] and out["parallel"] == list(range(20))


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
