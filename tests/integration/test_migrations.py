"""homeport migrations, side by side with the real drizzle-kit of both lines."""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import sqlite3
import subprocess

import pytest

import drizzle
import wait
from drizzle import MARK, Folders, Journal, Kit, Project, dump, rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
GITGUD = ROOT / "examples/gitgud"

A = "CREATE TABLE a(i int);"
B = "CREATE TABLE b(i int);"
C = "CREATE TABLE c(i int);"
HASH_A = "81c1542921ff5b4ffee472fea0c2c1d517205e5d28a665b8199435b6f959d9cf"
HASH_B = "4fb72bc46a08e53155b9c9be0a04000c527b9cf207a5caf27f72570672810887"
DAY_1, DAY_2, DAY_3 = "20240101000000_a", "20240102000000_b", "20240103000000_c"
MS_1, MS_2, MS_3 = 1704067200000, 1704153600000, 1704240000000


@pytest.fixture(scope="session")
def kits():
    return drizzle.installed()


@pytest.fixture
def kit(kits):
    return Kit(kits, "0.31")


@pytest.fixture
def kit_1(kits):
    return Kit(kits, "1.0")


class House:
    """homeport on a project and a database."""

    def __init__(self, homeport):
        self.homeport = homeport

    def __call__(self, command, project, database, *args, **kwargs):
        if project.tracking:
            args = ("--migrations-schema", project.tracking[0], "--migrations-table", project.tracking[1], *args)
        return self.homeport(
            "migrations", command, "--migrations", project.out, *args, target=database, cwd=project.dir, **kwargs)

    def apply(self, project, database, *args):
        """Which tags were applied."""
        result = self("apply", project, database, "--json", *args)
        assert result.rc == 0, str(result)
        return [migration["tag"] for migration in result.json["applied"]]

    def baseline(self, project, database, *args):
        result = self("baseline", project, database, "--json", *args)
        assert result.rc == 0, str(result)
        return [migration["tag"] for migration in result.json["recorded"]]

    def status(self, project, database, rc=0):
        """The states by tag, rows without a migration as (row N): unknown."""
        result = self("status", project, database, "--json")
        assert result.rc == rc, str(result)
        states = {migration["tag"]: migration["state"] for migration in result.json["migrations"]}
        states.update({f"(row {row['id']})": "unknown" for row in result.json["unknown_rows"]})
        return states

    def reasons(self, project, database):
        result = self("status", project, database, "--json")
        assert result.rc == 3, str(result)
        return {problem["reason"] for problem in result.json["problems"]}

    def refuses(self, project, database, reason):
        """apply names the reason, and changes nothing at all."""
        before = dump(database)
        result = self("apply", project, database, "--json")
        assert result.rc == 1, str(result)
        assert f"--allow {reason} " in result.json["error"]["hint"], str(result)
        assert dump(database) == before
        return result.json["error"]

    def fails(self, project, database, *args):
        """apply fails and changes nothing at all."""
        before = dump(database)
        result = self("apply", project, database, "--json", *args)
        assert result.rc == 1, str(result)
        assert dump(database) == before
        return result.json["error"]

    def nothing_to_do(self, project, database, *args):
        before = dump(database)
        assert self.apply(project, database, *args) == []
        assert dump(database) == before


@pytest.fixture
def house(homeport):
    return House(homeport)


@pytest.fixture
def fresh(database):
    return lambda: database(15)


@pytest.fixture
def journal(tmp_path):
    """journal(sql, sql) -> a Journal of that many entries, a minute apart."""
    made = iter(range(100))
    return lambda *migrations: Journal(tmp_path / f"journal{next(made)}", *migrations)


@pytest.fixture
def folders(tmp_path):
    made = iter(range(100))
    return lambda migrations=(): Folders(tmp_path / f"folders{next(made)}", migrations)


# ---- the two tools in turn


def test_journal_homeport_first_leaves_drizzle_kit_nothing_to_do(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    assert house.apply(project, db) == ["0000_step", "0001_step"]
    kit.nothing_to_do(project, db)
    project.add(C, 1795338267376 + 999999)
    kit.migrate(project, db)
    house.nothing_to_do(project, db)


def test_journal_drizzle_kit_first_leaves_homeport_nothing_to_do(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    assert house.status(project, db) == {"0000_step": "applied", "0001_step": "applied"}
    house.nothing_to_do(project, db)
    project.add(C, 1795338267376 + 999999)
    assert house.apply(project, db) == ["0002_step"]
    kit.nothing_to_do(project, db)


def test_journal_makes_the_same_table_byte_for_byte(house, kit, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal(A, B)
    kit.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)
    assert rows(by_house) == [(1, HASH_A, 1795338267376), (2, HASH_B, 1795338327376)]


def test_folders_homeport_first_leaves_drizzle_kit_nothing_to_do(house, kit_1, fresh, folders):
    db, project = fresh(), folders({DAY_1: A, DAY_2: B})
    assert house.apply(project, db) == [DAY_1, DAY_2]
    kit_1.nothing_to_do(project, db)
    project.add(DAY_3, C)
    kit_1.migrate(project, db)
    house.nothing_to_do(project, db)


def test_folders_drizzle_kit_first_leaves_homeport_nothing_to_do(house, kit_1, fresh, folders):
    db, project = fresh(), folders({DAY_1: A, DAY_2: B})
    kit_1.migrate(project, db)
    assert house.status(project, db) == {DAY_1: "applied", DAY_2: "applied"}
    house.nothing_to_do(project, db)
    project.add(DAY_3, C)
    assert house.apply(project, db) == [DAY_3]
    kit_1.nothing_to_do(project, db)


def test_folders_make_the_same_table_byte_for_byte(house, kit_1, fresh, folders):
    by_kit, by_house, project = fresh(), fresh(), folders({DAY_1: A, DAY_2: B})
    kit_1.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)
    assert rows(by_house) == [(1, HASH_A, MS_1, DAY_1, False), (2, HASH_B, MS_2, DAY_2, False)]
    # The moment is that of the transaction, for all of its rows.
    assert by_house.value("SELECT count(DISTINCT applied_at) FROM drizzle.__drizzle_migrations") == 1


def test_gitgud_is_the_same_by_both(homeport, house, kit, fresh, tmp_path):
    by_kit, by_house = fresh(), fresh()
    project = Project(tmp_path / "gitgud")
    shutil.rmtree(project.out)
    shutil.copytree(GITGUD / "src/lib/db/migrations", project.out)
    kit.migrate(project, by_kit)
    # As its owner would: the folder is found by drizzle.config.ts.
    result = homeport.ok("migrations", "apply", target=by_house, cwd=GITGUD)
    assert "src/lib/db/migrations (out in drizzle.config.ts; journal of drizzle-kit 0.x)" in result.out
    assert "applied 0000_init" in result.out
    assert dump(by_house) == dump(by_kit)
    assert by_house.tables() == ["attempts", "drizzle.__drizzle_migrations", "problems", "users"]
    kit.nothing_to_do(project, by_house)
    house.nothing_to_do(project, by_kit)


@pytest.mark.parametrize("version", (14, 16, 17, 18))
def test_every_version_of_postgresql(house, kit, kit_1, database, journal, folders, version):
    for tool, project in ((kit, journal(A, B)), (kit_1, folders({DAY_1: A, DAY_2: B}))):
        by_kit, by_house = database(version), database(version)
        tool.migrate(project, by_kit)
        assert len(house.apply(project, by_house)) == 2
        assert rows(by_house) == rows(by_kit)
        tool.migrate(project, by_house)
        assert house.apply(project, by_kit) == []
        assert rows(by_house) == rows(by_kit)


# ---- 0.x: the cases of its migrator


@pytest.mark.parametrize("when", (1500, 2000))
def test_0x_late_entry_not_newer_than_the_last_is_skipped_by_the_kit_and_refused_here(house, kit, fresh, journal, when):
    db, project = fresh(), journal()
    project.add(A, 1000)
    project.add(B, 2000)
    kit.migrate(project, db)
    project.add(C, when)
    kit.nothing_to_do(project, db)
    assert house.status(project, db, rc=3) == {"0000_step": "applied", "0001_step": "applied", "0002_step": "skipped"}
    error = house.refuses(project, db, "skipped")
    assert "0002_step.sql is not recorded, and drizzle-kit would skip it silently" in error["message"]
    house.nothing_to_do(project, db, "--allow", "skipped")
    assert house.apply(project, db, "--run-skipped") == ["0002_step"]
    assert rows(db)[2][2] == when
    kit.nothing_to_do(project, db)
    house.nothing_to_do(project, db)


def test_0x_fresh_database_runs_in_the_order_of_the_journal_not_of_time(house, kit, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal()
    project.add(A, 3000)
    project.add("ALTER TABLE a ADD j int;", 2000)
    kit.migrate(project, by_kit)
    assert house.apply(project, by_house) == ["0000_step", "0001_step"]
    assert dump(by_house) == dump(by_kit)
    assert [row[2] for row in rows(by_house)] == [3000, 2000]


def test_0x_file_edited_after_it_was_applied_is_ignored_by_the_kit_and_refused_here(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    project.write("0000_step.sql", A + " -- edited")
    kit.nothing_to_do(project, db)
    assert house.status(project, db, rc=3) == {"0000_step": "edited", "0001_step": "applied"}
    house.refuses(project, db, "edited")
    house.nothing_to_do(project, db, "--allow", "edited")
    assert rows(db)[0][1] == HASH_A


def test_0x_one_row_with_the_last_time_and_any_hash_is_a_baseline_to_the_kit(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(journal(), db)
    db.sql("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('any', 1795338327376)")
    kit.nothing_to_do(project, db)
    assert house.status(project, db, rc=3) == {"0000_step": "skipped", "0001_step": "edited"}
    house.nothing_to_do(project, db, "--allow", "edited,skipped")


def test_0x_row_written_by_hand_counts_and_the_rest_follows(house, kit, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal(A, B)
    for db in (by_kit, by_house):
        kit.migrate(journal(), db)
        db.sql("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES (%s, 1795338267376)", (HASH_A,))
    kit.migrate(project, by_kit)
    assert house.apply(project, by_house) == ["0001_step"]
    assert dump(by_house) == dump(by_kit)
    assert rows(by_house)[1] == (2, HASH_B, 1795338327376)
    assert by_house.tables() == ["b", "drizzle.__drizzle_migrations"]


def test_0x_failure_in_the_second_of_three_rolls_everything_back(house, kit, fresh, journal):
    by_kit, by_house = fresh(), fresh()
    broken = journal(A, f"{B}\n{MARK}\nCREATE TABLE x (\n  i nosuchtype\n);", C)
    kit.fails(broken, by_kit)
    error = house.fails(broken, by_house)
    assert error["sqlstate"] == "42704"
    assert error["message"] == ('0001_step.sql, statement 2 of 2 (line 4): type "nosuchtype" does not exist, '
                                "in: CREATE TABLE x ( i nosuchtype );")
    assert error["hint"].startswith("Nothing was changed")
    assert by_house.tables() == []
    assert by_kit.tables() == ["drizzle.__drizzle_migrations"]
    # Put right, both get there; the kit's serial has gaps by then, which nobody reads.
    broken.write("0001_step.sql", B)
    kit.migrate(broken, by_kit)
    house.apply(broken, by_house)
    assert [row[1:] for row in rows(by_house)] == [row[1:] for row in rows(by_kit)]
    for db in (by_kit, by_house):
        kit.nothing_to_do(broken, db)
        house.nothing_to_do(broken, db)


def test_0x_row_without_created_at_makes_the_kit_run_all_again_and_is_refused_here(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    db.sql("UPDATE drizzle.__drizzle_migrations SET created_at = NULL WHERE id = 2")
    kit.fails(project, db)
    assert house.status(project, db, rc=3) == {"0000_step": "repeated", "0001_step": "repeated"}
    assert house.reasons(project, db) == {"repeated", "null-time"}
    house.refuses(project, db, "repeated")
    error = house.fails(project, db, "--allow", "repeated,null-time")
    assert error["sqlstate"] == "42P07"
    assert "baseline" in error["hint"]


def test_0x_concurrently_fails_in_the_kit_and_is_refused_here(house, kit, fresh, journal):
    db, project = fresh(), journal(A, "CREATE INDEX CONCURRENTLY a_i ON a (i);")
    kit.fails(project, fresh())
    assert "no-transaction" in house.reasons(project, db)
    error = house.refuses(project, db, "no-transaction")
    assert "0001_step.sql line 1 CREATE ... CONCURRENTLY" in error["message"]
    assert house.fails(project, db, "--allow", "no-transaction")["sqlstate"] == "25001"
    # The way out: by hand, and recorded.
    assert house.apply(project, db, "--until", "0000_step") == ["0000_step"]
    db.script("CREATE INDEX CONCURRENTLY a_i ON a (i);")
    assert house.baseline(project, db) == ["0001_step"]
    kit.nothing_to_do(project, db)


@pytest.mark.parametrize("in_one_file", (True, False))
def test_0x_enum_value_used_in_the_run_that_adds_it(house, kit, fresh, journal, in_one_file):
    first = "CREATE TYPE mood AS ENUM ('bad'); CREATE TABLE m (mood mood);"
    add, use = "ALTER TYPE mood ADD VALUE 'ok';", "INSERT INTO m VALUES ('ok');"
    project = journal(first, f"{add}\n{MARK}\n{use}") if in_one_file else journal(first, add, use)
    kit.fails(project, fresh())
    db = fresh()
    house.refuses(project, db, "enum-value-used")
    error = house.fails(project, db, "--allow", "enum-value-used")
    assert error["sqlstate"] == "55P04"
    assert "--until" in error["hint"]
    if not in_one_file:
        assert house.apply(project, db, "--until", "0001_step") == ["0000_step", "0001_step"]
        assert house.apply(project, db) == ["0002_step"]
        kit.nothing_to_do(project, db)
        assert db.sql("SELECT mood FROM m") == [("ok",)]


def test_0x_file_that_commits_loses_its_row_in_the_kit_and_is_refused_here(house, kit, fresh, journal):
    by_kit, by_house = fresh(), fresh()
    project = journal(f"{A}\n{MARK}\nCOMMIT;\n{MARK}\nCREATE INDEX CONCURRENTLY a_i ON a (i);\n{MARK}\nBEGIN;",
                      "CREATE TABLE x (i nosuchtype);")
    kit.fails(project, by_kit)
    assert house.reasons(project, by_house) == {"transaction-control", "no-transaction"}
    house.refuses(project, by_house, "transaction-control")
    # Allowed, it does the same: table and index stay, the row is lost, the next run fails.
    result = house("apply", project, by_house, "--json", "--allow", "transaction-control,no-transaction")
    assert result.rc == 1
    assert result.json["error"]["sqlstate"] == "42704"
    assert dump(by_house, "-t", "a") == dump(by_kit, "-t", "a")
    assert rows(by_kit) == rows(by_house) == []
    kit.fails(project, by_kit)
    assert house.fails(project, by_house, "--allow", "transaction-control,no-transaction")["sqlstate"] == "42P07"


def test_0x_search_path_of_one_migration_leaks_to_the_next(house, kit, fresh, journal):
    by_kit, by_house = fresh(), fresh()
    project = journal("CREATE SCHEMA other; SET search_path = other;", A)
    kit.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)
    assert "other.a" in by_house.tables()


def test_0x_migrations_see_the_settings_that_the_kit_sees(house, kit, fresh, journal):
    by_kit, by_house = fresh(), fresh()
    project = journal(
        "CREATE TABLE seen AS SELECT name, setting FROM pg_settings WHERE name IN ('search_path', 'DateStyle',"
        " 'IntervalStyle', 'TimeZone', 'extra_float_digits', 'bytea_output', 'standard_conforming_strings',"
        " 'client_encoding', 'statement_timeout', 'row_security', 'default_transaction_isolation') ORDER BY 1;")
    for db in (by_kit, by_house):
        db.sql(f"ALTER DATABASE \"{db.name}\" SET search_path = 'public', 'extra'")
        db.sql(f"ALTER DATABASE \"{db.name}\" SET statement_timeout = '77s'")
    kit.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)


def test_0x_three_homeports_at_once_apply_once_and_all_succeed(house, kit, fresh, journal):
    db, project = fresh(), journal(A, f"{B}\n{MARK}\nSELECT pg_sleep(0.5);", C)
    runs = [house.homeport.start("migrations", "apply", "--json", "--migrations", project.out, target=db)
            for _ in range(3)]
    results = [run.wait() for run in runs]
    assert [result.rc for result in results] == [0, 0, 0], "\n".join(map(str, results))
    assert sorted(len(result.json["applied"]) for result in results) == [0, 0, 3]
    assert [row[0] for row in rows(db)] == [1, 2, 3]
    kit.nothing_to_do(project, db)


def test_0x_homeport_and_drizzle_kit_at_once_never_apply_twice(house, kit, fresh, journal):
    for _ in range(3):
        db, project = fresh(), journal(A, f"{B}\n{MARK}\nSELECT pg_sleep(0.3);", C)
        process = kit.start("migrate", project, db)
        result = house("apply", project, db)
        process.communicate(timeout=60)
        assert 0 in (result.rc, process.returncode), str(result)
        assert [row[1:] for row in rows(db)] == [
            (HASH_A, 1795338267376), (rows(db)[1][1], 1795338327376), (rows(db)[2][1], 1795338387376)]
        kit.nothing_to_do(project, db)
        house.nothing_to_do(project, db)


@pytest.mark.parametrize("when", ("1000", 1000.0, 1e3))
def test_0x_when_as_text_or_whole_float_is_stored_as_a_number(house, kit, fresh, journal, when):
    by_kit, by_house, project = fresh(), fresh(), journal()
    project.add(A, when)
    kit.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)
    assert rows(by_house) == [(1, HASH_A, 1000)]


@pytest.mark.parametrize("when", (1000.5, ..., None, "soon"))
def test_0x_when_that_is_no_whole_number_is_an_error_of_both(house, kit, fresh, journal, when):
    project = journal()
    project.add(A, when)
    if when is not None:  # which the kit stores as NULL, and then runs everything again for ever
        kit.fails(project, fresh())
    error = house.fails(project, fresh())
    assert "entry 0 of the journal (0000_step)" in error["message"]
    assert "git" in error["hint"]


def test_0x_version_and_dialect_of_the_journal_are_not_looked_at(house, kit, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal(A)
    project.head = {"version": "5", "dialect": "mysql"}
    project.save()
    kit.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)


BROKEN_JOURNALS = {
    "entries missing": (b'{"version":"7"}', 'has no "entries"'),
    "cut off": (b'{"version":"7","entries":[{"idx":0,"when":1,"ta', "no valid JSON"),
    "empty": (b"", "no valid JSON"),
    "not JSON": (b"entries:\n  - 1\n", "no valid JSON"),
    "merge marks": (b'{"entries":[\n<<<<<<< HEAD\n]}', "no valid JSON"),
    "byte order mark": (b'\xef\xbb\xbf{"entries":[]}', "no valid JSON"),
}


@pytest.mark.parametrize("case", BROKEN_JOURNALS)
def test_0x_broken_journal_is_an_error_of_both_and_changes_nothing(house, kit, fresh, journal, case):
    content, message = BROKEN_JOURNALS[case]
    db, project = fresh(), journal(A)
    project.write("meta/_journal.json", content)
    kit.fails(project, db)
    error = house.fails(project, db)
    assert message in error["message"]
    assert "git" in error["hint"]
    assert db.tables() == []


def test_0x_missing_journal_is_an_error_of_both_and_changes_nothing(house, kit, fresh, journal):
    db, project = fresh(), journal(A)
    (project.out / "meta/_journal.json").unlink()
    kit.fails(project, db)
    assert "holds no migrations" in house.fails(project, db)["message"]
    assert db.tables() == []


def test_0x_missing_file_even_of_an_applied_migration_is_an_error_of_both(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    (project.out / "0000_step.sql").unlink()
    kit.fails(project, db)
    assert "0000_step.sql" in house.fails(project, db)["message"]


def test_0x_journal_without_entries_makes_schema_and_table(house, kit, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal()
    kit.migrate(project, by_kit)
    assert house.apply(project, by_house) == []
    assert dump(by_house) == dump(by_kit)
    assert by_house.tables() == ["drizzle.__drizzle_migrations"]


def test_0x_unreachable_server_is_an_error_of_both(house, kit, fresh, journal):
    project, nowhere = journal(A), "postgresql://x@127.0.0.1:1/x"
    kit.fails(project, nowhere)
    result = house("apply", project, nowhere)
    assert result.rc == 1
    assert "refused" in result.err


# ---- 0.x: text, hash and statements


def kit_and_house_agree(house, kit, fresh, project, *args):
    by_kit, by_house = fresh(), fresh()
    kit.migrate(project, by_kit)
    house.apply(project, by_house, *args)
    # Not a byte of difference: then the kit has nothing left to do here, either.
    assert dump(by_house) == dump(by_kit)
    return by_house


TEXTS = {
    "CRLF": b"CREATE TABLE a(i int);\r\n--> statement-breakpoint\r\nCREATE TABLE b(i int);\r\n",
    "empty file": b"",
    "only a comment": b"-- Custom SQL migration file, put your code below! --",
    "empty pieces": b"--> statement-breakpoint\n\n--> statement-breakpoint" + A.encode() + b"--> statement-breakpoint",
    "marker without the blank": b"CREATE TABLE a(i int);\n-->statement-breakpoint\nCREATE TABLE b(i int);",
    "text behind a marker": b"CREATE TABLE a(i int);--> statement-breakpoint CREATE TABLE b(i int);",
    "no marker, many statements": b"CREATE TABLE a(i int); INSERT INTO a VALUES (1); CREATE TABLE b(i int);",
    "multibyte": "CREATE TABLE a(t text DEFAULT 'Grüße, 世界 \U0001f600');".encode(),
    "rows to be thrown away": b"SELECT * FROM generate_series(1, 100000); SELECT 1;",
    "quotes of every kind": b"""CREATE TABLE "a;b"(t text DEFAULT ';'); DO $x$ BEGIN EXECUTE 'SELECT 1;'; END $x$;""",
    "copy to the client": A.encode() + b" COPY a TO STDOUT;",
}


@pytest.mark.parametrize("case", TEXTS)
def test_0x_text_is_hashed_and_run_as_by_the_kit(house, kit, fresh, journal, case):
    project = journal(TEXTS[case])
    kit_and_house_agree(house, kit, fresh, project)


def test_0x_breakpoints_of_the_entry_are_not_looked_at(house, kit, fresh, journal):
    project = journal()
    project.add(f"{A}\n{MARK}\n{B}", 1000, breakpoints=False)
    kit_and_house_agree(house, kit, fresh, project)


def test_0x_names_of_tags_are_free(house, kit, fresh, journal):
    project = journal()
    for number, tag in enumerate(("20240101_supabase", "1700000000_unix", "no-number", "ümläut 世界", "0000_init")):
        project.add(f"CREATE TABLE t{number}(i int);", 1000 + number, tag=tag)
    kit_and_house_agree(house, kit, fresh, project)


def test_0x_invalid_utf8_is_hashed_as_the_kit_reads_it_and_needs_a_word(house, kit, fresh, journal):
    project = journal(b"CREATE TABLE a(i int); -- caf\xe9\n")
    error = house.refuses(project, fresh(), "invalid-utf8")
    assert "0000_step.sql line 1" in error["message"]
    db = kit_and_house_agree(house, kit, fresh, project, "--allow", "invalid-utf8")
    assert rows(db)[0][1] == "fe1b0f97beb611010c87c28574686701b2045777ee5b7759e4a29d9475a07926"


def test_0x_byte_order_mark_fails_in_the_kit_and_is_refused_here(house, kit, fresh, journal):
    project = journal(b"\xef\xbb\xbf" + A.encode())
    kit.fails(project, fresh())
    db = fresh()
    house.refuses(project, db, "bom")
    assert house.fails(project, db, "--allow", "bom")["sqlstate"] == "42601"


def test_0x_marker_in_quotes_splits_all_the_same_and_is_refused_here(house, kit, fresh, journal):
    project = journal(f"CREATE TABLE a(t text DEFAULT '{MARK}');")
    kit.fails(project, fresh())
    db = fresh()
    house.refuses(project, db, "marker-in-quotes")
    assert house.fails(project, db, "--allow", "marker-in-quotes")["sqlstate"] == "42601"


def test_0x_nul_byte_is_an_error_of_both(house, kit, fresh, journal):
    project = journal(b"CREATE TABLE a(i int); --\0\n")
    kit.fails(project, fresh())
    assert "NUL byte" in house.fails(project, fresh())["message"]


def test_hash_of_any_bytes_is_that_of_node(house, fresh, journal):
    rng = random.Random(7)
    seeds = [b"\xe2\x82", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc3\xa9", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"a", b"\n"]
    project = journal()
    for number in range(200):
        data = b"--" + b"".join(
            rng.choice(seeds) if rng.random() < 0.5 else bytes([rng.randrange(1, 256)]) for _ in range(rng.randrange(60)))
        project.add(data, 1000 + number)
    script = """
        const fs = require("fs"), crypto = require("crypto");
        for (const entry of JSON.parse(fs.readFileSync("meta/_journal.json", "utf8")).entries)
          console.log(crypto.createHash("sha256").update(fs.readFileSync(entry.tag + ".sql").toString()).digest("hex"));
    """
    by_node = subprocess.run(
        ["node", "-e", script], cwd=project.out, check=True, capture_output=True, text=True).stdout.split()
    result = house("status", project, fresh(), "--json")
    assert [migration["hash"] for migration in result.json["migrations"]] == by_node
    assert len(set(by_node)) > 190


def test_order_of_folders_is_that_of_node(house, fresh, folders):
    rng = random.Random(11)
    letters = "abcXYZ019 _-,;:!?.'\"()[]{}@*&#%`^+<=>|~$"
    names = {"20240101000000_" + "".join(rng.choice(letters) for _ in range(rng.randrange(1, 6))) for _ in range(300)}
    project = folders({name: "" for name in names})
    by_node = json.loads(subprocess.run(
        ["node", "-e", "const n = require('fs').readdirSync('.'); n.sort((a, b) => a.localeCompare(b));"
                       "console.log(JSON.stringify(n))"],
        cwd=project.out, check=True, capture_output=True, text=True).stdout)
    result = house("status", project, fresh(), "--json")
    assert [migration["tag"] for migration in result.json["migrations"]] == by_node


# ---- where the record is kept


@pytest.mark.parametrize("tracking", (("public", "__drizzle_migrations"), ("My Mig", 'Odd"S'), ("drizzle", "kept")))
def test_table_and_schema_have_any_name(house, kit, fresh, journal, tracking):
    by_kit, by_house, project = fresh(), fresh(), journal(A, B)
    project.tracking = tracking
    kit.migrate(project, by_kit)
    house.apply(project, by_house)
    assert dump(by_house) == dump(by_kit)
    assert len(rows(by_house, tracking)) == 2
    kit.nothing_to_do(project, by_house)
    house.nothing_to_do(project, by_kit)


def test_table_and_schema_are_read_from_drizzle_config(homeport, house, kit, fresh, journal):
    db, project = fresh(), journal(A)
    project.tracking = ("public", "kept")
    kit.migrate(project, db)  # which has written drizzle.config.js
    result = homeport.ok("migrations", "status", "--json", target=db, cwd=project.dir)
    assert (result.json["schema"], result.json["table"]) == ("public", "kept")
    assert result.json["folder"] == "drizzle"
    assert result.json["folder_chosen_by"] == "out in drizzle.config.js"
    assert result.json["applied"] == 1


def test_role_that_may_not_create_schemas_applies_where_the_table_is(house, kit, fresh, journal):
    db, project = fresh(), journal(A)
    kit.migrate(project, db)
    url = db.role("app")
    db.script("GRANT USAGE, CREATE ON SCHEMA public TO app; GRANT USAGE ON SCHEMA drizzle TO app;"
              "ALTER TABLE drizzle.__drizzle_migrations OWNER TO app;")
    project.add(B, 1795338267376 + 999999)
    kit.fails(project, url)
    result = house("apply", project, url)
    assert result.rc == 0, str(result)
    assert len(rows(db)) == 2


def test_table_of_another_kind_is_refused(house, fresh, journal):
    db, project = fresh(), journal(A)
    db.script("CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (version text)")
    assert "is not a table that drizzle-kit made" in house.fails(project, db)["message"]


# ---- rows of nobody


def test_row_without_a_file_means_that_the_app_is_older_than_its_database(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    older = journal(A)
    kit.nothing_to_do(older, db)
    assert house.status(older, db, rc=3) == {"0000_step": "applied", "(row 2)": "unknown"}
    error = house.refuses(older, db, "unknown")
    assert "row 2" in error["message"]
    house.nothing_to_do(older, db, "--allow", "unknown")


def test_time_changed_in_the_journal_makes_the_kit_run_it_again_and_is_refused_here(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    project.entries[1]["when"] += 5
    project.save()
    kit.fails(project, db)
    assert house.status(project, db, rc=3) == {"0000_step": "applied", "0001_step": "repeated"}
    house.refuses(project, db, "repeated")


# ---- 1.0


def test_1_0_late_entry_is_applied_by_both(house, kit_1, fresh, folders):
    by_kit, by_house = fresh(), fresh()
    project = folders({DAY_1: A, DAY_3: C})
    for db in (by_kit, by_house):
        kit_1.migrate(project, db)
    project.add(DAY_2, B)
    kit_1.migrate(project, by_kit)
    assert house.apply(project, by_house) == [DAY_2]
    assert dump(by_house) == dump(by_kit)


def test_1_0_edited_file_is_ignored_by_the_kit_and_refused_here(house, kit_1, fresh, folders):
    db, project = fresh(), folders({DAY_1: A})
    kit_1.migrate(project, db)
    project.add(DAY_1, A + "-- edited")
    kit_1.nothing_to_do(project, db)
    assert house.status(project, db, rc=3) == {DAY_1: "edited"}
    house.refuses(project, db, "edited")
    house.nothing_to_do(project, db, "--allow", "edited")


def test_1_0_folder_without_migration_sql_is_left_out_by_both(house, kit_1, fresh, folders):
    project = folders({DAY_1: A})
    project.write(f"{DAY_2}/notes.md", "nothing yet")
    project.write("notes.txt", "x")
    kit_and_house_agree(house, kit_1, fresh, project)


def test_1_0_times_carry_over_as_in_javascript(house, kit_1, fresh, folders):
    project = folders({"20240230256199_x": A, "20241301000000_y": B})
    kit_and_house_agree(house, kit_1, fresh, project)


def test_1_0_both_layouts_in_one_folder_are_refused_by_both(house, kit_1, fresh, folders):
    db, project = fresh(), folders({DAY_1: A})
    project.write("meta/_journal.json", '{"entries":[]}')
    kit_1.fails(project, db)
    error = house.fails(project, db)
    assert "both formats" in error["message"]
    assert "drizzle-kit up" in error["hint"]


def test_1_0_renamed_folder_would_run_again_and_is_refused_here(house, kit_1, fresh, folders):
    db, project = fresh(), folders({DAY_1: A})
    kit_1.migrate(project, db)
    (project.out / DAY_1).rename(project.out / "20240101000000_renamed")
    kit_1.fails(project, db)
    assert house.reasons(project, db) == {"unknown"}
    house.refuses(project, db, "unknown")


def upped(kit_1, project):
    """The same project after `drizzle-kit up`."""
    for number, entry in enumerate(project.entries):
        project.write(f"meta/{number:04}_snapshot.json", json.dumps({
            "id": f"{number:08}-0000-0000-0000-000000000001", "version": "7", "dialect": "postgresql",
            "prevId": f"{number - 1:08}-0000-0000-0000-000000000001" if number else
                      "00000000-0000-0000-0000-000000000000",
            "tables": {}, "enums": {}, "schemas": {}, "sequences": {}, "roles": {}, "policies": {}, "views": {},
            "_meta": {"columns": {}, "schemas": {}, "tables": {}}}))
    status, out = kit_1.run("up", project)
    assert status == 0, out
    assert not (project.out / "meta").exists()
    return project


def test_1_0_table_of_0x_is_upgraded_as_by_the_kit(house, kit, kit_1, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal(A, B)
    for db in (by_kit, by_house):
        kit.migrate(project, db)
    upped(kit_1, project)
    (project.out / "20990101000000_c").mkdir()
    (project.out / "20990101000000_c/migration.sql").write_text(C, encoding="utf-8")
    kit_1.migrate(project, by_kit)
    assert list(house.status(project, by_house).values()) == ["applied", "applied", "pending"]
    assert house.apply(project, by_house) == ["20990101000000_c"]
    assert dump(by_house) == dump(by_kit)
    assert [row[4] for row in rows(by_house)] == [True, True, False]
    kit_1.nothing_to_do(project, by_house)
    house.nothing_to_do(project, by_kit)


def test_1_0_upgrade_happens_also_where_nothing_is_pending(house, kit, kit_1, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal(A, B)
    for db in (by_kit, by_house):
        kit.migrate(project, db)
    upped(kit_1, project)
    kit_1.migrate(project, by_kit)
    assert house.apply(project, by_house) == []
    assert dump(by_house) == dump(by_kit)


def test_1_0_upgrade_decides_by_hash_within_one_second(house, kit, kit_1, fresh, journal):
    by_kit, by_house, project = fresh(), fresh(), journal()
    project.add(A, 1795338267100, tag="0000_aa")
    project.add(B, 1795338267900, tag="0001_zz")
    for db in (by_kit, by_house):
        kit.migrate(project, db)
    upped(kit_1, project)
    kit_1.migrate(project, by_kit)
    assert house.apply(project, by_house) == []
    assert dump(by_house) == dump(by_kit)


def test_1_0_upgrade_with_a_row_of_nobody_is_refused_by_both(house, kit, kit_1, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    db.sql("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('x', 5)")
    upped(kit_1, project)
    assert "ids: 3" in kit_1.fails(project, db)
    house.refuses(project, db, "unknown")
    error = house.fails(project, db, "--allow", "unknown")
    assert "row 3" in error["message"]


def test_1_0_names_of_entries_are_those_that_up_gives(house, kit_1, fresh, journal):
    project = journal()
    whens = (1, 951782400999, 1700000000000, 1795354603538)
    for number, when in enumerate(whens):
        project.add(f"CREATE TABLE t{number}(i int);", when, tag=f"{number:04}_some_name{number}")
    project.write("meta/_journal.json", json.dumps({"entries": project.entries}))
    db = fresh()
    # A table of 1.0 under a folder of 0.x: names are written, and they are up's.
    db.script("CREATE SCHEMA drizzle; CREATE TABLE drizzle.__drizzle_migrations (id serial PRIMARY KEY,"
              " hash text NOT NULL, created_at bigint, name text, applied_at timestamptz DEFAULT now())")
    assert len(house.apply(project, db)) == 4
    upped(kit_1, project)
    assert sorted(row[3] for row in rows(db)) == sorted(path.name for path in project.out.iterdir())
    assert [row[2] for row in rows(db)] == list(whens)
    kit_1.nothing_to_do(project, db)


def test_1_0_row_that_0x_wrote_without_a_name_breaks_the_kit_and_baseline_mends_it(
        house, kit, kit_1, fresh, journal, folders):
    db = fresh()
    old, new = journal(), folders({DAY_1: A, DAY_2: B})
    old.add(A, MS_1 + 538, tag="0000_a")
    kit.migrate(old, db)
    kit_1.run("migrate", folders({DAY_1: A}), db)  # upgrades the table
    old.add(B, MS_2 + 538, tag="0001_b")
    kit.migrate(old, db)  # 0.31 on the upgraded table: the name is NULL
    assert rows(db)[1][3] is None
    kit_1.fails(new, db)
    assert house.status(new, db, rc=3) == {DAY_1: "applied", DAY_2: "repeated"}
    house.refuses(new, db, "repeated")
    assert house.baseline(new, db) == []
    assert rows(db)[1][3] == DAY_2
    kit_1.nothing_to_do(new, db)
    house.nothing_to_do(new, db)


def test_1_0_journal_folder_on_an_upgraded_table_gets_names(house, kit, kit_1, fresh, journal, folders):
    """What 0.31 does wrong there (a row without a name), homeport does right."""
    db, old = fresh(), journal()
    old.add(A, MS_1 + 538, tag="0000_a")
    kit.migrate(old, db)
    kit_1.run("migrate", folders({DAY_1: A}), db)
    old.add(B, MS_2 + 538, tag="0001_b")
    assert house.apply(old, db) == ["0001_b"]
    assert rows(db)[1][2:] == (MS_2 + 538, DAY_2, False)
    kit.nothing_to_do(old, db)
    kit_1.nothing_to_do(folders({DAY_1: A, DAY_2: B}), db)


# ---- baseline


@pytest.mark.parametrize("layout", ("journal", "folders"))
def test_baseline_leaves_both_tools_nothing_to_do(house, kit, kit_1, fresh, journal, folders, layout):
    tool, project = (kit, journal(A, B)) if layout == "journal" else (kit_1, folders({DAY_1: A, DAY_2: B}))
    by_kit, db = fresh(), fresh()
    tool.migrate(project, by_kit)
    db.script(A + B)
    assert len(house.baseline(project, db)) == 2
    assert dump(db) == dump(by_kit)
    tool.nothing_to_do(project, db)
    house.nothing_to_do(project, db)
    assert house.baseline(project, db) == []


def test_baseline_until_a_migration_leaves_the_later_ones_pending(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B, C)
    db.script(A)
    assert house.baseline(project, db, "--until", "0000_step") == ["0000_step"]
    assert house.status(project, db) == {"0000_step": "applied", "0001_step": "pending", "0002_step": "pending"}
    kit.migrate(project, db)
    house.nothing_to_do(project, db)


def test_baseline_of_a_table_that_does_not_match_is_refused(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(journal(C), db)
    before = dump(db)
    result = house("baseline", project, db)
    assert result.rc == 1
    assert "was edited" in result.err  # another file under the same time
    assert dump(db) == before
    db.sql("UPDATE drizzle.__drizzle_migrations SET created_at = 5")
    result = house("baseline", project, db)
    assert result.rc == 1
    assert "in the database but not in the folder" in result.err


def test_baseline_dry_run_changes_nothing(house, fresh, journal):
    db, project = fresh(), journal(A)
    result = house("baseline", project, db, "--dry-run")
    assert result.rc == 0
    assert f"recorded in drizzle.__drizzle_migrations: hash {HASH_A}, created_at 1795338267376" in result.out
    assert db.tables() == []


# ---- errors


def test_error_names_file_statement_line_sqlstate_and_statement(house, fresh, journal):
    project = journal(A, f"{B}\n{MARK}\n\n\n-- the third\nALTER TABLE nowhere\n  ADD COLUMN x int;\n{MARK}\nSELECT 1;")
    result = house("apply", project, fresh())
    assert result.rc == 1
    assert result.err.splitlines()[0] == (
        'homeport: 0001_step.sql, statement 2 of 3 (line 5): relation "nowhere" does not exist, '
        "in: -- the third ALTER TABLE nowhere ADD COLUMN x int; (SQLSTATE 42P01)")


@pytest.mark.parametrize("statement, shown", [
    ("CREATE ROLE bob PASSWORD 'geheim123' BOGUS", 'option "bogus", in: CREATE ROLE bob PASSWORD *** BOGUS'),
    ("ALTER ROLE bob ENCRYPTED PASSWORD E'geheim\\'123", "near ***, in: ALTER ROLE bob ENCRYPTED PASSWORD ***"),
    ("ALTER ROLE bob PASSWORD geheim123", "near ***, in: ALTER ROLE bob PASSWORD ***"),
    ("SELECT 'open; ALTER ROLE bob PASSWORD $$geheim123$$ BOGUS", "PASSWORD *** BOGUS\", in: SELECT 'open"),
])
def test_error_shows_no_password(house, fresh, journal, statement, shown):
    result = house("apply", journal(statement), fresh())
    assert result.rc == 1
    assert "geheim" not in result.out + result.err and "123" not in result.err
    assert shown in result.err


def test_error_in_a_long_file_without_markers_shows_its_line(house, fresh, journal):
    filler = "".join(f"CREATE TABLE t{number} (i int);\n" for number in range(50))
    project = journal(filler + "CREATE TABLE x (i nosuchtype);\n" + "SELECT 1;\n" * 50)
    error = house.fails(project, fresh())
    assert "0000_step.sql, statement 1 of 1 (line 51)" in error["message"]
    assert "in: CREATE TABLE x (i nosuchtype); SELECT 1;" in error["message"]
    assert len(error["message"]) < 400


def test_error_at_the_commit_changes_nothing(house, fresh, journal):
    project = journal("CREATE TABLE p(i int PRIMARY KEY); CREATE TABLE c(i int REFERENCES p"
                      " DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1);")
    db = fresh()
    error = house.fails(project, db)
    assert error["sqlstate"] == "23503"
    assert error["message"].startswith("commit the run: ")
    assert db.tables() == []


def test_copy_from_the_client_is_an_error_not_a_hang(house, kit, fresh, journal):
    project = journal(A + " COPY a FROM STDIN;")
    kit.fails(project, fresh())
    error = house.fails(project, fresh())
    assert "0000_step.sql, statement 1 of 1" in error["message"]
    assert error["sqlstate"] == "57014"


def test_error_message_of_the_server_with_percent_and_quotes_is_kept(house, fresh, journal):
    project = journal("DO $$ BEGIN RAISE EXCEPTION '100%% of \"it\"' USING HINT = 'do %s'; END $$;")
    error = house.fails(project, fresh())
    assert '100% of "it"' in error["message"]
    assert "do %s" in error["hint"]


@pytest.mark.parametrize("how", ("terminate", "kill -9"))
def test_run_that_is_broken_off_leaves_nothing(house, kit, fresh, journal, how):
    db, project = fresh(), journal(A, f"{B}\n{MARK}\nSELECT pg_sleep(60);")
    run = house.homeport.start("migrations", "apply", "--migrations", project.out, target=db)
    sleeping = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%pg_sleep%%'" \
               " AND pid <> pg_backend_pid()"
    run.wait_for(lambda: db.sql(sleeping), what="the migration runs")
    if how == "kill -9":
        pid = db.value(sleeping)
        run.kill()
        db.sql("SELECT pg_terminate_backend(%s)", (pid,))
    else:
        db.sql("SELECT pg_terminate_backend(%s)", (db.value(sleeping),))
        result = run.wait()
        assert result.rc == 1
        assert "0001_step.sql, statement 2 of 2" in result.err
    wait.until(lambda: not db.sql(sleeping), 10, "backend gone")
    assert db.tables() == []
    project.write("0001_step.sql", B)
    house.apply(project, db)
    kit.nothing_to_do(project, db)


def test_interrupt_stops_the_run_and_leaves_nothing(house, fresh, journal):
    db, project = fresh(), journal(A, "SELECT pg_sleep(60);")
    run = house.homeport.start("migrations", "apply", "--migrations", project.out, target=db)
    run.wait_for(lambda: db.sql(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND query = 'SELECT pg_sleep(60);'"),
        what="the migration runs")
    run.signal()
    result = run.wait(20)
    assert result.rc == 1
    assert "0001_step.sql, statement 1 of 1 (line 1): stopped by Ctrl-C" in result.err
    assert "Nothing was changed" in result.err
    wait.until(lambda: db.tables() == [], 10, "rolled back")


# ---- locks


def test_lock_that_somebody_holds_ends_the_run_in_time(house, fresh, journal):
    db, project = fresh(), journal("ALTER TABLE busy ADD j int;")
    db.script("CREATE TABLE busy (i int)")
    with contextlib.closing(db.connect(autocommit=False)) as holder:
        holder.cursor().execute("LOCK TABLE busy")
        result = house("apply", project, db, "--json", "--lock-timeout", "1")
    assert result.rc == 1
    assert db.tables() == ["busy"]
    error = result.json["error"]
    assert error["sqlstate"] == "55P03"
    assert "--lock-timeout" in error["hint"]
    assert house.apply(project, db) == ["0000_step"]


def test_homeport_waits_for_another_homeport(house, fresh, journal):
    db, project = fresh(), journal(A)
    lock = re.search(r"SELECT.*", (ROOT / "sql/migrations/lock.sql").read_text(encoding="utf-8"), re.DOTALL)[0]
    with contextlib.closing(db.connect()) as holder:
        cursor = holder.cursor()
        cursor.execute(lock.replace("$1", "'drizzle'").replace("$2", "'__drizzle_migrations'"))
        assert cursor.fetchone() == (True,)
        run = house.homeport.start("migrations", "apply", "--migrations", project.out, target=db)
        run.wait_for(lambda: db.sql(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'homeport migrations' AND state = 'idle'"
            " AND query LIKE '%%pg_try_advisory_lock%%'"), what="it waits")
        assert db.tables() == []
    assert run.wait().rc == 0
    assert len(rows(db)) == 1


# ---- the command


def test_status_with_pending_ones_is_0_and_with_check_3(house, fresh, journal):
    db, project = fresh(), journal(A)
    assert house.status(project, db) == {"0000_step": "pending"}
    result = house("status", project, db, "--check")
    assert result.rc == 3
    assert "1 pending" in result.err
    house.apply(project, db)
    assert house("status", project, db, "--check").rc == 0


def test_status_shows_a_line_for_each(house, kit, fresh, journal):
    db, project = fresh(), journal(A, B)
    kit.migrate(project, db)
    project.write("0001_step.sql", B + " ")
    project.add(C, 1)
    db.sql("INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ('feedbeef', 7)")
    result = house("status", project, db)
    assert result.rc == 3
    lines = [line.split() for line in result.out.splitlines()]
    assert ["MIGRATION", "WHEN", "HASH", "STATE"] in lines
    assert ["0000_step", "2026-11-22T09:04:27.376Z", HASH_A[:12], "applied"] in lines
    assert [line[-1] for line in lines if line[0] == "0001_step"] == ["edited"]
    assert [line[-1] for line in lines if line[0] == "0002_step"] == ["skipped"]
    assert ["(row", "3)", "1970-01-01T00:00:00.007Z", "feedbeef", "unknown"] in lines
    assert "1 applied, 0 pending, 1 skipped, 1 edited, 1 unknown." in result.out
    assert db.server.password not in result.out


def test_status_never_changes_anything(house, fresh, journal):
    db, project = fresh(), journal(A)
    before = dump(db)
    house.status(project, db)
    house("apply", project, db, "--dry-run")
    assert dump(db) == before


def test_dry_run_prints_the_statements_and_changes_nothing(house, fresh, journal):
    db, project = fresh(), journal(f"{A}\n{MARK}\n{B}")
    result = house("apply", project, db, "--dry-run")
    assert result.rc == 0
    assert f"-- 0000_step.sql, statement 1 of 2\n{A}" in result.out
    assert f"-- 0000_step.sql, statement 2 of 2\n\n{B}" in result.out
    result = house("apply", project, db, "--dry-run", "--json")
    assert result.json["dry_run"] is True
    assert result.json["applied"][0]["sql"] == [A + "\n", "\n" + B]
    assert db.tables() == []


def test_dry_run_refuses_what_apply_refuses(house, fresh, journal):
    result = house("apply", journal("VACUUM;"), fresh(), "--dry-run")
    assert result.rc == 1
    assert "VACUUM" in result.err


def test_on_source_looks_at_the_source(homeport, house, pair, journal):
    both, project = pair(15, 15), journal(A)
    result = homeport.ok("migrations", "apply", "--on", "source", "--migrations", project.out,
                         source=both.source, target=both.target)
    assert "applied 0000_step" in result.out
    assert len(rows(both.source)) == 1
    assert both.target.tables() == []
    house.apply(project, both.target)
    assert dump(both.source) == dump(both.target)


def test_rule_23_apply_and_baseline_wait_for_the_move(homeport, house, pair, journal):
    both, project = pair(15, 15), journal(A)
    both.source.script("CREATE TABLE t (i int PRIMARY KEY); INSERT INTO t VALUES (1)")
    homeport.ok("move", "--once", "--no-verify", source=both.source, target=both.target, cwd=project.dir)
    with contextlib.closing(sqlite3.connect(project.dir / ".homeport/state.sqlite")) as state:
        for phase in ("schema", "copying"):  # as if it had been killed there
            state.execute("UPDATE move SET phase = ?, finished_ms = NULL", (phase,))
            state.commit()
            for command in ("apply", "baseline"):
                result = house(command, project, both.target)
                assert result.rc == 1, str(result)
                assert f'a move is under way in ".homeport" ({phase})' in result.err
                assert "homeport status" in result.err
            assert house("status", project, both.target).rc == 0
            assert house("apply", project, both.target, "--dry-run").rc == 0
            assert both.target.tables() == ["t"]
        state.execute("UPDATE move SET phase = 'finished', finished_ms = 1")
        state.commit()
    assert house.apply(project, both.target) == ["0000_step"]


def test_pooled_url_is_refused_for_changes(house, journal):
    result = house("apply", journal(A), "postgresql://x:secret@ep-cool-1-pooler.eu.aws.neon.tech/db")
    assert result.rc == 2
    assert "ep-cool-1.eu.aws.neon.tech" in result.err


def test_usage_errors_are_2(homeport, house, fresh, journal, tmp_path):
    db, project = fresh(), journal(A)
    assert homeport("migrations", "status", "--migrations", project.out).rc == 2  # no target
    assert homeport("migrations", "status", target=db, cwd=tmp_path).rc == 2  # no folder to be found
    for args in (["--allow", "everything"], ["--until", "0009_nine"], ["--on", "both"], ["--lock-timeout", "x"]):
        result = house("apply", project, db, *args)
        assert result.rc == 2, str(result)
    assert "skipped, edited, repeated" in house("apply", project, db, "--allow", "everything").err
    assert db.tables() == []


def test_folder_that_is_not_there_is_1(house, fresh, tmp_path):
    project = Project(tmp_path / "app")
    project.out.rmdir()
    result = house("status", project, fresh())
    assert result.rc == 1
    assert "No such file" in result.err


def test_links_are_followed(house, kit, fresh, journal, tmp_path):
    project = journal(A)
    real = tmp_path / "real"
    project.out.rename(real)
    project.out.symlink_to(real)
    (real / "0000_step.sql").rename(tmp_path / "step.sql")
    (real / "0000_step.sql").symlink_to(tmp_path / "step.sql")
    kit_and_house_agree(house, kit, fresh, project)


def test_huge_file_is_refused(house, fresh, journal):
    project = journal("x")
    os.truncate(project.out / "0000_step.sql", 65 << 20)
    assert "larger than" in house.fails(project, fresh())["message"]


def test_large_migration_is_applied(house, kit, fresh, journal):
    values = ",\n".join(f"({number}, '{'x' * 900}')" for number in range(5000))
    project = journal(f"CREATE TABLE big(i int, t text);\n{MARK}\nINSERT INTO big VALUES {values};")
    kit_and_house_agree(house, kit, fresh, project)


def test_many_migrations_are_applied_in_order(house, kit, fresh, journal):
    project = journal("CREATE TABLE n(i int);", *(f"INSERT INTO n VALUES ({number});" for number in range(120)))
    kit_and_house_agree(house, kit, fresh, project)
