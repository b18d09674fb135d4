"""Servers whose messages are in another language (lc_messages): nothing hangs on words of theirs."""

import contextlib
import pathlib
import signal
import subprocess

import psycopg2
import pytest

import moving
import server as servers_of
import wait
from moving import IN_COPY, Move, held, shop

CATALOGUE = pathlib.Path("/usr/share/locale/de/LC_MESSAGES/postgres-15.mo")


@pytest.fixture
def german(servers):
    """German, and without a role that may change that: the superuser's sessions are in English."""
    if not CATALOGUE.exists():
        pytest.skip("the server's translations are not installed (dpkg's path-exclude)")
    folder = servers.base / "locales"
    if not folder.exists():
        folder.mkdir(mode=0o755)
        subprocess.run(["localedef", "-i", "de_DE", "-f", "UTF-8", folder / "de_DE.UTF-8"], check=True)
    server = servers.new(15, {"lc_messages": "de_DE.UTF-8"}, start=False)
    server.environment = {**servers_of.server_environment(), "LOCPATH": str(folder)}
    return server.start()


def test_a_refused_connection_has_its_hint_in_any_language(homeport, german, servers):
    database = german.create_db()
    database.role("deutsch")
    target = servers.get(15, "target").create_db()
    for url, code, hint in (
            (database.url_as("deutsch", "falsch"), "28P01", "Check user and password"),
            (german.url("fehlt"), "3D000", "Create it first, or check the spelling.")):
        result = homeport("check", "--once", "--json", source=url, target=target)
        error = moving.error_of(result)
        assert result.rc == 1 and error["code"] == "connect" and error["sqlstate"] == code, str(result)
        assert hint in error["hint"], error
        assert "FATAL:  " in error["message"] and "failed for" not in error["message"], "it is in German"


def test_a_missing_role_has_its_hint_in_any_language(homeport, german, servers):
    """Made as a role that may not have English."""
    source = servers.get(15, "source").create_db()
    source.script("CREATE ROLE leser; CREATE TABLE t (id int); GRANT SELECT ON t TO leser")
    target = german.create_db()
    url = target.role("deutsch")
    german.sql(f'ALTER DATABASE "{target.name}" OWNER TO deutsch')
    # Between the check, which finds it missing, and the schema's privileges, it goes.
    german.sql("CREATE ROLE leser")
    move = Move(homeport, source, target, "--map-role", "postgres=deutsch")
    with moving.held_in_schema(lambda: move.start(target=url), target, "public.t") as run:
        german.sql("DROP ROLE leser")
    result = run.wait()
    error = moving.error_of(result)
    assert result.rc == 1 and error["sqlstate"] == "42704", str(result)
    assert "existiert nicht" in error["message"] and "--map-role OLD=NEW" in error["hint"], error


def test_a_server_that_goes_down_in_another_language_is_waited_for(homeport, german, servers):
    source = servers.get(15, "source").create_db()
    target = german.create_db()
    shop(source, target)
    move = Move(homeport, source, target)
    with contextlib.closing(target.connect()) as last, last.cursor() as cursor:
        with held(move.start, target, IN_COPY) as run:
            # As long as this test is connected it goes down, and takes nobody any more.
            german.process.send_signal(signal.SIGTERM)
            words = wait.until(lambda: refusal(target), 20, "connections refused")
            assert "shutting down" not in words
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'homeport%'")
        before = german.log().count(words)
        run.wait_for(lambda: german.log().count(words) > before + 2, what="more tries")
    german.process.wait(30)
    german.start()
    result = run.wait()
    assert result.rc == 0, str(result)
    move.check_exact()


def refusal(database):
    """What the server says to who connects."""
    try:
        database.connect().close()
        return None
    except psycopg2.OperationalError as error:
        return str(error).split("FATAL:  ")[-1].strip()
