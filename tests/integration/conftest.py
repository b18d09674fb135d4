"""What the integration tests are given.

servers    ServerPool: get(version, side) shared, new(version, settings=...) the test's own
database   database(version, side="source", name=None, options="") -> an empty Database
pair       pair(15, 17) -> source and target, empty databases on two servers
homeport   runs the program: homeport("verify", "--json", source=a, target=b) -> Result
proxy      proxy(server) -> a relay whose connections can be cut
pg_bin     pg_bin(17) -> that version's programs; 15 and 17 have pg_dump

The program is $HOMEPORT_BIN, else build/homeport. One file's worth of help is in each module:
server.py, program.py, proxy.py, wait.py.
"""

import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import tempfile
import typing

import pytest

import program
import proxy as proxies
import server as postgres
import wait

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Pair(typing.NamedTuple):
    source: postgres.Database
    target: postgres.Database


class NamedAtOnce:
    """What failed, when it fails: a long run that is ended before its summary has said it. And in the file that
    $HOMEPORT_TEST_FAILED names, for who runs it again."""

    def pytest_runtest_logreport(self, report):
        if report.failed:
            print(f"\nFAILED {report.nodeid} ({report.when}, {report.duration:.0f} s)", flush=True)
            if path := os.environ.get("HOMEPORT_TEST_FAILED"):
                with open(path, "a", encoding="utf-8") as names:
                    print(report.nodeid, file=names)


def pytest_configure(config):
    # An ended run cleans up like an interrupted one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(NamedAtOnce())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the servers had to say of what failed: on a machine that nobody can look at, it is all there is."""
    report = (yield).get_result()
    pool = getattr(item, "funcargs", {}).get("_pool")
    if report.failed and pool:
        said = [(server.dir.name, server.said_since(call.start)) for server in pool.all()]
        report.sections += [(f"server {name} meanwhile", text) for name, text in said if text]


@pytest.fixture(scope="session")
def _pool():
    pool = postgres.ServerPool(postgres.provided())
    atexit.register(pool.remove)
    yield pool
    pool.remove()


@pytest.fixture
def servers(_pool):
    yield _pool
    _pool.clean()


@pytest.fixture
def database(servers):
    def make(version, side="source", name=None, options=""):
        return servers.get(version, side).create_db(name, options)
    return make


@pytest.fixture
def pair(servers):
    def make(source_version, target_version, options=""):
        return Pair(
            servers.get(source_version, "source").create_db(options=options),
            servers.get(target_version, "target").create_db(options=options),
        )
    return make


@pytest.fixture
def pg_bin(_pool):
    return _pool.bins.__getitem__


@pytest.fixture
def proxy():
    made = []

    def make(server):
        made.append(proxies.Proxy(server))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def taken_down():
    """taken_down(live, ledger) -> both, which end with the test."""
    made = []

    def add(live, ledger):
        made.append((live, ledger))
        return live, ledger
    yield add
    for live, ledger in made:
        if ledger:
            ledger.stop()
        if live.mover:
            # Not killed: the sanitizers look at what it leaves when it ends, and its lines are counted then.
            live.mover.signal(signal.SIGTERM)
            with contextlib.suppress(AssertionError):
                wait.until(lambda: not live.mover.running, 10, "the mover has ended")
            live.mover.end()


@pytest.fixture
def homeport(request, tmp_path):
    # tmp_path is kept by pytest for looking at; these are not.
    logs = pathlib.Path(tempfile.mkdtemp(prefix="homeport-run-"))
    pool = request.getfixturevalue("_pool") if "servers" in request.fixturenames else None
    binary = pathlib.Path(os.environ.get("HOMEPORT_BIN", ROOT / "build/homeport")).absolute()
    runner = program.Homeport(binary, tmp_path, pool.passwords if pool else list, logs)
    yield runner
    try:
        runner.finish()
    finally:
        shutil.rmtree(logs, ignore_errors=True)
