"""Programs of npm behind a gateway: only their environment is ours.

Their hosts file is too, which takes a mount namespace and so root: the driver derives names and
always uses port 443.
"""

import json
import os
import pathlib
import signal
import subprocess

import pytest

import gateway as gw
import server as postgres
import wait

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "tests" / "e2e"
NAMES = ["pg.db.internal", "api.db.internal", "app-pooler.db.internal", "neondb"]
# sh -c ENTER sh HOSTS PROGRAM...
ENTER = 'mount --bind "$1" /etc/hosts && shift && exec "$@"'


def can_have_names():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


needs_names = pytest.mark.skipif(not can_have_names(), reason="a hosts file of one's own takes root and unshare")


def provided(script):
    """The folder that a script of scripts/ fills and prints."""
    out = subprocess.run([ROOT / "scripts" / script], check=True, stdout=subprocess.PIPE, text=True).stdout
    return pathlib.Path(out.strip())


class App:
    """A program with names that lead to the gateway, and its CA."""

    def __init__(self, homeport, server, clients, tmp_path, database=None):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
        self.address = f"127.77.{worker + 1}.{os.getpid() % 250 + 1}"
        users = tmp_path / "users.txt"
        users.write_text('"app" "pw-of-role"\n', encoding="utf-8")
        self.gate = gw.Gateway(homeport, server, f"--listen={self.address}:443", f"--listen-pg={self.address}:5432",
                               f"--names={','.join(NAMES)}", roles_file=users, database=database)
        self.clients, self.tmp_path = clients, tmp_path
        self.hosts = tmp_path / "hosts"
        self.hosts.write_text(f"{self.address} {' '.join(NAMES)}\n127.0.0.1 localhost\n", encoding="utf-8")

    def url(self, host="pg.db.internal", query=""):
        return f"postgresql://app:pw-of-role@{host}/{self.gate.db.name}{query}"

    def environment(self, more=None):
        return {"PATH": os.environ["PATH"], "HOME": str(self.tmp_path), "NODE_EXTRA_CA_CERTS": str(self.gate.ca),
                "DATABASE_URL": self.url(), "TZ": "UTC", **(more or {})}

    def argv(self, *argv):
        return ["unshare", "-m", "sh", "-c", ENTER, "sh", str(self.hosts), *map(str, argv)]

    def run(self, *argv, env=None, cwd=None, timeout=120):
        done = subprocess.run(self.argv(*argv), cwd=cwd or self.tmp_path, timeout=timeout, env=self.environment(env),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def script(self, name, folder, **kwargs):
        node = kwargs.pop("node", "node")
        return json.loads(self.run(node, CLIENTS / name, self.clients / folder, **kwargs).splitlines()[-1])


class Site:
    """examples/gitgud as it was built, serving on a port of its own; for a with statement."""

    def __init__(self, app, built, env=None):
        self.port = postgres.free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.node = app.clients / "node22/node_modules/.bin/node"
        self.log = app.tmp_path / "site.log"
        self.argv = app.argv(self.node, built / "server.js")
        self.env = app.environment({"PORT": str(self.port), "HOSTNAME": "127.0.0.1", "NODE_ENV": "production",
                                    "SESSION_SECRET": "of this test", **(env or {})})
        self.process = None

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.argv, cwd="/", env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT, start_new_session=True)
        try:
            wait.until(self._answers, 60, "the app listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
        try:
            return self.get("/sign-in")[0] == 200
        except OSError:
            return False

    def get(self, path):
        return gw.get(self.port, path, timeout=60)

    def client(self, mode):
        """tests/e2e/gitgud.mjs, which uses the app as browsers and scripts do."""
        return [str(self.node), str(CLIENTS / "gitgud.mjs"), self.base, mode]
