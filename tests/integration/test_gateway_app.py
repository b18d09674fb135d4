"""examples/gitgud, a Next.js app on Neon's driver, built once and told by its environment alone that
its database has moved: on Node 22, in the Node and the edge runtime, at rest and through a live move."""

import contextlib
import json
import subprocess

import pytest

import wait
from apps import ROOT, App, Site, needs_names, provided
from live import Live

JOURNAL = ROOT / "examples/gitgud/src/lib/db/migrations/0000_init.sql"

pytestmark = needs_names


@pytest.fixture(scope="session")
def clients():
    return provided("neon-clients.sh")


@pytest.fixture(scope="session")
def built():
    return provided("gitgud-app.sh")


def with_journal(server, name=None):
    """A database of the app's role, with the tables that its journal makes."""
    if not server.sql("SELECT 1 FROM pg_roles WHERE rolname = 'app'"):
        server.sql("CREATE ROLE app LOGIN PASSWORD 'pw-of-role'")
    database = server.create_db(name, "OWNER app")
    database.script("SET ROLE app;" + JOURNAL.read_text(encoding="utf-8"))
    return database


def test_a_next_app_runs_unchanged_on_node_and_edge(homeport, servers, clients, built, tmp_path):
    server = servers.get(15, "target")
    app = App(homeport, server, clients, tmp_path, database=with_journal(server))
    with Site(app, built) as site:
        done = subprocess.run(site.client("check"), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr + site.log.read_text(encoding="utf-8")
    out = json.loads(done.stdout)
    assert out["health"] == {"status": 200, "body": {"status": "ok"}}
    assert out["stranger"] == [401, 401, "/sign-in"] and out["forged"] == 401
    assert out["empty"] == [] and out["pageAdd"] == [303, "/"] and out["pageList"] == ["Two <Sum>"]
    assert out["pageRefused"] == [303, "difficulty is one of easy, medium, hard"]
    assert out["listed"] == {"title": "Two <Sum>", "difficulty": "easy", "tags": ["arrays", "hash table"], "attempts": 0, "dated": True}
    assert out["pageAttempt"] == 303 and out["pageAttempts"]
    assert out["made"] == [201, "Gräfin ✓", ["graphs"]]
    assert out["attempt"] == [201, "partial", "a\\b\n\t'c'"]
    assert out["changed"] == "solved" and out["attempts"] == [["solved", 50]]
    assert out["bad"] == [[400, "title is missing"], [400, "status is one of solved, partial, failed"]] and out["missing"] == 404
    assert out["edge"] == [201, "Edge", "solved", True]
    assert out["edgeList"] == [["Edge", "solved", 5], ["Gräfin ✓", "solved", 50], ["Two <Sum>", "failed", 30]]
    assert out["stats"] == {"problems": 3, "attempts": 3, "solved": 2, "minutes": 85}
    assert out["others"] == [[], 404, 404, 404] and out["removed"] == [200, 2]
    assert app.gate.db.sql("SELECT clerk_id, email FROM users") == [("local:ann@example.com", "ann@example.com")]
    assert sorted(app.gate.db.sql("SELECT title, count(a.id) FROM problems p LEFT JOIN attempts a ON a.problem_id = p.id GROUP BY 1")) == [
        ("Edge", 1), ("Gräfin ✓", 1)]


def test_its_health_says_that_the_database_is_gone_and_is_back(homeport, servers, clients, built, tmp_path):
    server = servers.new(15)
    app = App(homeport, server, clients, tmp_path, database=with_journal(server))
    with Site(app, built) as site:
        assert site.get("/api/health")[0] == 200
        server.stop()
        assert site.get("/api/health") == (503, '{"status":"no database"}')
        server.start()
        wait.until(lambda: site.get("/api/health")[0] == 200, 30, "the app finds its database again")


class Users(contextlib.AbstractContextManager):
    """tests/e2e/gitgud.mjs load."""

    def __init__(self, site, log):
        self.log = log
        with open(log, "wb") as err:
            self.process = subprocess.Popen(site.client("load"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True)

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def go_on(self, count, what):
        """Until each of them has done some more, or one has failed."""
        before = self.ask()["turns"]

        def there():
            now = self.ask()
            assert now["failed"] == [], what
            return len(now["turns"]) == 5 and all(now["turns"][name] >= before.get(name, 0) + count for name in now["turns"])
        wait.until(there, 60, f"the users go on {what}")

    def end(self):
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.log.read_text(encoding="utf-8")
        return json.loads(out.splitlines()[-1])

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def test_no_request_to_the_app_fails_through_cutover_and_rollback(homeport, servers, clients, built, tmp_path):
    source_server, target_server = servers.get(15, "source"), servers.get(15, "target")
    source = with_journal(source_server, "journal")
    target_server.sql("CREATE ROLE app LOGIN PASSWORD 'pw-of-role'")
    target = target_server.create_db("journal", "OWNER app")
    app = App(homeport, source_server, clients, tmp_path, database=source)
    live = Live(homeport, source, target, env={"HOMEPORT_GATEWAY_ADMIN": app.gate.admin})
    with Site(app, built) as site, Users(site, tmp_path / "users.log") as users:
        users.go_on(3, "at first")
        live.start()
        live.caught_up()
        for verb in ("cutover", "rollback", "cutover"):
            live.ok(verb)
            users.go_on(5, f"after {verb}")
        seen = users.end()
        assert seen["failed"] == []
    assert sorted(row[0] for row in target.sql("SELECT title FROM problems")) == sorted(seen["problems"])
    assert sorted(row[0] for row in target.sql("SELECT id::text FROM attempts")) == sorted(seen["attempts"])
    live.applied_past(target)
    assert source.sql("SELECT count(*) FROM attempts") == [(len(seen["attempts"]),)]
    live.ok("finish")
    assert live.mover.wait().rc == 0
    assert app.gate.stop().rc == 0
