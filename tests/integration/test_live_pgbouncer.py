"""Cutover and rollback behind a real PgBouncer in transaction mode: its clients wait, none of their
transactions fails."""

import contextlib
import pathlib
import subprocess
import tempfile
import time

import psycopg2
import pytest

import server as postgres
import wait
from ledger import Ledger
from live import Live

pytestmark = pytest.mark.plain  # bounds on time

PGBOUNCER = "/usr/sbin/pgbouncer"
LONGEST_WAIT = 3  # a second or so, on a machine that others use, too


class PgBouncer:
    """In front of the source; what the hooks run is in its folder. Looks like a Database to the ledger."""

    def __init__(self, folder, source, target):
        self.dir = folder
        self.source = source
        self.port = postgres.free_port()
        self.output = folder / "output"
        (folder / "users.txt").write_text('"postgres" ""\n"admin" ""\n')
        for direction, side in (("back", source), ("forward", target)):
            (folder / f"{direction}.ini").write_text(self.settings(side))
        self.ini = folder / "pgbouncer.ini"
        self.ini.write_text(self.settings(source))
        console = f"{postgres.PSQL} -Xq -v ON_ERROR_STOP=1 -h 127.0.0.1 -p {self.port} -U admin pgbouncer"
        # Each may be run twice: paused already, or not paused any more, is as good.
        self.hook("pause", f"{console} -c PAUSE 2>&1 | grep ERROR | grep -v 'already' && exit 1; exit 0")
        self.hook("switch", f"cp {folder}/$HOMEPORT_DIRECTION.ini {self.ini} && exec {console} -c RELOAD")
        self.hook("resume", f"{console} -c RESUME 2>&1 | grep ERROR | grep -v 'not paused' && exit 1; exit 0")
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [PGBOUNCER, self.ini], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=postgres.server_environment(), cwd="/", preexec_fn=postgres.end_with_parent,
                **postgres.as_server_user())
        try:
            wait.until(lambda: self.answers() or self.process.poll() is not None, 10, "PgBouncer answers")
            assert self.process.poll() is None, f"PgBouncer ended with {self.process.returncode}"
        except AssertionError as error:
            self.close()
            raise AssertionError(f"{error}, having said:\n{self.said()}") from None

    def said(self):
        return self.output.read_text(encoding="utf-8", errors="replace")

    def settings(self, side):
        return (f"[databases]\napp = host={side.server.socket_dir} port={side.server.port} dbname={side.name}\n"
                f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
                f"auth_type = trust\nauth_file = {self.dir}/users.txt\nadmin_users = admin\npool_mode = transaction\n"
                f"default_pool_size = 6\nignore_startup_parameters = extra_float_digits\n")

    def hook(self, name, text):
        script = self.dir / name
        script.write_text(f"#!/bin/sh\n{text}\n")
        script.chmod(0o755)

    def hooks(self, **more):
        """As arguments; what is in `more` is run after the hook of that name."""
        return [arg for name in ("pause", "switch", "resume")
                for arg in (f"--on-{name}", f"{self.dir / name}" + (f" && {more[name]}" if name in more else ""))]

    def answers(self):
        with contextlib.suppress(psycopg2.Error):
            self.connect().close()
            return True
        return False

    def connect(self, autocommit=True):
        conn = psycopg2.connect(host="127.0.0.1", port=self.port, dbname="app", user="postgres")
        conn.autocommit = autocommit
        return conn

    def script(self, text):
        self.source.script(text)

    def close(self):
        self.process.terminate()
        self.process.wait(10)


@pytest.fixture
def folder():
    """Not below tmp_path, which no user but the test's own can enter."""
    with tempfile.TemporaryDirectory(prefix="homeport-pgbouncer-") as name:
        path = pathlib.Path(name)
        path.chmod(0o755)
        yield path


@pytest.fixture
def pooled(homeport, pair, folder):
    source, target = pair(15, 15)
    bouncer = PgBouncer(folder, source, target)
    ledger = Ledger(bouncer, writers=8)
    live = Live(homeport, source, target)
    try:
        yield live, ledger, bouncer
    finally:
        ledger.stop()
        bouncer.close()
        if live.mover:
            live.mover.end()


def writes_go_on_at(side, other, ledger):
    """At this side alone, through the pooler."""
    before = ledger.written()
    rows = "SELECT count(*) FROM transfer"
    at_side = side.value(rows)
    wait.until(lambda: ledger.written() >= before + 100, 30, "writers go on")
    assert side.value(rows) > at_side
    assert other.value("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
                       " AND application_name = '' AND datname = current_database() AND backend_xid IS NOT NULL") == 0


def judge(live, ledger, here):
    ledger.stop()
    assert ledger.failed() == []
    assert [writer.unknown for writer in ledger.writers] == [[]] * 8
    ledger.check(here)
    live.applied_past(here)
    ledger.check(live.source, live.target)
    assert ledger.longest_wait < LONGEST_WAIT


def test_cutover_and_rollback_fail_no_transaction_of_a_poolers_clients(pooled):
    live, ledger, bouncer = pooled
    live.start()
    live.caught_up()
    with ledger:
        writes_go_on_at(live.source, live.target, ledger)
        for verb, here, there in (("cutover", live.target, live.source), ("rollback", live.source, live.target),
                                  ("cutover", live.target, live.source)):
            live.ok(verb, *bouncer.hooks())
            writes_go_on_at(here, there, ledger)
    judge(live, ledger, live.target)


@pytest.mark.parametrize("hook", ("pause", "switch"))
def test_cutover_undone_by_its_deadline_fails_no_transaction_of_a_poolers_clients(pooled, hook):
    live, ledger, bouncer = pooled
    live.start()
    live.caught_up()
    with ledger:
        writes_go_on_at(live.source, live.target, ledger)
        started = time.monotonic()
        late = f"{{ test $HOMEPORT_DIRECTION = back || sleep 1.2; }}"
        result = live.run("cutover", "--max-pause", "600ms", *bouncer.hooks(**{hook: late}))
        assert result.rc == 1, str(result)
        assert time.monotonic() - started < 20
        writes_go_on_at(live.source, live.target, ledger)
        live.caught_up()
        live.ok("cutover", *bouncer.hooks())
        writes_go_on_at(live.target, live.source, ledger)
    judge(live, ledger, live.target)


def test_mover_killed_while_the_pooler_is_paused_lets_its_clients_go_on_when_it_runs_again(pooled):
    live, ledger, bouncer = pooled
    live.start()
    live.caught_up()
    with ledger:
        writes_go_on_at(live.source, live.target, ledger)
        flag = live.homeport.cwd / "killed"
        once = f"{{ test -e {flag} || {{ touch {flag}; kill -9 $PPID; }}; }}"
        assert live.run("cutover", *bouncer.hooks(switch=once)).rc == 1
        live.start()
        live.caught_up()
        writes_go_on_at(live.source, live.target, ledger)
        live.ok("cutover", *bouncer.hooks())
        writes_go_on_at(live.target, live.source, ledger)
    ledger.stop()
    assert ledger.failed() == []
    ledger.check(live.target)
