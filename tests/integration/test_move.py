"""move --once: everything that pg_dump carries arrives, of one moment, whatever breaks on the way."""

import fcntl
import pathlib
import shutil

import pytest

import moving
import wait
import zoo

GITGUD = pathlib.Path(__file__).resolve().parents[2] / "examples/gitgud/src/lib/db/migrations"

# 17's pg_dump reads 14 and 16, which come without one; a target of 16 takes what 15's writes, and one
# of 14 or 16 what 17's does.
MATRIX = [(14, 14, 17), (14, 15, 15), (14, 17, 17), (15, 16, 15), (15, 17, 17), (16, 16, 17), (16, 17, 17), (17, 17, 17),
          (17, 18, 17)]


def move(homeport, source, target, *args, **options):
    return homeport("move", "--once", "--json", *args, source=source, target=target, **options)


@pytest.mark.parametrize(
    "source_version, target_version, tools",
    [(15, 15, 15), *(pytest.param(*versions, marks=pytest.mark.plain) for versions in MATRIX)])
def test_everything_in_the_zoo_arrives(homeport, pair, pg_bin, source_version, target_version, tools):
    source, target = pair(source_version, target_version)
    zoo.load(source, target)
    zoo.check_loaded(source)
    if target_version == 18 and source_version == 17:
        # 18 takes no dump that has it, pg_restore's neither: "The index definitions do not match".
        source.sql("ALTER TABLE zoo_17.numbered DROP CONSTRAINT numbered_k_excl")
    result = move(homeport, source, target, "--pg-bin", pg_bin(tools), "--no-verify")
    assert result.rc == 0, str(result)
    assert result.json["verified"] is None, "nothing was compared, so nothing was found either"
    assert zoo.differences(source, target) == []


LARGE_OBJECTS = "SELECT loid, pageno, data FROM pg_largeobject ORDER BY 1, 2"


def test_large_objects_arrive_with_programs_newer_than_the_target(homeport, pair, pg_bin):
    """17's pg_restore first sets what no server before knows, and counts that as an error."""
    source, target = pair(15, 15)
    source.script("SELECT lo_from_bytea(7001, 'one'), lo_from_bytea(7002, decode(repeat('ab', 5000), 'hex'))")
    result = move(homeport, source, target, "--pg-bin", pg_bin(17), "--no-verify")
    assert result.rc == 0, str(result)
    assert target.sql(LARGE_OBJECTS) == source.sql(LARGE_OBJECTS) and len(source.sql(LARGE_OBJECTS)) == 4


def test_large_objects_that_cannot_be_restored_stop_it(homeport, pair, pg_bin, tmp_path):
    """Any other error is one, also beside the one that is none."""
    source, target = pair(15, 15)
    source.sql("SELECT lo_from_bytea(7001, 'one')")
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pg_dump").symlink_to(pathlib.Path(pg_bin(17)) / "pg_dump")
    restore = folder / "pg_restore"
    restore.write_text(f"""#!/bin/sh
case "$*" in
*--use-list*)
    echo 'pg_restore: error: could not execute query: ERROR:  other' >&2
    echo 'Command was: SET transaction_timeout = 0;' >&2
    echo 'pg_restore: warning: errors ignored on restore: 2' >&2
    exit 1;;
esac
exec {pg_bin(17)}/pg_restore "$@"
""", encoding="utf-8")
    restore.chmod(0o755)
    result = move(homeport, source, target, "--pg-bin", folder)
    why = "restore the large objects: pg_restore failed (status 1): pg_restore: error: could not execute query: ERROR:  other"
    assert result.rc != 0 and why in result.err, str(result)
    assert target.sql(LARGE_OBJECTS) == []
    assert homeport.ok("status", "--json").json["complete"] is False


def test_move_whose_schema_cannot_be_compared_says_so_and_gives_no_number(homeport, pair, pg_bin):
    """For want of a pg_dump that reads the target: the rows were compared, and are equal."""
    source, target = pair(17, 18)
    source.sql("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    result = homeport("move", "--once", "--pg-bin", pg_bin(17), source=source, target=target)
    assert result.rc == 3, str(result)
    assert "all rows are equal, but the schema could not be compared" in result.err
    assert "difference" not in result.out, str(result)
    assert "verified   all rows are equal, the schema could not be compared (" in homeport.ok("status").out
    assert homeport.ok("status", "--json").json["verified"] is False


def compared_by_rows_alone(homeport, source, target, pg_bin):
    """A move whose pg_dump cannot read the target."""
    source.script("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")
    result = homeport("move", "--once", "--pg-bin", pg_bin(15), source=source, target=target)
    assert result.rc == 3 and "Then `homeport verify` completes the move, where nothing was written since." in result.err, str(result)
    status = homeport.ok("status", "--json").json
    assert (status["complete"], status["phase"]) == (False, "copying") and "`homeport verify`" in status["next"]


def test_rule_6_comparison_of_the_schema_that_comes_later_completes_the_move(homeport, pair, pg_bin):
    source, target = pair(15, 17)
    compared_by_rows_alone(homeport, source, target, pg_bin)

    def verify(*args, bins=17):
        result = homeport("verify", "--json", "--pg-bin", pg_bin(bins), *args, source=source, target=target)
        assert result.json["completed_move"] == homeport.ok("status", "--json").json["complete"]
        return result
    assert verify(bins=15).rc == 3 and verify("--rows-only").rc == 0
    for different, alike in (("INSERT INTO t VALUES (2)", "DELETE FROM t WHERE id = 2"),
                             ("ALTER TABLE t ADD more int", "ALTER TABLE t DROP more")):
        target.sql(different)
        assert verify().rc == 3
        target.sql(alike)
    assert not homeport.ok("status", "--json").json["complete"]
    assert target.value("SELECT to_regnamespace('homeport')") is not None
    runs = homeport("verify", "--pg-bin", pg_bin(17), source=source, target=target)
    assert runs.rc == 0 and "is complete.\n" in runs.out, str(runs)
    status = homeport.ok("status", "--json").json
    assert (status["complete"], status["verified"], status["last_error"]) == (True, True, None)
    assert target.value("SELECT to_regnamespace('homeport')") is None
    again = homeport("move", "--once", "--pg-bin", pg_bin(15), source=source, target=target)
    assert again.rc == 0 and "finished already" in again.out, str(again)


def test_rule_6_comparison_behind_a_crash_of_the_target_does_not_complete_the_move(homeport, servers, pg_bin):
    """Commits that did not wait for its disk may be gone: the rows start again."""
    source = servers.get(15, "source").create_db()
    target = servers.new(17).create_db()
    compared_by_rows_alone(homeport, source, target, pg_bin)
    target.server.sql("CHECKPOINT")
    target.server.stop("immediate")
    target.server.start()
    result = homeport("verify", "--pg-bin", pg_bin(17), source=source, target=target)
    assert result.rc == 0 and "the move is not completed by this" in result.err, str(result)
    assert not homeport.ok("status", "--json").json["complete"]
    assert homeport("move", "--once", "--pg-bin", pg_bin(17), source=source, target=target).rc == 0
    assert homeport.ok("status", "--json").json["complete"]


def test_rule_6_comparison_while_somebody_works_on_the_folder_does_not_complete_the_move(homeport, pair, pg_bin):
    source, target = pair(15, 17)
    compared_by_rows_alone(homeport, source, target, pg_bin)
    with open(homeport.cwd / ".homeport/lock", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = homeport("verify", "--pg-bin", pg_bin(17), source=source, target=target)
    assert result.rc == 0 and "the move is not completed by this" in result.err, str(result)
    assert not homeport.ok("status", "--json").json["complete"]
    assert target.value("SELECT to_regnamespace('homeport')") is not None


def test_status_says_what_was_compared_and_what_it_found(homeport, pair):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id integer PRIMARY KEY); INSERT INTO t VALUES (1)")

    def status():
        found = homeport.ok("status", "--json").json
        assert found["complete"] is True
        assert (found["compared_at"] is None) == (found["verified"] is None)
        return found["verified"], found["next"]

    text = homeport.ok("move", "--once", "--dir", "another", source=source, target=target.server.create_db()).out
    assert "Verified: 1 row is equal on both sides, and so is the schema." in text
    assert move(homeport, source, target, "--no-verify").rc == 0
    assert status() == (None, "Nothing was compared: `homeport verify` compares every row.")
    assert "verified   nothing was compared\n" in homeport.ok("status").out
    # Rows alone are not all; another pair is not this move's.
    assert homeport("verify", "--rows-only", source=source, target=target).rc == 0
    assert homeport("verify", source=source, target=target.server.create_db()).rc == 3
    assert status()[0] is None
    assert homeport("verify", source=source, target=target).rc == 0
    assert status() == (True, "Compare again at any time with `homeport verify`.")
    target.sql("INSERT INTO t VALUES (2)")
    assert homeport("verify", "--rows-only", source=source, target=target).rc == 3
    assert status() == (False, "The last comparison found differences: `homeport verify` names them.")
    assert "verified   not equal (" in homeport.ok("status").out


def test_move_that_finds_a_difference_names_the_row(homeport, pair):
    source, target = pair(15, 15)
    moving.shop(source, target)

    def start():
        return homeport.start("move", "--once", source=source, target=target)

    with moving.held(start, target, moving.IN_FINISH) as run:
        target.sql("DELETE FROM shop.session WHERE id = 7")
    result = run.wait()
    assert result.rc == 3 and "the target differs from the source" in result.err, str(result)
    assert result.out.startswith(
        "shop.session  400 rows on the source, 399 on the target, 1 missing\n  - (id)=(7)  only on the source\n"), result.out
    assert homeport.ok("status", "--json").json["verified"] is False


TABLESPACE = "SET allow_in_place_tablespaces = true; CREATE TABLESPACE zoo_space LOCATION ''"
SUBSCRIPTION = "SELECT subname, subenabled, subslotname FROM pg_subscription"


def test_a_schema_of_the_apps_own_that_has_the_name_of_a_providers_arrives(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    target.server.sql("CREATE ROLE cloud_admin")
    source.script("""
        CREATE ROLE cloud_admin;
        CREATE SCHEMA neon; COMMENT ON SCHEMA neon IS 'noble'; GRANT USAGE ON SCHEMA neon TO PUBLIC;
        CREATE TABLE neon.orders (id serial PRIMARY KEY); INSERT INTO neon.orders SELECT FROM generate_series(1, 10);
        CREATE TABLE public.item (order_id int PRIMARY KEY REFERENCES neon.orders); INSERT INTO public.item VALUES (7);
        CREATE MATERIALIZED VIEW neon.total AS SELECT count(*) AS n FROM neon.orders;
        CREATE SCHEMA neon_utils AUTHORIZATION cloud_admin; CREATE TABLE neon_utils.theirs AS SELECT 1""")
    result = move(homeport, source, target, "--pg-bin", pg_bin(15))
    assert result.rc == 0 and result.json["verified"] is True, str(result)
    assert target.value("SELECT count(*) FROM public.item JOIN neon.orders ON id = order_id") == 1
    assert target.value("SELECT n FROM neon.total") == 10 and target.value("SELECT nextval('neon.orders_id_seq')") == 11
    assert target.value("SELECT obj_description('neon'::regnamespace)") == "noble"
    assert target.value("SELECT to_regnamespace('neon_utils')") is None
    target.sql("DELETE FROM neon.orders WHERE id = 3")
    found = homeport("verify", "--json", "--pg-bin", pg_bin(15), source=source, target=target).json
    assert [d["object"] for d in found["list"] if d["kind"] == "missing"] == ["neon.orders"]


def test_tablespaces_and_subscriptions_arrive_whatever_the_target_does_by_default(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    zoo.load(source, target, parts=("tablespace", "subscription"))
    target.script(TABLESPACE)
    target.sql(f'ALTER DATABASE "{target.name}" SET default_tablespace = zoo_space')
    result = move(homeport, source, target, "--pg-bin", pg_bin(15))
    assert result.rc == 0, str(result)
    assert result.json["verified"] is True
    assert zoo.differences(source, target) == []
    assert target.sql(SUBSCRIPTION) == [("zoo_subscription", False, None)]
    target.script("""SET session_replication_role = replica; -- or the zoo's event triggers log it
        ALTER INDEX zoo_space.seen_n SET TABLESPACE pg_default;
        ALTER INDEX zoo_space.outside_pkey SET TABLESPACE pg_default;
        ALTER TABLE zoo_space.inside SET TABLESPACE pg_default;
        ALTER INDEX zoo_space.outside_v SET TABLESPACE zoo_space""")
    result = homeport("verify", "--json", "--pg-bin", pg_bin(15), source=source, target=target)
    assert result.rc == 3, str(result)
    assert {(d["object"], d["detail"]) for d in result.json["list"]} == {
        ("INDEX zoo_space.seen_n", "tablespace: zoo_space -> the default"),
        ("CONSTRAINT zoo_space.outside outside_pkey", "tablespace: zoo_space -> the default"),
        ("TABLE zoo_space.inside", "tablespace: zoo_space -> the default"),
        ("INDEX zoo_space.outside_v", "tablespace: the default -> zoo_space")}


def test_rule_9_relaxed_settings_are_put_back(homeport, servers, pg_bin):
    source = servers.get(15, "source").create_db()
    target = servers.new(15).create_db()
    source.sql("CREATE TABLE t (id integer PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 1000) g")
    target.sql("ALTER SYSTEM SET checkpoint_timeout = '7min'")
    target.sql("SELECT pg_reload_conf()")
    result = move(homeport, source, target, "--pg-bin", pg_bin(15), "--relax-durability")
    assert result.rc == 0, str(result)
    assert target.contents() == source.contents()
    assert own_settings(target.server) == ["checkpoint_timeout = '7min'"]


def own_settings(server):
    lines = (server.data_dir / "postgresql.auto.conf").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("way", ("another run", "the SQL of status"))
def test_rule_9_killed_it_leaves_relaxed_settings_that_outlive_the_database(homeport, servers, way):
    """They are the server's, and what they were before is not lost with the target's database."""
    server = servers.new(15)
    source, target = servers.get(15, "source").create_db(), server.create_db()
    moving.shop(source, target)
    target.sql("ALTER SYSTEM SET checkpoint_timeout = '7min'")
    run = moving.Move(homeport, source, target)
    with moving.held(lambda: run.start("--relax-durability"), target, moving.IN_COPY) as held:
        assert run.status()["relaxed_sql"] is None, "a process is at work that will do so"
        held.kill()
    assert "checkpoint_timeout = '1h'" in own_settings(server)
    status = run.status()
    assert status["relaxed_sql"] == ('ALTER SYSTEM SET "checkpoint_timeout" = \'7min\';\n'
                                     'ALTER SYSTEM RESET "max_wal_size";\nSELECT pg_reload_conf();\n')
    assert status["relaxed_sql"] in homeport.ok("status", "--dir", run.dir).out
    if way == "another run":
        wait.until(lambda: not moving.sessions(server), 20, "its sessions gone")
        server.sql(f'DROP DATABASE "{target.name}"')
        server.sql(f'CREATE DATABASE "{target.name}"')
        run.ok("--relax-durability")
        run.check_exact()
        assert run.status()["relaxed_sql"] is None
        wait.until(lambda: server.value("SHOW checkpoint_timeout") == "7min", 10, "the setting is in force again")
    else:
        for statement in status["relaxed_sql"].splitlines():
            server.sql(statement)
    assert own_settings(server) == ["checkpoint_timeout = '7min'"]


def test_rule_9_relaxed_settings_need_the_right(homeport, servers, pg_bin):
    source = servers.get(15, "source").create_db()
    target = servers.get(15, "target").create_db()
    source.sql("CREATE TABLE t (id integer PRIMARY KEY)")
    url = target.role("plain_owner")
    target.sql(f'ALTER DATABASE "{target.name}" OWNER TO plain_owner')
    result = move(homeport, source, url, "--pg-bin", pg_bin(15), "--relax-durability", "--map-role", "postgres=plain_owner")
    assert result.rc == 1, str(result)
    assert "--relax-durability" in result.err and result.json["error"]["sqlstate"] == "42501"
    # Nothing is left that the next run would have to put back, and may not either.
    result = move(homeport, source, url, "--pg-bin", pg_bin(15), "--map-role", "postgres=plain_owner")
    assert result.rc == 0, str(result)


def gitgud(homeport, source):
    """GitGud's schema as its journal makes it, and some rows."""
    homeport.ok("migrations", "apply", "--migrations", GITGUD, target=source)
    source.sql("INSERT INTO users SELECT 'user_' || g, 'u' || g || '@example.com' FROM generate_series(1, 50) g")
    source.sql("INSERT INTO problems (user_id, title, difficulty, tags)"
               " SELECT clerk_id, 'Two Sum', 'easy', '{array,hash table}' FROM users")
    source.sql("INSERT INTO attempts (problem_id, user_id, status) SELECT id, user_id, 'solved' FROM problems")


def test_rule_24_schema_of_the_journal(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    gitgud(homeport, source)
    result = move(homeport, source, target, "--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15))
    assert result.rc == 0, str(result)
    assert result.json["verified"] and result.json["drift"] == []
    assert target.contents() == source.contents()
    assert zoo.differences(source, target) == []
    # The journal's rows came from the source: nothing is pending at home.
    status = homeport.ok("migrations", "status", "--json", "--migrations", GITGUD, target=target)
    assert status.json["pending"] == 0
    assert target.server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'homeport%'") == []


def test_rule_24_owners_and_privileges_are_the_sources(homeport, pair, pg_bin):
    """No journal speaks of them."""
    source, target = pair(15, 15)
    source.script("CREATE ROLE old_owner; CREATE ROLE reader")
    target.server.script("CREATE ROLE home_owner; CREATE ROLE reader")
    gitgud(homeport, source)
    source.script("""
        GRANT CREATE ON SCHEMA public TO old_owner; ALTER TABLE attempts OWNER TO old_owner;
        GRANT SELECT ON users TO reader; GRANT UPDATE (email) ON users TO reader; REVOKE INSERT ON users FROM CURRENT_USER;
        ALTER DEFAULT PRIVILEGES FOR ROLE old_owner IN SCHEMA public GRANT SELECT ON TABLES TO reader;
        CREATE VIEW by_hand AS SELECT 1 AS n; ALTER VIEW by_hand OWNER TO old_owner; GRANT ALL ON by_hand TO reader""")
    args = ("--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15), "--map-role", "old_owner=home_owner")
    result = move(homeport, source, target, *args, "--accept-drift")
    assert result.rc == 0, str(result)
    assert {line.split(":")[0] for line in result.json["drift"]} == {
        "VIEW public.by_hand", "ACL public.TABLE by_hand"}
    assert target.value("SELECT tableowner FROM pg_tables WHERE tablename = 'attempts'") == "home_owner"
    assert target.value("SELECT has_table_privilege('reader', 'users', 'SELECT')")
    assert target.value("SELECT has_column_privilege('reader', 'users', 'email', 'UPDATE')")
    assert not target.value("SELECT has_table_privilege('reader', 'users', 'UPDATE')")
    target.sql("SET ROLE home_owner; CREATE TABLE later (id int); RESET ROLE")
    assert target.value("SELECT has_table_privilege('reader', 'later', 'SELECT')")
    target.sql("DROP TABLE later")
    source.sql("DROP VIEW by_hand")
    verified = homeport("verify", "--json", "--pg-bin", pg_bin(15), "--map-role", "old_owner=home_owner",
                        source=source, target=target)
    assert verified.rc == 0, str(verified)


def test_rule_24_drift_stops_the_move_unless_accepted(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    gitgud(homeport, source)
    source.sql("CREATE INDEX by_hand ON attempts (user_id)")
    args = ("--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15))
    result = move(homeport, source, target, *args)
    assert result.rc == 3, str(result)
    (drift,) = result.json["drift"]
    assert drift.startswith("INDEX public.by_hand: only on the source")
    assert "--accept-drift" in result.err
    assert homeport.ok("status", "--json").json["next"].startswith("Nothing is made on the target yet."), "of no schema"
    assert target.tables() == []
    result = move(homeport, source, target, *args, "--accept-drift")
    assert result.rc == 0, str(result)
    assert target.contents() == source.contents()
    assert target.value("SELECT to_regclass('by_hand')") is None
    assert target.server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'homeport%'") == []


def test_rule_24_every_drift_is_listed_and_generated_columns_need_no_place(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    gitgud(homeport, source)
    source.script("".join(f"CREATE INDEX by_hand_{number} ON attempts (user_id);" for number in range(20))
                  + "CREATE TABLE by_hand (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED);"
                  "INSERT INTO by_hand VALUES (1)")
    args = ("--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15))
    result = move(homeport, source, target, *args)
    assert result.rc == 3, str(result)
    indexes = [line for line in result.json["drift"] if line.startswith("INDEX public.by_hand_")]
    assert len(indexes) == 20 and len(set(indexes)) == 20
    result = move(homeport, source, target, *args, "--accept-drift")
    assert result.rc == 0, str(result)
    assert target.contents() == source.contents()


def test_rule_24_a_role_that_is_mapped_twice_is_refused(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    gitgud(homeport, source)
    target.server.script("CREATE ROLE b; CREATE ROLE c")
    source.script("CREATE ROLE a; CREATE ROLE b; GRANT SELECT ON users TO a; GRANT SELECT ON attempts TO b")
    result = move(homeport, source, target, "--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15),
                  "--map-role", "a=b", "--map-role", "b=c")
    assert result.rc == 2, str(result)
    assert result.json["error"]["message"] == "role a is mapped to b, which is mapped itself", str(result)
    assert result.json["error"]["hint"] == "With `schema: drizzle` give roles at home names that --map-role does not change."
    assert target.tables() == []


def test_rule_24_a_journal_that_cannot_be_applied_is_named(homeport, pair, pg_bin, tmp_path):
    source, target = pair(15, 15)
    gitgud(homeport, source)
    folder = tmp_path / "migrations"
    shutil.copytree(GITGUD, folder)
    last = sorted(folder.glob("*.sql"))[-1]
    last.write_text(last.read_text(encoding="utf-8") + "\n--> statement-breakpoint\nSELECT 1 / 0;\n", encoding="utf-8")
    result = move(homeport, source, target, "--schema", "drizzle", "--migrations", folder, "--pg-bin", pg_bin(15))
    assert result.rc == 1, str(result)
    error = result.json["error"]
    assert error["sqlstate"] == "22012" and "apply the journal to a scratch database: " in error["message"], error
    assert last.name in error["message"] or last.stem in error["message"], error
    assert target.tables() == []
    assert target.server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'homeport%'") == []
    shutil.rmtree(folder)
    result = move(homeport, source, target, "--schema", "drizzle", "--migrations", folder, "--pg-bin", pg_bin(15))
    assert result.rc != 0 and str(folder) in result.out + result.err, str(result)


def test_rule_24_a_role_that_may_not_create_a_scratch_database_is_told_so(homeport, pair, pg_bin):
    source, target = pair(15, 15)
    gitgud(homeport, source)
    url = target.role("mover", "LOGIN NOCREATEDB")
    target.sql(f"ALTER DATABASE {target.name} OWNER TO mover")
    result = move(homeport, source, url, "--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15),
                  "--map-role", "postgres=mover")
    assert result.rc != 0 and "CREATEDB" in result.err, str(result)
    assert target.tables() == []


BY_HAND = """
    CREATE SCHEMA by_hand;
    CREATE TYPE by_hand.mood AS ENUM ('good', 'bad');
    CREATE FUNCTION by_hand.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.at := now(); RETURN NEW; END$$;
    CREATE SEQUENCE by_hand.number START 7;
    SELECT nextval('by_hand.number');
    CREATE TABLE by_hand.log (
        id bigserial PRIMARY KEY, attempt uuid REFERENCES attempts, feels by_hand.mood DEFAULT 'good',
        at timestamptz, CHECK (id > 0));
    CREATE INDEX log_feels ON by_hand.log (feels);
    CREATE TRIGGER touched BEFORE UPDATE ON by_hand.log FOR EACH ROW EXECUTE FUNCTION by_hand.touch();
    COMMENT ON TABLE by_hand.log IS 'nobody wrote a migration for it';
    INSERT INTO by_hand.log (attempt, feels) SELECT id, 'bad' FROM attempts;
    ALTER TABLE by_hand.log ENABLE ROW LEVEL SECURITY;
    CREATE POLICY all_of_it ON by_hand.log USING (true);
    CREATE VIEW by_hand.seen AS SELECT count(*) FROM by_hand.log;
"""


def test_rule_24_tables_that_the_journal_lacks_come_from_the_source(homeport, pair, pg_bin):
    """With all that hangs on them and all that they need; what holds no rows stays drift."""
    source, target = pair(15, 15)
    gitgud(homeport, source)
    source.script(BY_HAND)
    args = ("--schema", "drizzle", "--migrations", GITGUD, "--pg-bin", pg_bin(15))
    result = move(homeport, source, target, *args, "--accept-drift")
    assert result.rc == 0, str(result)
    assert result.json["verified"]
    lines = {line.split(":")[0]: line for line in result.json["drift"]}
    assert lines["TABLE by_hand.log"].endswith("(comes from there)")
    assert not lines["VIEW by_hand.seen"].endswith("(comes from there)")
    assert target.contents() == source.contents()
    assert target.value("SELECT nextval('by_hand.number')") == source.value("SELECT nextval('by_hand.number')")
    source.sql("DROP VIEW by_hand.seen")
    assert zoo.differences(source, target) == []
    assert target.server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'homeport%'") == []


def own_journal(folder, sql):
    """A journal of one migration."""
    (folder / "meta").mkdir(parents=True)
    (folder / "0000_all.sql").write_text(sql, encoding="utf-8")
    (folder / "meta" / "_journal.json").write_text(
        '{"version": "7", "dialect": "postgresql", "entries":'
        ' [{"idx": 0, "version": "7", "when": 1700000000000, "tag": "0000_all", "breakpoints": true}]}', encoding="utf-8")
    return folder


def test_rule_24_a_partition_made_by_hand_joins_the_journals_table(homeport, pair, pg_bin, tmp_path):
    """Its indexes are the parent's, which attaching would make a second time."""
    source, target = pair(15, 15)
    journal = own_journal(tmp_path / "journal", """
        CREATE TABLE visit (at date NOT NULL, id integer, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
        CREATE INDEX visit_id ON visit (id);
        CREATE TABLE visit_old PARTITION OF visit FOR VALUES FROM (MINVALUE) TO ('2026-01-01')""")
    homeport.ok("migrations", "apply", "--migrations", journal, target=source)
    source.script("""
        CREATE TABLE visit_new PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO (MAXVALUE);
        INSERT INTO visit SELECT date '2025-12-01' + g, g FROM generate_series(1, 90) AS g""")
    args = ("--schema", "drizzle", "--migrations", journal, "--pg-bin", pg_bin(15), "--accept-drift")
    result = move(homeport, source, target, *args)
    assert result.rc == 0 and result.json["verified"], str(result)
    assert target.contents() == source.contents()
    assert zoo.differences(source, target) == []


def test_rule_24_rows_without_a_place_are_refused_before_the_copy(homeport, pair, pg_bin, tmp_path):
    """Accepted or not: nobody means to lose them. The target stays empty."""
    source, target = pair(15, 15)
    journal = own_journal(tmp_path / "journal", """
        CREATE TABLE people (id integer PRIMARY KEY, age integer NOT NULL,
                             twice integer GENERATED ALWAYS AS (age * 2) STORED)""")
    homeport.ok("migrations", "apply", "--migrations", journal, target=source)
    source.sql("INSERT INTO people (id, age) VALUES (1, 2)")
    args = ("--schema", "drizzle", "--migrations", journal, "--pg-bin", pg_bin(15), "--accept-drift")
    for drift, words in (
            ("ALTER TABLE people ADD a text, ADD b text, ADD c text, ADD d text, ALTER twice DROP EXPRESSION, ADD z text",
             "no place for what the source holds in public.people.a, public.people.b, public.people.c, public.people.d,"
             " public.people.twice, ..."),
            ("ALTER TABLE people DROP a, DROP b, DROP c, DROP d, DROP z, DROP twice, DROP age", "the journal wants a value in public.people.age")):
        source.sql(drift)
        result = move(homeport, source, target, *args)
        assert result.rc == 3, str(result)
        assert words in result.err
        assert target.tables() == []
        assert target.server.sql("SELECT datname FROM pg_database WHERE datname LIKE 'homeport%'") == []
    # Where there are no rows, none wants a value.
    source.sql("DELETE FROM people")
    result = move(homeport, source, target, *args)
    assert result.rc == 0 and result.json["verified"], str(result)


def test_rule_24_a_sequence_of_another_name_is_refused_where_the_journals_would_begin_anew(homeport, pair, pg_bin, tmp_path):
    source, target = pair(15, 15)
    journal = own_journal(tmp_path / "journal", "CREATE TABLE visit (id serial PRIMARY KEY)")
    homeport.ok("migrations", "apply", "--migrations", journal, target=source)
    source.script("ALTER SEQUENCE visit_id_seq RENAME TO of_old; INSERT INTO visit SELECT FROM generate_series(1, 5)")
    args = ("--schema", "drizzle", "--migrations", journal, "--pg-bin", pg_bin(15), "--accept-drift")
    result = move(homeport, source, target, *args)
    assert result.rc == 3, str(result)
    assert "no sequence public.of_old, which counts for the table public.visit" in result.err
    assert target.tables() == []
    source.sql("ALTER SEQUENCE of_old RENAME TO visit_id_seq")
    assert move(homeport, source, target, *args).rc == 0
    assert target.value("INSERT INTO visit DEFAULT VALUES RETURNING id") == 6


def test_rule_24_tables_that_the_source_lacks_are_empty_at_home(homeport, pair, pg_bin, tmp_path):
    """A migration that is pending on the source is made at home."""
    source, target = pair(15, 15)
    first = "CREATE TABLE people (id integer PRIMARY KEY)"
    homeport.ok("migrations", "apply", "--migrations", own_journal(tmp_path / "first", first), target=source)
    source.sql("INSERT INTO people VALUES (1)")
    journal = own_journal(tmp_path / "journal", first + """;
        CREATE TABLE later (id serial PRIMARY KEY, who integer REFERENCES people);
        ALTER TABLE people ADD nick text DEFAULT 'none' NOT NULL""")
    args = ("--schema", "drizzle", "--migrations", journal, "--pg-bin", pg_bin(15), "--accept-drift")
    result = move(homeport, source, target, *args)
    assert result.rc == 0 and result.json["verified"], str(result)
    assert target.sql("SELECT * FROM people") == [(1, "none")]
    assert target.value("SELECT count(*) FROM later") == 0


def test_rule_24_what_cannot_be_brought_is_named_before_the_copy(homeport, pair, pg_bin, tmp_path):
    source, target = pair(15, 15)
    journal = own_journal(tmp_path / "journal", "CREATE TABLE people (id integer PRIMARY KEY)")
    homeport.ok("migrations", "apply", "--migrations", journal, target=source)
    # Its row type is of a view on a column that the journal lacks.
    source.script("""
        ALTER TABLE people ADD nick text;
        CREATE VIEW nicked AS SELECT id, nick FROM people;
        CREATE TABLE of_them (who nicked)""")
    args = ("--schema", "drizzle", "--migrations", journal, "--pg-bin", pg_bin(15), "--accept-drift")
    result = move(homeport, source, target, *args)
    assert result.rc == 1, str(result)
    assert "bring what the journal lacks from the source: create VIEW public.nicked" in result.err
    assert "--schema dump" in result.err
    assert result.json["error"]["sqlstate"] == "42703"
    assert target.tables() == []
