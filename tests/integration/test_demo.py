"""homeport demo: writers write all along and every write is there at the end, the same seed makes the
same rows, and whatever happens to it, no server, no process and no file stay."""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import textwrap

import psycopg2
import pytest

import wait

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
MIGRATIONS = pathlib.Path(__file__).resolve().parents[2] / "examples/gitgud/src/lib/db/migrations"
ONCE_STEPS = ["servers", "migrations", "fill", "check", "schema", "copy", "finish", "verify", "down"]
STEPS = ["servers", "migrations", "fill", "writers", "check", "schema", "copy", "finish", "follow", "verify", "cutover",
         "home", "rollback", "away", "cutover", "home", "verify", "end", "judge", "down"]
# What standard error says when a step begins to be over, in order.
DONE = {
    "servers": "✓ make and start two PostgreSQL servers",
    "migrations": "✓ apply the app's Drizzle migrations",
    "fill": "✓ make up a year of practice",
    "check": "✓ check what could stand in the way",
    "schema": "✓ dump the schema and make it on the target",
    "copy": "✓ copy rows, build indexes and keys",
}
LIVE_DONE = {
    "writers": "✓ let the app's writers loose on the source",
    "copy": "✓ copy rows, build indexes and keys",
    "follow": "✓ follow until the target has caught up",
    "verify": "✓ compare every row, while both sides change",
    "cutover": "✓ cut over: the app moves to the target",
    "home": "✓ let it write there; changes flow back",
    "rollback": "✓ roll back: the app returns to the source",
    "away": "✓ let it write there; the target follows",
    "again": "✓ cut over again, for good",
    "stopped": "✓ stop the writers, and compare every row",
    "end": "✓ finish: replication ends, its traces go",
}


class Place:
    """A folder for the demo's own: what is left in it, and which processes work there."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def __str__(self):
        return str(self.folder)

    def files(self):
        return sorted(path.name for path in self.folder.iterdir())

    def command_lines(self):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit():
                    found.append((int(entry.name), (entry / "cmdline").read_bytes().decode(errors="replace")))
        return found

    def processes(self):
        return [pid for pid, line in self.command_lines() if str(self.folder) in line]

    def all_processes(self):
        """Also those that show the folder only in the TMPDIR that they were given."""
        found = set(self.processes())
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and f"TMPDIR={self.folder}\0".encode() in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
        return sorted(found)

    def is_empty(self):
        return not self.files() and not self.all_processes()

    def assert_empty(self):
        assert self.files() == []
        assert self.all_processes() == []


@pytest.fixture
def place():
    # Not pytest's own: the servers' user must get there, and a socket's path is short.
    folder = Place(tempfile.mkdtemp(prefix="hpd-", dir="/tmp"))
    folder.folder.chmod(0o755)
    yield folder
    for pid in folder.all_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait.until(lambda: not folder.all_processes(), 10, "processes gone")
    shutil.rmtree(folder.folder)


@pytest.fixture
def demo(homeport, place):
    def start(*args, **env):
        return homeport.start("demo", "--postgres", BIN, *args, env={"TMPDIR": place, **env})
    return start


def is_link(path, end):
    try:
        return os.readlink(path).endswith(end)
    except OSError:
        return False


def rows_of(users):
    return users + users * 10 + users * 100 + 1  # and the journal's row


def test_demo_loses_no_write_over_two_cutovers_and_a_rollback(demo, place):
    shared_memory = set(os.listdir("/dev/shm"))
    result = demo("--users", "60", "--json").wait(240)
    assert result.rc == 0, str(result)
    report = result.json
    assert report["verified"] is True
    assert report["differences"] == 0
    assert report["tables"] == 4
    assert report["writes"] == sum(report["written"].values()) > 100
    assert report["writes_found"] == report["writes"] and report["lost"] == 0
    assert 30 < report["gateway_requests"] < report["writes"]
    assert report["rows"] == rows_of(60) + report["written"]["problems"] + report["written"]["attempts"] - report["written"]["deletes"]
    assert [switch["direction"] for switch in report["switches"]] == ["forward", "back", "forward"]
    for switch in report["switches"]:
        assert 0 < switch["fence_ms"] + switch["drain_ms"] <= switch["pause_ms"] < 10000
        # A writer may come upon the fence behind its beginning, and is only then at the other side.
        assert switch["writers_waited_ms"] > switch["drain_ms"]
    assert report["postgres"].startswith("15.")
    assert report["kept"] is None
    assert [step["step"] for step in report["steps"]] == STEPS
    assert sum(step["seconds"] for step in report["steps"]) <= report["seconds"]
    place.assert_empty()
    mine = [name for name in set(os.listdir("/dev/shm")) - shared_memory if not os.stat(f"/dev/shm/{name}").st_nlink]
    assert mine == []


def test_demo_copies_once_when_asked(demo, place):
    result = demo("--once", "--users", "60", "--json").wait()
    assert result.rc == 0, str(result)
    report = result.json
    assert report["verified"] is True
    assert report["differences"] == 0
    assert report["tables"] == 4
    assert report["rows"] == rows_of(60)
    assert "writes" not in report and "switches" not in report
    assert [step["step"] for step in report["steps"]] == ONCE_STEPS
    place.assert_empty()


def told_in_order(result, texts):
    told = [line.split("  ")[0] for line in result.err.splitlines() if line.startswith("✓")]
    return [line for line in told if line in texts] == list(texts) and told[-1] == "✓ take everything down again"


def test_demo_tells_people_what_happens_and_what_next(demo):
    result = demo("--users", "30").wait(240)
    assert result.rc == 0, str(result)
    assert told_in_order(result, [*DONE.values(), *list(LIVE_DONE.values())[2:]]), str(result)
    assert result.err.count("writers waited") == 3
    table = {words[0]: words[1] for words in map(str.split, result.out.splitlines()) if len(words) > 3 and "." in words[0]}
    assert table["public.users"] == "30"
    assert table["drizzle.__drizzle_migrations"] == "1"
    assert re.search(r"Nothing lost: ([\d,]+) writes were acknowledged, \1 are there\.", result.out)
    assert re.search(r"Clients of the gateway made [\d,]+ requests, and none failed\.", result.out)
    assert re.search(r"No write waited longer than [\d.]+ m?s, and none failed\.", result.out)
    assert [line.split()[0] for line in result.out.splitlines() if re.match(r"(cutover|rollback)", line)] == [
        "cutover", "rollback", "cutover"]
    assert "every row was compared, and the whole schema, and nothing differs" in result.out
    assert "homeport cutover" in result.out


def test_demo_tells_people_about_a_single_copy(demo):
    result = demo("--once", "--users", "30").wait()
    assert result.rc == 0, str(result)
    assert told_in_order(result, list(DONE.values())), str(result)
    table = {words[0]: words[1] for words in map(str.split, result.out.splitlines()) if len(words) > 3 and "." in words[0]}
    assert table["public.users"] == "30"
    assert table["public.problems"] == "300"
    assert table["public.attempts"] == "3,000"
    assert "every row was compared, and the whole schema, and nothing differs" in result.out
    assert "homeport move  --once --source URL --target URL" in result.out


def test_demo_is_quiet_when_asked(demo):
    result = demo("--users", "10", "--quiet").wait(240)
    assert result.rc == 0 and result.err == "", str(result)
    assert "Verified:" in result.out and "What next" not in result.out


# -- what is kept

def contents(url, password_file):
    """Every row of every table, in the text that COPY writes, in an order of its own."""
    with open(password_file, encoding="utf-8") as file:
        password = file.read().strip().rsplit(":", 1)[1]
    found = {}
    with contextlib.closing(psycopg2.connect(url, password=password)) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT version()")
        for table in ("users", "problems", "attempts"):
            cursor.execute(f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text COLLATE \"C\")) FROM {table} AS t")
            found[table] = cursor.fetchone()
    return found, password


def count(url, password, sql):
    with contextlib.closing(psycopg2.connect(url, password=password)) as conn, conn.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@pytest.mark.plain
def test_demo_counts_the_writes_that_are_on_both_sides(demo, place):
    result = demo("--keep", "--json", "--users", "40").wait(240)
    assert result.rc == 0, str(result)
    report = result.json
    try:
        assert report["kept"]["lives"] == "target"
        source, password = contents(report["kept"]["source"], report["kept"]["password_file"])
        target, _ = contents(report["kept"]["target"], report["kept"]["password_file"])
        assert source == target
        for side in ("source", "target"):
            there = {
                "problems": "SELECT count(DISTINCT description) FROM problems WHERE description LIKE 'added by write %'",
                "attempts": "SELECT count(DISTINCT notes) FROM attempts WHERE notes LIKE 'added by write %'",
                "changes": "SELECT count(DISTINCT notes) FROM attempts WHERE notes LIKE 'changed by write %'",
                "deletes": "SELECT 4000 - count(*) FROM attempts WHERE notes LIKE 'added by write %' IS NOT TRUE",
            }
            assert {kind: count(report["kept"][side], password, sql) for kind, sql in there.items()} == report["written"]
            # Nothing of the move is left: the fence neither.
            assert count(report["kept"][side], password, "SELECT count(*) FROM pg_namespace WHERE nspname = 'homeport'") == 0
            assert count(report["kept"][side], password, "SELECT count(*) FROM pg_replication_slots") == 0
            assert count(report["kept"][side], password, "SELECT count(*) FROM pg_publication") == 0
            assert count(report["kept"][side], password, "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0
            assert count(report["kept"][side], password, "SHOW default_transaction_read_only") == "off"
        # Each writer's own numbers have no gap: what is missing in them was a deletion.
        names = count(report["kept"]["target"], password, """
            SELECT array_agg(substring(name FROM '[0-9]+-[0-9]+$')) FROM (
                SELECT description FROM problems WHERE description LIKE 'added by write %'
                UNION ALL SELECT notes FROM attempts WHERE notes ~ '(added|changed) by write ') AS of (name)""")
        last = {}
        for writer, number in (map(int, name.split("-")) for name in names):
            last[writer] = max(last.get(writer, 0), number)
        assert len(last) == 6
        assert 0 <= sum(last.values()) - len(names) <= report["written"]["deletes"]
    finally:
        subprocess.run(["sh", report["kept"]["stop"]], check=True, timeout=60)
    place.assert_empty()


def kept(demo, *args):
    """Contents, equal on both sides, of a demo without writers that is then taken down."""
    run = demo("--once", "--keep", "--json", *args)
    result = run.wait()
    assert result.rc == 0, str(result)
    report = result.json["kept"]
    try:
        source, password = contents(report["source"], report["password_file"])
        target, _ = contents(report["target"], report["password_file"])
        assert source == target
        assert password not in result.out + result.err
    finally:
        subprocess.run(["sh", report["stop"]], check=True, timeout=60)
    return source


def test_demo_makes_the_same_rows_of_the_same_seed(demo, place):
    first = kept(demo, "--users", "40", "--seed", "7")
    assert {table: count for table, (count, _) in first.items()} == {"users": 40, "problems": 400, "attempts": 4000}
    assert kept(demo, "--users", "40", "--seed", "7", "--jobs", "1") == first
    other = kept(demo, "--users", "40", "--seed", "8")
    assert all(other[table] != first[table] for table in first)
    place.assert_empty()


@pytest.mark.plain
def test_demo_makes_the_same_rows_on_every_version(homeport, place, pg_bin):
    def on(version):
        return kept(lambda *args: homeport.start("demo", *args, env={"TMPDIR": place}),
                    "--users", "15", "--postgres", pg_bin(version), "--pg-bin", pg_bin(17))
    oldest = on(14)
    assert on(15) == oldest
    assert on(17) == oldest
    place.assert_empty()


def test_demo_applies_the_migrations_of_the_example(demo, place):
    result = demo("--once", "--users", "10", "--keep", "--json").wait()
    report = result.json["kept"]
    try:
        with contextlib.closing(psycopg2.connect(report["target"], passfile=report["password_file"])) as conn, \
                conn.cursor() as cursor:
            cursor.execute("SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY id")
            applied = cursor.fetchall()
    finally:
        subprocess.run(["sh", report["stop"]], check=True, timeout=60)
    journal = json.loads((MIGRATIONS / "meta/_journal.json").read_text(encoding="utf-8"))
    assert applied == [
        (hashlib.sha256((MIGRATIONS / f"{entry['tag']}.sql").read_bytes()).hexdigest(), entry["when"])
        for entry in journal["entries"]]


@pytest.mark.plain
def test_demo_keeps_servers_that_only_the_password_opens(demo, place):
    result = demo("--once", "--users", "10", "--keep").wait()
    assert result.rc == 0, str(result)
    [folder] = place.folder.iterdir()
    urls = [line.strip().split("'")[1] for line in result.out.splitlines() if line.strip().startswith("psql '")]
    assert len(urls) == 2
    for url in urls:
        with pytest.raises(psycopg2.OperationalError, match="no password supplied"):
            psycopg2.connect(url, passfile="/dev/null")
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(url, password="wrong")
        with contextlib.closing(psycopg2.connect(url, passfile=str(folder / "pgpass"))) as conn, conn.cursor() as cursor:
            cursor.execute("SHOW listen_addresses")
            assert cursor.fetchone() == ("",)
    assert (folder / "pgpass").stat().st_mode & 0o777 == 0o600
    subprocess.run(["sh", folder / "stop"], check=True, timeout=60)
    place.assert_empty()


def test_demo_shows_its_password_to_nobody(demo, place):
    run = demo("--users", "100", "--keep")
    lines = set()

    def look():
        lines.update(line for _, line in place.command_lines() if "homeport" in line or "postgres" in line)
        return not run.running
    wait.until(look, 240, "the demo's end")
    [folder] = place.folder.iterdir()
    password = (folder / "pgpass").read_text(encoding="utf-8").strip().rsplit(":", 1)[1]
    subprocess.run(["sh", folder / "stop"], check=True, timeout=60)
    assert any("pg_dump" in line or "initdb" in line for line in lines), "looked too late"
    assert not [line for line in lines if password in line]
    result = run.wait()
    assert password not in result.out + result.err


# -- what ends it before its time

def stopped(run, place, number):
    run.signal(number)
    result = run.wait(60)
    assert result.rc == 1, str(result)
    assert f"stopped by {'Ctrl-C' if number == signal.SIGINT else 'SIGTERM'}" in result.err, str(result)
    assert "✓ take everything down again" in result.err
    assert "Verified" not in result.out
    place.assert_empty()


@pytest.mark.parametrize("number, after", [
    *((signal.SIGINT, step) for step in ["", *DONE]), (signal.SIGTERM, "servers"), (signal.SIGTERM, "check")])
def test_demo_leaves_nothing_when_a_single_copy_is_stopped(demo, place, number, after):
    run = demo("--once", "--users", "1500")
    run.wait_for(lambda: DONE[after] in run.err if after else place.files(), 60, after or "the folder")
    stopped(run, place, number)


@pytest.mark.parametrize("number, after", [
    (signal.SIGINT, ""), *((signal.SIGINT, step) for step in LIVE_DONE), (signal.SIGTERM, "writers"), (signal.SIGTERM, "verify")])
@pytest.mark.plain
def test_demo_leaves_nothing_when_stopped(demo, place, number, after):
    run = demo("--users", "200")
    run.wait_for(lambda: LIVE_DONE[after] in run.err if after else place.files(), 240, after or "the folder")
    stopped(run, place, number)


@pytest.mark.parametrize("after", ["writers", "copy", "verify", "cutover", "away"])
@pytest.mark.plain
def test_demo_leaves_nothing_when_killed_while_it_is_written_to(demo, place, after):
    run = demo("--users", "100")
    run.wait_for(lambda: LIVE_DONE[after] in run.err, 240, after)
    run.kill()
    wait.until(place.is_empty, 30, "servers, mover and folder gone")


@pytest.mark.parametrize("after", ["", "migrations", "schema"])
@pytest.mark.plain
def test_demo_leaves_nothing_when_killed(demo, place, after):
    run = demo("--once", "--users", "1500")
    run.wait_for(lambda: DONE[after] in run.err if after else place.processes(), 60, after or "initdb")
    run.kill()
    wait.until(place.is_empty, 30, "servers and folder gone")


@pytest.mark.plain
def test_demo_leaves_nothing_when_the_owner_is_impatient(demo, place):
    run = demo("--users", "1500")
    run.wait_for(lambda: DONE["migrations"] in run.err, 60, "the data")
    run.signal(signal.SIGINT)
    run.signal(signal.SIGINT)  # does not wait for anything
    assert run.wait(30).rc in (1, 130)
    wait.until(place.is_empty, 30, "servers and folder gone")


@pytest.mark.plain
def test_demo_leaves_nothing_when_its_terminal_goes(demo, place):
    run = demo("--users", "1500")
    run.wait_for(lambda: DONE["servers"] in run.err, 60, "the servers")
    run.signal(signal.SIGHUP)
    assert run.wait(30).rc == 1
    place.assert_empty()


def test_demo_fails_when_a_request_to_the_gateway_does(demo, place):
    run = demo("--users", "60")
    run.wait_for(lambda: LIVE_DONE["writers"] in run.err, 60, "the writers write")
    (gateway,) = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                  if is_link(f"/proc/{pid}/fd/1", "/gateway.log") and str(place) in os.readlink(f"/proc/{pid}/fd/1")]
    os.kill(gateway, signal.SIGKILL)
    result = run.wait(60)
    assert result.rc != 0 and re.search(r"writer [56]: .*gateway", result.err), str(result)
    place.assert_empty()


@pytest.mark.plain
def test_demo_leaves_nothing_when_a_server_dies(demo, place):
    run = demo("--users", "1500")
    run.wait_for(lambda: DONE["migrations"] in run.err, 60, "the data")
    postmasters = [pid for pid, line in place.command_lines() if str(place) in line and "postgres\0-D" in line]
    assert len(postmasters) == 2
    os.kill(postmasters[0], signal.SIGKILL)
    os.kill(postmasters[1], signal.SIGKILL)
    result = run.wait(60)
    assert result.rc == 1, str(result)
    wait.until(place.is_empty, 30, "servers and folder gone")


# -- what keeps it from working

def program(folder, name, text):
    path = folder / name
    path.write_text("#!/bin/sh\n" + textwrap.dedent(text), encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def programs(place):
    """A folder for the programs of a server, beside the place."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hpp-", dir="/tmp"))
    folder.chmod(0o755)
    program(folder, "postgres", f'exec {BIN}/postgres "$@"\n')
    program(folder, "initdb", f'exec {BIN}/initdb "$@"\n')
    yield folder
    shutil.rmtree(folder)


def failed(homeport, place, *args, **env):
    result = homeport("demo", "--users", "10", *args, env={"TMPDIR": place, **env}, timeout=240)
    place.assert_empty()
    return result


def test_demo_says_where_no_server_is(homeport, place):
    result = failed(homeport, place, "--postgres", "/nonexistent")
    assert result.rc == 1
    assert 'no PostgreSQL server (initdb, postgres) in "/nonexistent"' in result.err


def test_demo_takes_the_folder_above_bin(homeport, place):
    result = failed(homeport, place, "--once", "--postgres", BIN.parent, "--json")
    assert result.rc == 0 and result.json["verified"] is True


def test_demo_passes_on_why_initdb_failed(homeport, place, programs):
    program(programs, "initdb", 'mkdir "$2"; echo "initdb: error: the moon is full" >&2; exit 1\n')
    result = failed(homeport, place, "--postgres", programs)
    assert result.rc == 1
    assert "make the servers: initdb failed (status 1): initdb: error: the moon is full" in result.err


def test_demo_passes_on_why_a_server_did_not_start(homeport, place, programs):
    program(programs, "postgres", f'''\
        [ "$1" = --version ] && exec {BIN}/postgres --version
        echo "2026-11-22 FATAL:  could not create shared memory segment"
        exit 1
        ''')
    result = failed(homeport, place, "--postgres", programs)
    assert result.rc == 1
    assert "could not create shared memory segment: PostgreSQL did not start" in result.err


@pytest.mark.parametrize("kind", [(), ("--once",)])
def test_demo_fails_cleanly_in_the_middle_of_the_move(homeport, place, programs, kind):
    for name in ("pg_dump", "pg_restore"):
        program(programs, name, 'case "$1" in --version) echo "$0 (PostgreSQL) 15.20";; *) exit 1;; esac\n')
    result = failed(homeport, place, *kind, "--postgres", programs)
    assert result.rc == 1, str(result)
    assert "✗ dump the schema" in result.err
    assert "✓ take everything down again" in result.err


@pytest.mark.parametrize("kind", [(), ("--once",)])
def test_demo_says_that_no_dump_can_read_the_servers(homeport, place, pg_bin, kind):
    result = failed(homeport, place, *kind, "--postgres", pg_bin(18), "--pg-bin", BIN)
    assert result.rc == 3, str(result)
    assert "pg-dump-missing" in result.err and "✗ check what could stand in the way" in result.err
    assert result.out == ""
    result = failed(homeport, place, *kind, "--postgres", pg_bin(18), "--pg-bin", BIN, "--json")
    assert result.rc == 3 and result.json["verified"] is False and result.json["blockers"] == 1


@pytest.mark.parametrize("version", [14, 17])
@pytest.mark.plain
def test_demo_moves_live_on_other_versions(homeport, place, pg_bin, version):
    result = failed(homeport, place, "--postgres", pg_bin(version), "--pg-bin", pg_bin(17), "--json")
    assert result.rc == 0, str(result)
    assert result.json["verified"] is True and result.json["lost"] == 0 and len(result.json["switches"]) == 3


@pytest.mark.plain
def test_demo_cares_about_nobodys_settings(homeport, place):
    (homeport.cwd / "homeport.yaml").write_text("source: [this is not a setting\n", encoding="utf-8")
    result = failed(
        homeport, place, "--once", "--postgres", BIN, "--json", HOMEPORT_SOURCE_URL="postgresql://nowhere/x",
        HOMEPORT_JOBS="no number", PGHOST="nowhere", PGDATABASE="nothing", PGPORT="1", PGUSER="nobody",
        PGDATA="/nonexistent")
    assert result.rc == 0, str(result)
    assert result.json["verified"] is True


@pytest.mark.parametrize("folder", ["with space", "l" * 80, "quote's"])
@pytest.mark.plain
def test_demo_goes_elsewhere_where_a_socket_cannot_be(homeport, place, folder):
    odd = place.folder / folder
    odd.mkdir()
    result = homeport("demo", "--once", "--users", "10", "--postgres", BIN, env={"TMPDIR": odd})
    assert result.rc == 0, str(result)
    [line] = [line for line in result.err.splitlines() if "the place" in line]
    gone = pathlib.Path(line.split()[2])
    assert gone.parent == pathlib.Path("/tmp") and not gone.exists()
    assert list(odd.iterdir()) == []


@pytest.mark.parametrize("args", [("--users", "0"), ("--users", "many"), ("--seed", "-1"), ("--users", "1000001"), ("extra",)])
def test_demo_refuses_what_it_cannot_do(homeport, place, args):
    result = homeport("demo", *args, env={"TMPDIR": place})
    assert result.rc == 2
    place.assert_empty()


@pytest.mark.skipif(os.geteuid() != 0, reason="already runs as somebody else")
@pytest.mark.plain
def test_demo_runs_for_an_ordinary_user(homeport, place, programs):
    binary = programs / "homeport"
    shutil.copy(homeport.binary, binary)
    place.folder.chmod(0o1777)
    done = subprocess.run(
        [binary, "demo", "--users", "10", "--postgres", BIN, "--json"], cwd="/", user="nobody", group="nogroup",
        extra_groups=[], capture_output=True, text=True, timeout=240, check=False,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(place), "LSAN_OPTIONS": "detect_leaks=0", "ASAN_OPTIONS": "detect_leaks=0"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verified"] is True
    place.assert_empty()
