"""The test house itself: each server is what it says, and what a test leaves is taken away."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap

import psycopg2
import pytest

import wait

VERSIONS = (14, 15, 16, 17, 18)


@pytest.mark.parametrize("version", VERSIONS)
def test_server_answers_its_version(servers, version):
    server = servers.get(version)
    assert server.value("SHOW server_version_num")[:2] == str(version)
    assert server.value("SHOW wal_level") == "logical"


@pytest.mark.parametrize("version", VERSIONS)
def test_tcp_asks_for_the_password(servers, version):
    server = servers.get(version)
    with psycopg2.connect(server.url()) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT inet_server_addr()::text")
        assert cursor.fetchone()[0].startswith("127.0.0.1")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(server.url(password="wrong"))


@pytest.mark.parametrize("version", (15, 17))
def test_tools_match_their_server(servers, pg_bin, version):
    server = servers.get(version)
    database = server.create_db()
    database.script("CREATE TABLE t (a int); INSERT INTO t VALUES (42)")
    environment = {"PATH": "/usr/bin:/bin", "PGPASSWORD": server.password}
    dump = subprocess.run(
        [pg_bin(version) / "pg_dump", "-Fc", database.url], check=True, capture_output=True, env=environment).stdout
    listing = subprocess.run(
        [pg_bin(version) / "pg_restore", "-l"], input=dump, check=True, capture_output=True, env=environment).stdout
    assert b"TABLE DATA public t postgres" in listing
    assert f"Dumped from database version: {version}.".encode() in listing


@pytest.mark.parametrize("version", VERSIONS)
def test_languages_and_contrib_are_there(database, version):
    db = database(version)
    db.script("CREATE EXTENSION pg_trgm; CREATE EXTENSION citext; CREATE EXTENSION btree_gist")
    if version in (15, 17):
        db.script("CREATE EXTENSION plperl;"
                  "CREATE FUNCTION twice(int) RETURNS int LANGUAGE plperl AS 'return 2 * $_[0]'")
        assert db.value("SELECT twice(21)") == 42


def test_settings_are_overridden(servers):
    server = servers.new(15, settings={"wal_level": "replica"})
    assert server.value("SHOW wal_level") == "replica"
    server.restart(wal_level="minimal", max_wal_senders=0)
    assert server.value("SHOW wal_level") == "minimal"
    server.restart(wal_level=None, max_wal_senders=None)
    assert server.value("SHOW wal_level") == "replica"


def test_killed_server_recovers(servers):
    server = servers.new(15)
    server.sql("CREATE TABLE kept AS SELECT 1 AS a")
    server.kill()
    assert not server.running
    server.start()
    assert server.value("SELECT a FROM kept") == 1
    server.freeze()
    server.thaw()
    assert server.value("SELECT a FROM kept") == 1


def test_clean_takes_away_what_a_test_left(servers):
    server = servers.get(15)
    db = server.create_db('odd "name"')
    db.role("somebody")
    db.script('''
        CREATE TABLE t (a int);
        ALTER TABLE t OWNER TO somebody;
        GRANT CONNECT ON DATABASE "odd ""name""" TO somebody;
        SELECT pg_create_logical_replication_slot('s', 'pgoutput');
        BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'p';
        ALTER SYSTEM SET work_mem = '7MB';
    ''')
    open_connection = db.connect()
    server.clean()
    assert open_connection.closed or server.value("SELECT count(*) FROM pg_stat_activity WHERE datname ~ 'odd'") == 0
    for leftover in ("pg_replication_slots", "pg_prepared_xacts", "pg_roles WHERE rolname = 'somebody'",
                     "pg_database WHERE datname ~ 'odd'"):
        assert server.value(f"SELECT count(*) FROM {leftover}") == 0
    wait.until(lambda: server.value("SHOW work_mem") == "4MB", 10, "settings reset")


def test_contents_tell_databases_apart(pair):
    source, target = pair(14, 18)
    for db in (source, target):
        db.script("CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('a'), ('b')")
    assert source.contents() == target.contents()
    assert source.contents()["public.t"][0] == 2
    target.script("UPDATE t SET v = 'c' WHERE id = 2")
    assert source.contents() != target.contents()
    target.script("UPDATE t SET v = 'b' WHERE id = 2")
    assert source.contents() == target.contents()
    target.script("SELECT nextval('t_id_seq')")
    assert source.contents() != target.contents()


def test_proxy_cuts_connections(database, proxy):
    db = database(15)
    relay = proxy(db.server)
    conn = psycopg2.connect(relay.url(db))
    relay.cut()
    with pytest.raises(psycopg2.OperationalError):
        conn.cursor().execute("SELECT 1")
    relay.refuse()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(relay.url(db))
    relay.refuse(False)
    relay.cut_after(1_000_000)
    conn = psycopg2.connect(relay.url(db))
    with pytest.raises(psycopg2.OperationalError):
        conn.cursor().execute("SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
    psycopg2.connect(relay.url(db)).cursor().execute("SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
    assert relay.connections == 3


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
def test_an_ended_run_leaves_no_server(tmp_path, number):
    """Also no folder, unless it was killed outright."""
    (tmp_path / "test_hang.py").write_text(textwrap.dedent("""
        import pathlib, signal
        def test_hang(servers):
            server = servers.get(15)
            told = pathlib.Path(__file__).parent / "told"
            told.with_suffix(".new").write_text(f"{server.pid} {server.dir}")
            told.with_suffix(".new").rename(told)
            while True:
                signal.pause()
    """), encoding="utf-8")
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)}, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = None
    try:
        told = tmp_path / "told"
        wait.until(told.exists, 60, "server started")
        pid, folder = told.read_text(encoding="utf-8").split()
        run.send_signal(number)
        run.wait(30)
        wait.until(lambda: not os.path.exists(f"/proc/{pid}"), 30, "server gone")
        assert number == signal.SIGKILL or not os.path.exists(folder)
    finally:
        run.kill()
        run.wait(10)
        if folder:
            shutil.rmtree(os.path.dirname(folder), ignore_errors=True)
