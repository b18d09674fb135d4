"""Bad input, and input that looks bad: a clear error with a hint and the documented exit status, the
source untouched, the target complete or called incomplete."""

import contextlib
import os
import pathlib
import socket
import sqlite3
import subprocess
import time

import pytest

import moving
import server as postgres
import wait
import zoo
from moving import BEFORE_MARKS_GO, IN_COPY, Move, held, shop


@pytest.fixture
def small(pair):
    """A pair whose source has one table of one row: where rows do not matter."""
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    return source, target


@pytest.fixture
def shops(pair):
    source, target = pair(15, 15)
    shop(source, target)
    return source, target


def untouched(target):
    return target.sql("SELECT nspname FROM pg_namespace WHERE oid >= 16384") == [] and target.tables() == []


# -- servers that cannot be reached, or not so

def nobody_listens():
    return f"127.0.0.1:{postgres.free_port()}"


@contextlib.contextmanager
def deaf_server():
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


BAD_URLS = {
    # what to replace in a good URL: message, hint
    "wrong password": (lambda url: url.replace(":pw", ":wrong"), "password authentication failed", "percent-encoded"),
    "no password": (lambda url: url.split(":pw")[0] + "@" + url.split("@")[1], "no password supplied", "PGPASSWORD"),
    "unknown role": (lambda url: url.replace("//postgres", "//nobody"), "password authentication failed", "Check user and password"),
    "database missing": (lambda url: url + "_missing", "does not exist", "Create it first"),
    "nobody listens": (lambda url: url.split("@")[0] + f"@{nobody_listens()}/x", "Connection refused", "Nothing listens there"),
    "no such host": (lambda url: url.split("@")[0] + "@no-such-host.invalid/x", "could not translate host name", "DNS"),
    "no TLS": (lambda url: url + "?sslmode=require", "server does not support SSL", "sslmode=prefer or disable"),
    "no TLS to verify": (lambda url: url + "?sslmode=verify-full&sslrootcert=/dev/null", "server does not support SSL",
                         "sslmode=prefer or disable"),
    "channel binding": (lambda url: url + "?channel_binding=require", "channel binding", "channel_binding"),
    "no socket there": (lambda _: "postgresql:///x?host=/nowhere", "No such file or directory", "socket"),
}


@pytest.mark.parametrize("side", ("source", "target"))
@pytest.mark.parametrize("case", BAD_URLS)
def test_side_that_cannot_be_reached(homeport, small, case, side):
    change, message, hint = BAD_URLS[case]
    good = dict(zip(("source", "target"), small))
    move = Move(homeport, *small)
    began = time.monotonic()
    error = move.failed(**{side: change(good[side].url)})
    assert time.monotonic() - began < 30
    assert error["code"] == "connect"
    assert message in error["message"]
    assert side in error["message"]
    assert hint in error["hint"]
    assert not move.status()["exists"]
    assert untouched(small[1])
    # Not held against the next run.
    move.ok()


def test_server_that_never_answers(homeport, small):
    with deaf_server() as address:
        url = small[1].url.split("@")[0] + f"@{address}/x?connect_timeout=2"
        error = Move(homeport, *small).failed(target=url)
    assert error["code"] == "connect" and "timeout expired" in error["message"]
    assert "did not answer in time" in error["hint"]


def test_password_that_is_percent_encoded(homeport, small):
    """Every character that means something in a URL, and some that are more than a byte."""
    source, target = small
    password = "p@ss:w/rd%20?#&=+ é\\'\"[]"
    urls = {}
    for side, database in (("source", source), ("target", target)):
        urls[side] = database.role(f"mover {side}", "LOGIN SUPERUSER", password)
        assert "p%40ss%3Aw%2Frd%2520" in urls[side]
    move = Move(homeport, source, target, verify=True)
    result = move.ok(**urls)
    for form in (password, "p%40ss", "p@ss"):
        assert form not in result.out + result.err
        assert not any(form.encode() in path.read_bytes() for path in move.dir.iterdir() if path.is_file())
    assert target.contents() == source.contents()


# -- targets that do not take everything

def test_target_that_is_a_standby(homeport, small, servers):
    source, target = small
    standby = servers.new(15, start=False)
    subprocess.run(["rm", "-rf", standby.data_dir], check=True)
    target.server._run(target.server.bin_dir / "pg_basebackup", "-h", target.server.socket_dir, "-p", str(target.server.port),
                       "-U", "postgres", "-D", standby.data_dir, "-R", "-c", "fast", "-X", "stream")
    # A copy has the first one's passwords.
    standby.password = target.server.password
    standby._settings["hot_standby"] = "on"
    standby._write_settings()
    with open(standby.log_path, "ab") as log:
        standby.process = subprocess.Popen(
            [standby.bin_dir / "postgres", "-D", standby.data_dir], stdout=log, stderr=log, cwd="/",
            env=postgres.server_environment(), start_new_session=True, preexec_fn=postgres.end_with_parent,
            **postgres.as_server_user())
    wait.until(standby._answers, 60, "standby answers")
    result = homeport("move", "--once", source=source, target=standby.url(target.name))
    assert result.rc == 3, str(result)
    assert "target-read-only" in result.err
    assert not (homeport.cwd / ".homeport/state.sqlite").exists() or not Move(homeport, *small).status()["exists"]
    assert untouched(target)


@pytest.mark.parametrize("setting", ("ALTER ROLE mover SET default_transaction_read_only = on",
                                     "ALTER DATABASE :db SET default_transaction_read_only = on"))
def test_target_that_is_read_only_by_default(homeport, small, setting):
    """homeport could write there all the same, but the app could not."""
    source, target = small
    url = target.role("mover", "LOGIN SUPERUSER")
    target.server.sql(setting.replace(":db", target.name))
    move = Move(homeport, source, target)
    result = move.run(target=url)
    assert result.rc == 3, str(result)
    assert "target-read-only" in result.err and "RESET default_transaction_read_only" in result.err
    assert not move.status()["exists"]
    assert untouched(target)


@pytest.mark.parametrize("setting", ("statement_timeout = '500ms'", "lock_timeout = '10ms'", "DateStyle = 'German, DMY'",
                                     "search_path = nowhere", "session_replication_role = local", "row_security = off",
                                     "client_encoding = 'LATIN1'", "standard_conforming_strings = off",
                                     "default_transaction_isolation = 'serializable'", "quote_all_identifiers = on"))
def test_settings_of_roles_and_databases_change_nothing(homeport, shops, setting):
    source, target = shops
    source.sql("INSERT INTO shop.address VALUES (1, ROW(E'back\\\\slash é', 1), E'\\\\N')")
    for database in shops:
        database.server.sql(f"ALTER DATABASE {database.name} SET {setting}")
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        if "timeout" in setting:  # the statement that is held takes longer than that
            wait.until(lambda: target.server.value(
                "SELECT max(now() - query_start) > '600ms' FROM pg_stat_activity WHERE application_name LIKE 'homeport copy%%'"),
                10, "some time")
    assert run.wait().rc == 0
    for database in shops:
        database.server.sql(f"ALTER DATABASE {database.name} RESET ALL")
    assert zoo.differences(source, target) == []


FULL_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* Tables and indexes cannot grow or be written while the file FULL is there. */
static int is_full(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0 || access(FULL, F_OK) != 0)
        return 0;
    path[len] = 0;
    return strstr(path, "/base/") != NULL;
}

#define SHIM(name, args, pass)                                                 \
    ssize_t name args                                                          \
    {                                                                          \
        if (is_full(fd)) {                                                     \
            errno = ENOSPC;                                                    \
            return -1;                                                         \
        }                                                                      \
        ssize_t (*real) args = dlsym(RTLD_NEXT, #name);                        \
        return real pass;                                                      \
    }
SHIM(pwrite, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
SHIM(pwrite64, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
SHIM(pwritev, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
SHIM(pwritev64, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at))
"""


@pytest.fixture
def server_with_full_disk(servers, tmp_path_factory):
    """A server, and the file that makes its disk full while it is there."""
    server = servers.new(15, start=False)
    full = server.dir / "full"
    library = server.dir / "full_disk.so"
    (server.dir / "full_disk.c").write_text(FULL_DISK, encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", f'-DFULL="{full}"', "-o", library, server.dir / "full_disk.c", "-ldl"], check=True)
    bins = server.dir / "bin"
    bins.mkdir()
    (bins / "postgres").write_text(
        f'#!/bin/sh\nLD_PRELOAD="{library}" exec "{server.bin_dir}/postgres" "$@"\n', encoding="utf-8")
    (bins / "postgres").chmod(0o755)
    server.bin_dir = bins
    return server.start(), full


@pytest.mark.parametrize("step", ("schema", "copy", "indexes"))
def test_disk_full_on_the_target(homeport, servers, pair, server_with_full_disk, step):
    server, full = server_with_full_disk
    source, _ = pair(15, 15)
    target = server.create_db()
    shop(source, target)
    before = source.contents()
    move = Move(homeport, source, target)
    with contextlib.ExitStack() as stack:
        if step == "schema":
            run = stack.enter_context(moving.held_in_schema(move.start, target))
        else:
            run = stack.enter_context(held(move.start, target, IN_COPY if step == "copy" else moving.IN_INDEXES))
        full.touch()
    result = run.wait(60)
    assert result.rc == 1, str(result)
    error = moving.error_of(result)
    assert error["sqlstate"] == "53100"
    assert "No space left on device" in error["message"]
    assert "free disk space" in error["hint"]
    status = move.check_incomplete()
    assert "No space left on device" in status["last_error"]
    assert source.contents() == before
    full.unlink()
    move.ok()
    assert zoo.differences(source, target) == []


@pytest.fixture
def extension_here(pair):
    """A pair whose source's server alone has an extension; gone after the test."""
    source, target = pair(15, 16)
    folder = pathlib.Path(source.value("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'")) / "extension"
    files = {"only_here.control": "default_version = '1'\nrelocatable = true\n",
             "only_here--1.sql": "CREATE TYPE only_here AS ENUM ('a', 'b');\n"}
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    yield source, target
    for name in files:
        (folder / name).unlink()


def test_column_type_that_the_target_does_not_know(homeport, extension_here):
    source, target = extension_here
    source.sql("CREATE EXTENSION only_here; CREATE TABLE t (id integer PRIMARY KEY, own only_here)")
    move = Move(homeport, source, target)
    result = move.run()
    assert result.rc == 3, str(result)
    assert result.json["blockers"] >= 1
    assert "extension-missing" in result.err and "only_here" in result.err
    assert not move.status()["exists"]
    assert untouched(target)


@pytest.mark.parametrize("column, sqlstate", (("integer", "22P02"), ("varchar(2)", "22001"), ("text CHECK (a < 'b')", "23514")))
def test_column_type_of_an_existing_target_that_does_not_take_the_value(homeport, pair, column, sqlstate):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id integer PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'and'), (2, 'word')")
    target.sql(f"CREATE TABLE t (id integer PRIMARY KEY, a {column})")
    move = Move(homeport, source, target)
    config = homeport.cwd / "homeport.yaml"
    config.write_text("schema: existing\n", encoding="utf-8")
    error = move.failed("--config", config)
    assert error["sqlstate"] == sqlstate
    assert '"public"."t"' in error["message"]
    move.check_incomplete()
    assert target.sql("SELECT * FROM t") == []


def test_target_that_is_not_empty(homeport, small):
    source, target = small
    target.sql("CREATE TABLE mine (id integer); INSERT INTO mine VALUES (1)")
    move = Move(homeport, source, target)
    result = move.run()
    assert result.rc == 3
    assert "target-not-empty" in result.err and "mine" in result.err
    assert target.sql("SELECT id FROM mine") == [(1,)]
    assert target.sql("SELECT 1 FROM pg_namespace WHERE nspname = 'homeport'") == []
    assert not move.status()["exists"]


# -- folders and moves that get mixed up

def refused(move):
    """By what `check` says as well, before anything is done."""
    check = move.homeport("check", "--once", "--dir", move.dir, source=move.source, target=move.target)
    result = move.run()
    for one in (check, result):
        assert one.rc == 3, str(one)
        assert "other-move" in one.out + one.err and "another move is under way on the target" in one.out + one.err


def test_target_that_belongs_to_another_move(homeport, shops):
    """Another folder begins where one has not ended."""
    source, target = shops
    first = Move(homeport, source, target)
    with held(first.start, target, IN_COPY) as run:
        run.kill()
    rows = target.sql("SELECT schema_name, table_name FROM homeport.finished_part ORDER BY 1, 2")
    second = Move(homeport, source, target, name="second")
    refused(second)
    assert target.sql("SELECT schema_name, table_name FROM homeport.finished_part ORDER BY 1, 2") == rows
    assert not second.status()["exists"]
    first.ok()
    first.check_exact()


def test_second_mover_on_one_target_while_the_first_is_at_work(homeport, shops):
    """It must not end the other's sessions as if they were left behind by itself."""
    source, target = shops
    first = Move(homeport, source, target)
    second = Move(homeport, source, target, name="second")
    with held(first.start, target, IN_COPY) as run:
        refused(second)
    result = run.wait()
    assert result.rc == 0 and "connection lost" not in result.err
    first.check_exact()


def test_work_folder_of_another_move(homeport, small):
    source, target = small
    move = Move(homeport, source, target)
    move.ok()
    other = target.server.create_db()
    error = move.failed(target=other)
    assert error["code"] == "state"
    assert "belongs to a move from" in error["message"] and other.server.password not in error["message"]
    assert "--dir" in error["hint"]
    assert untouched(other)


def test_second_mover_on_one_folder_is_refused_with_the_first_ones_id(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        error = move.failed()
        assert error["code"] == "state"
        assert str(run.pid) in error["message"] + error["hint"]
        status = move.status()
        assert (status["running"], status["pid"], status["complete"]) == (True, run.pid, False)
    assert run.wait().rc == 0
    move.check_exact()


def test_finished_move_is_not_made_again(homeport, small):
    source, target = small
    move = Move(homeport, source, target)
    move.ok()
    source.sql("INSERT INTO t VALUES (2)")
    result = move.ok()
    assert result.json["already_done"] is True
    assert target.sql("SELECT id FROM t") == [(1,)]
    text = homeport("move", "--once", "--dir", move.dir, source=source, target=target)
    assert (text.rc, text.out) == (0, "This move is finished already; nothing was done. To move again, give another "
                                   "--dir and an empty target.\n")
    # An earlier version of homeport did not note which database it was.
    with contextlib.closing(sqlite3.connect(move.dir / "state.sqlite")) as state:
        state.execute("DELETE FROM fact WHERE name = 'target database'")
        state.commit()
    assert move.ok().json["already_done"] is True


def made_anew(db):
    db.server.sql(f"DROP DATABASE {db.name} WITH (FORCE)")
    db.server.create_db(db.name)


def test_finished_move_is_not_believed_of_a_target_made_anew(homeport, small):
    source, target = small
    move = Move(homeport, source, target)
    move.ok()
    target.server.sql(f"DROP DATABASE {target.name} WITH (FORCE)")
    error = move.failed()
    assert error["code"] == "connect" and "target" in error["message"], error
    target.server.create_db(target.name)
    error = move.failed()
    assert error["code"] == "state" and "filled another database" in error["message"], error
    assert "--dir" in error["hint"] and target.server.password not in error["message"]
    assert untouched(target)
    Move(homeport, source, target, name="another").ok()
    assert target.sql("SELECT id FROM t") == source.sql("SELECT id FROM t")


def test_target_made_anew_before_the_last_step_is_not_called_complete(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, BEFORE_MARKS_GO) as run:
        run.kill()
    assert move.check_incomplete()["phase"] == "finishing"
    made_anew(target)
    assert "filled another database" in move.failed()["message"]
    move.check_incomplete()


def test_finished_move_of_a_target_that_does_not_tell_its_cluster(homeport, small):
    source, target = small
    url = target.role("plain")
    target.server.sql(f"ALTER DATABASE {target.name} OWNER TO plain")
    target.script("REVOKE EXECUTE ON FUNCTION pg_control_system FROM PUBLIC; GRANT ALL ON SCHEMA public TO plain")
    move = Move(homeport, source, url, "--map-role", "postgres=plain")
    move.ok()
    assert move.ok().json["already_done"] is True
    made_anew(target)
    target.sql("REVOKE EXECUTE ON FUNCTION pg_control_system FROM PUBLIC")
    assert "filled another database" in move.failed()["message"]


def test_work_folder_lost_while_the_target_has_marks(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
    subprocess.run(["rm", "-r", move.dir], check=True)
    result = move.run()
    assert result.rc == 3 and "BLOCKER  other-move" in result.err, str(result)
    # A database that is made anew is nobody's.
    name = target.name
    target.server.sql(f"DROP DATABASE {name} WITH (FORCE)")
    target.server.create_db(name)
    move.ok()
    move.check_exact()


def test_target_made_anew_under_a_killed_move(homeport, shops):
    """Neither marks nor rows: it begins from the start by itself."""
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
    target.server.sql(f"DROP DATABASE {target.name} WITH (FORCE)")
    target.server.create_db(target.name)
    result = move.ok()
    assert "the target is empty again" in result.err
    move.check_exact()


@pytest.mark.parametrize("lost", ("schema.dump", "schema.roles"))
def test_files_lost_from_the_work_folder(homeport, shops, lost):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
    (move.dir / lost).unlink()
    if lost == "schema.roles":
        move.ok()
        move.check_exact()
    else:
        error = move.failed()
        assert "by hand" in error["hint"]
        move.check_incomplete()


def test_state_that_is_damaged(homeport, small):
    move = Move(homeport, *small)
    move.dir.mkdir(parents=True)
    (move.dir / "state.sqlite").write_text("this is no database, and longer than a header of one" * 20, encoding="utf-8")
    error = move.failed()
    assert error["code"] == "io" and "state.sqlite" in error["message"] and "not a database" in error["message"]
    assert untouched(small[1])


def test_work_folder_that_cannot_be_written(homeport, small, tmp_path):
    """Root may write anywhere but into a file system that takes nothing."""
    move = Move(homeport, *small)
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder, named in ((pathlib.Path("/proc/nowhere"), "/proc/nowhere"), (pathlib.Path("/proc"), "/proc/lock"),
                          (tmp_path / "file" / "folder", tmp_path / "file")):
        move.dir = folder
        error = move.failed()
        assert error["code"] == "io" and str(named) in error["message"]
        assert "another --dir" in error["hint"]
        assert untouched(small[1])


def test_source_schema_changed_between_two_runs(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, moving.IN_FINISH) as run:
        run.kill()
    source.sql('''
        SET session_replication_role = replica;
        ALTER TABLE shop.account ADD COLUMN more text DEFAULT 'x';
        DROP TABLE shop.booking;
        DROP PUBLICATION feed;
        CREATE TABLE shop.fresh (id integer PRIMARY KEY REFERENCES shop.account);
        ALTER DEFAULT PRIVILEGES FOR ROLE "shop owner" IN SCHEMA shop REVOKE SELECT ON TABLES FROM "shop ""reader""";
        ALTER TYPE shop.mood ADD VALUE 'so so';
        SELECT lo_unlink(7001), lo_unlink(7002);
    ''')
    result = move.ok()
    assert "the schema has changed since the run before; starting from empty" in result.err
    move.check_exact()
    assert target.sql("SELECT 1 FROM pg_default_acl") == []


def test_what_somebody_built_upon_an_unfinished_move_is_not_dropped_with_it(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, moving.IN_FINISH) as run:
        run.kill()
    source.sql("ALTER TABLE shop.account ADD COLUMN more text")
    target.sql("CREATE VIEW mine AS SELECT id FROM shop.account")
    error = move.failed()
    assert error["code"] == "sql" and error["sqlstate"] == "2BP01", error
    assert error["message"].startswith("empty the target: drop TABLE account: cannot drop table shop.account"), error
    assert "drop and create the database" in error["hint"], error
    assert len(target.sql("SELECT id FROM mine")) == 200
    target.sql("DROP VIEW mine")
    move.ok()
    move.check_exact()


def test_role_that_is_gone_when_its_objects_are_made(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with moving.held_in_schema(move.start, target) as run:
        target.server.sql('ALTER ROLE "shop owner" RENAME TO "shop former"')
    error = moving.error_of(run.wait(60))
    assert error["sqlstate"] == "42704" and "give it to its owner" in error["message"], error
    assert error["hint"] == "Create the role, or map it with --map-role 'shop owner'=ROLE."
    move.check_incomplete()
    target.server.sql('ALTER ROLE "shop former" RENAME TO "shop owner"')
    move.ok()
    move.check_exact()


def test_work_folder_of_a_move_of_the_other_kind(homeport, shops):
    source, target = shops
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
    result = homeport("move", "--json", "--dir", move.dir, source=source, target=target)
    assert result.rc == 1, str(result)
    error = moving.error_of(result)
    assert error["message"] == f'the folder "{move.dir}" belongs to a move of the other kind'
    assert error["hint"] == "Go on with `homeport move --once`, or give another --dir."
    move.ok()
    move.check_exact()


def test_second_mover_that_begins_on_the_target_behind_the_check(homeport, shops, proxy):
    source, target = shops
    first = Move(homeport, source, target)
    second = Move(homeport, source, target, name="second")
    relay = proxy(target.server)
    relay.hold_at("to_regclass('homeport.move') IS NOT NULL")
    run = second.start(env={"HOMEPORT_TARGET_URL": relay.url(target)})
    run.wait_for(lambda: relay.holds, 60, "the check is behind it")
    with held(first.start, target, IN_COPY) as other:
        relay.release()
        error = moving.error_of(run.wait(60))
        assert error["code"] == "state" and "another move has begun on this target (id " in error["message"], error
        assert "Go on with it in its own work folder" in error["hint"]
    assert other.wait().rc == 0
    first.check_exact()


def test_schema_taken_otherwise_between_two_runs(homeport, shops):
    source, target = shops
    source.sql("SELECT lo_unlink(oid) FROM pg_largeobject_metadata")  # which would be refused before
    move = Move(homeport, source, target)
    with held(move.start, target, IN_COPY) as run:
        run.kill()
    config = homeport.cwd / "homeport.yaml"
    config.write_text("schema: existing\n", encoding="utf-8")
    assert "in another way" in move.failed("--config", config)["message"]
    move.check_incomplete()
    config.unlink()
    move.ok()
    move.check_exact()


# -- many, few, much

def test_thousand_tables(homeport, pair):
    source, target = pair(15, 15)
    source.script("""
        SELECT format('CREATE TABLE t%s (id integer PRIMARY KEY, other integer, a text);'
                      'CREATE INDEX ON t%1$s (other); INSERT INTO t%1$s SELECT g, g, %1$s FROM generate_series(1, 5) AS g', n)
          FROM generate_series(1, 1000) AS n \\gexec
        SELECT format('ALTER TABLE t%s ADD FOREIGN KEY (other) REFERENCES t%s', n, n / 2 + 1)
          FROM generate_series(1, 1000) AS n \\gexec
    """)
    began = time.monotonic()
    result = Move(homeport, source, target, "--jobs", "4").ok()
    print(f"1,000 tables in {time.monotonic() - began:.1f} s", result.json["took"])
    assert result.json["copied"]["tables"] == 1000
    assert result.json["copied"]["indexes"] == 2000
    count = "SELECT contype, count(*), bool_and(convalidated) FROM pg_constraint WHERE conrelid >= 16384 GROUP BY 1 ORDER BY 1"
    assert target.sql(count) == source.sql(count)
    assert target.contents() == source.contents()


@pytest.mark.parametrize("jobs", (1, 16, 64))
def test_jobs(homeport, shops, jobs):
    source, target = shops
    move = Move(homeport, source, target, "--jobs", str(jobs), "--split-bytes", "64kB", verify=True)
    move.ok()
    move.check_exact()


@pytest.mark.parametrize("jobs, rc", (("0x10", 2), ("-1", 2), ("1000", 2)))
def test_jobs_that_cannot_be(homeport, small, jobs, rc):
    result = Move(homeport, *small).run("--jobs", jobs)
    assert result.rc == rc
    assert "jobs" in moving.error_of(result)["message"]


def test_objects_of_more_than_one_commit(homeport, pair):
    """Each keeps the settings that it is made with."""
    source, target = pair(15, 15)
    source.script("".join(f"CREATE DOMAIN d{i} AS integer CHECK (VALUE > {i}); REVOKE ALL ON DOMAIN d{i} FROM PUBLIC;"
                          f"CREATE TABLE t{i} (v d{i}) USING heap; GRANT SELECT ON t{i} TO PUBLIC;"
                          for i in range(150)) + "INSERT INTO t149 VALUES (150)")
    move = Move(homeport, source, target, verify=True)
    assert move.ok().json["verified"] is True
    move.check_exact()


def test_empty_database(homeport, pair):
    source, target = pair(15, 15)
    move = Move(homeport, source, target, verify=True)
    result = move.ok()
    assert (result.json["copied"]["tables"], result.json["rows"]) == (0, 0)
    move.check_exact()


@pytest.mark.tsan
def test_server_with_fewer_connections_than_jobs(homeport, servers, pair):
    """check warns; the move goes on with what it gets and does not wait for more."""
    source, _ = pair(15, 15)
    target = servers.new(15, settings={"max_connections": 8, "max_wal_senders": 0, "wal_level": "replica"}).create_db()
    shop(source, target, transfers=100000)  # enough that the others are still at work when one is refused
    move = Move(homeport, source, target, "--jobs", "16")
    began = time.monotonic()
    result = move.ok()
    assert time.monotonic() - began < 30
    assert "going on with a worker less" in result.err and "too many clients" in result.err
    move.check_exact()


@pytest.mark.parametrize("ddl, what", (
    ("CREATE INDEX lowered ON item (outer_name(name))", "create INDEX public.lowered"),
    ("CREATE MATERIALIZED VIEW lowered AS SELECT outer_name(name) FROM item", "refresh materialised view"),
    ("ALTER TABLE item ADD CHECK (outer_name(name) = 'a')", 'copy "public"."item"'),
))
def test_function_that_relies_on_the_search_path(homeport, pair, ddl, what):
    """As with pg_restore it fails; it says why, and goes on from what was mended on the source."""
    source, target = pair(15, 15)
    source.script(
        "CREATE TABLE item (name text); INSERT INTO item VALUES ('A');"
        "CREATE FUNCTION inner_name(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower($1)';"
        # No SQL function, which would be inlined and bound when the view is made.
        "CREATE FUNCTION outer_name(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS"
        " $$BEGIN RETURN inner_name($1); END$$;" + ddl)
    move = Move(homeport, source, target, verify=True)
    error = move.failed()
    assert what in error["message"] and "search_path" in error["hint"]
    move.check_incomplete()
    source.sql("ALTER FUNCTION outer_name(text) SET search_path = public")
    move.ok()
    move.check_exact()
