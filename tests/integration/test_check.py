"""homeport check: every finding is made true on real servers, and untrue again by its own fix."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import threading
import typing

import pytest

import wait
import zoo
import zoo

ROOT = pathlib.Path(__file__).resolve().parents[2]
GITGUD = ROOT / "examples/gitgud/src/lib/db/migrations"
# What a pair of the tests' servers always has: a rule of the move, and servers that may lose data.
ALWAYS = {"ddl-waits", "target-unsafe-setting"}


class Report:
    def __init__(self, result):
        self.rc = result.rc
        self.json = result.json
        self.findings = self.json["findings"]

    def ids(self):
        return {finding["id"] for finding in self.findings} - ALWAYS

    def get(self, name, scope=None):
        found = [f for f in self.findings if f["id"] == name and scope in (None, f["scope"])]
        assert len(found) == 1, f"{len(found)} findings {name}: {self.json}"
        return found[0]

    def has(self, name):
        return any(finding["id"] == name for finding in self.findings)


@pytest.fixture
def check(homeport):
    def run(source, target, *args, **kwargs):
        report = Report(homeport("check", "--json", *args, source=source, target=target, **kwargs))
        counts = {s: sum(f["severity"] == s for f in report.findings) for s in ("blocker", "warning", "note")}
        assert counts == {s: report.json[s + "s"] for s in counts}
        assert report.rc == (3 if counts["blocker"] else 0)
        order = ["blocker", "warning", "note"]
        keys = [(order.index(f["severity"]), f["id"]) for f in report.findings]
        assert keys == sorted(keys)
        assert not report.has("rule-unanswered"), report.json
        return report
    return run


def statements(fix):
    """The SQL of a fix: what is left without the lines that are comments."""
    return "\n".join(line for line in fix.splitlines() if not line.startswith("--"))


class Case(typing.NamedTuple):
    """One finding: what makes it true, what it must say, and whether its SQL makes it go away."""
    id: str
    severity: str
    scope: str
    objects: list
    fix: typing.Union[str, re.Pattern]  # :db is the target's name
    source: str = ""
    target: str = ""
    fix_on: str = "source"  # "" where the fix is no SQL
    args: tuple = ()
    also: set = frozenset()  # other findings that come with it


NO_IDENTITY = "-- on the source: better than FULL is a primary key: ALTER TABLE ... ADD PRIMARY KEY (...)\n"
NO_ROLE = "-- on the target: or give roles that are there in their place: --map-role OLD=NEW\n"

CASES = [
    Case("table-no-identity", "blocker", "live", ["public.log"],
         NO_IDENTITY + "ALTER TABLE public.log REPLICA IDENTITY FULL;",
         source="CREATE TABLE log (line text); CREATE TABLE keyed (id int PRIMARY KEY);"
                "CREATE TABLE parted (id int) PARTITION BY RANGE (id)",
         also={"table-identity-full"}),
    Case("table-no-identity", "blocker", "live", ['public."Odd table"', "public.off"],
         NO_IDENTITY + 'ALTER TABLE public."Odd table" REPLICA IDENTITY USING INDEX "Odd table_a_key";\n'
         "ALTER TABLE public.off REPLICA IDENTITY DEFAULT;",
         source='CREATE TABLE "Odd table" (a int NOT NULL UNIQUE);'
                "CREATE TABLE off (a int PRIMARY KEY); ALTER TABLE off REPLICA IDENTITY NOTHING"),
    Case("table-no-identity", "blocker", "live", ["public.part1"],
         NO_IDENTITY + "ALTER TABLE public.part1 REPLICA IDENTITY USING INDEX part1_id_idx;",
         source="CREATE TABLE parent (id int NOT NULL) PARTITION BY RANGE (id);"
                "CREATE TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (9);"
                "CREATE UNIQUE INDEX ON part1 (id)"),
    Case("table-identity-full", "warning", "live", ["public.t"],
         "-- on the source:\nALTER TABLE public.t REPLICA IDENTITY DEFAULT;",
         source="CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL"),
    Case("table-unlogged", "blocker", "live", ["public.cache"],
         "-- on the source: this writes the whole table to the WAL\nALTER TABLE public.cache SET LOGGED;",
         source="CREATE UNLOGGED TABLE cache (id serial PRIMARY KEY)"),
    Case("large-objects", "blocker", "live", ["2 large objects, from 4001 to 4002"],
         "Keep their bytes in a bytea column instead; those that no row refers to are found and removed by:"
         " vacuumlo --dry-run DATABASE, then without --dry-run.",
         source="SELECT lo_from_bytea(4001, 'x'); SELECT lo_from_bytea(4002, 'y')", fix_on=""),
    *(Case("large-objects", "blocker", "once", ["1 large object, 4001"],
           "Take the source's schema (--schema dump), or keep their bytes in a bytea column; those that no row refers to"
           " are found and removed by: vacuumlo --dry-run DATABASE, then without --dry-run.",
           source="SELECT lo_create(4001)", fix_on="", args=("--once", "--schema", *schema))
      for schema in (("existing",), ("drizzle", "--migrations", GITGUD))),
    Case("schema-homeport", "blocker", "both", ["homeport.t", "function homeport.f()"],
         "-- on the source: the app has to know the new name\nALTER SCHEMA homeport RENAME TO homeport_app;",
         source="CREATE SCHEMA homeport; CREATE TABLE homeport.t (id serial PRIMARY KEY);"
                "CREATE FUNCTION homeport.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
    Case("target-schema-homeport", "blocker", "both", ["homeport.t"],
         "-- on the target: the app has to know the new name\nALTER SCHEMA homeport RENAME TO homeport_app;",
         target="CREATE SCHEMA homeport; CREATE TABLE homeport.t (id serial PRIMARY KEY)", fix_on="target"),
    Case("materialized-view", "blocker", "live", ["public.totals"],
         "Drop them before the move and create them again at home after it, or replace them by views or tables.",
         source="CREATE MATERIALIZED VIEW totals AS SELECT 1 AS n;"
                "CREATE MATERIALIZED VIEW empty AS SELECT 1 AS n WITH NO DATA", fix_on="", also={"materialized-view"}),
    Case("materialized-view", "note", "once", ["public.totals"], "Nothing to do.",
         source="CREATE MATERIALIZED VIEW totals AS SELECT 1 AS n", fix_on="", args=("--once",)),
    Case("prepared-transaction", "blocker", "live", None,
         "-- on the source:\nCOMMIT PREPARED 'it''s open'; -- or: ROLLBACK PREPARED 'it''s open';",
         source="CREATE TABLE t (id int PRIMARY KEY); BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'it''s open'",
         also={"prepared-transaction"}),
    Case("event-trigger", "warning", "live", ["guard (on ddl_command_end)"],
         "-- on the source:\nALTER EVENT TRIGGER guard DISABLE; -- while the move runs",
         source="CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
                "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION f()", args=("--live",)),
    Case("event-trigger", "note", "once", ["guard (on ddl_command_end)"], "Nothing to do.",
         source="CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
                "CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION f()", args=("--once",), fix_on=""),
    Case("trigger-fires", "blocker", "live", ["audit on public.t", "rule r on public.t"],
         "-- on the source: so that they fire for the app alone\nALTER TABLE public.t ENABLE TRIGGER audit;\n"
         "ALTER TABLE public.t ENABLE RULE r;",
         source="CREATE TABLE t (id int PRIMARY KEY);"
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
                "CREATE TRIGGER audit AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "CREATE TRIGGER plain AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "ALTER TABLE t ENABLE ALWAYS TRIGGER audit;"
                "CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING; ALTER TABLE t ENABLE REPLICA RULE r"),
    Case("foreign-table", "warning", "both", ["public.remote (server far)"],
         "-- on the target: after the move, where the mapping has a password that did not arrive\n"
         "ALTER USER MAPPING FOR public SERVER far OPTIONS (SET password '...');",
         source="CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;"
                "CREATE USER MAPPING FOR public SERVER far OPTIONS (user 'x', password 'y');"
                "CREATE FOREIGN TABLE remote (a int) SERVER far", fix_on=""),
    Case("sequence-near-end", "warning", "both",
         ["public.down: -9 of -10", "public.narrow: 30000 of 32767", "public.orders_id_seq: 1800000000 of 2147483647",
          "public.wide: 1900000000 of 2147483647"],
         "-- on the source: before or after the move, not during it; changing the type rewrites the table\n"
         "ALTER SEQUENCE public.down NO MINVALUE;\n"
         "ALTER SEQUENCE public.narrow AS bigint;\n"
         "ALTER TABLE public.orders ALTER COLUMN id TYPE bigint;\nALTER SEQUENCE public.orders_id_seq AS bigint;\n"
         "ALTER TABLE public.fed ALTER COLUMN id TYPE bigint;\nALTER SEQUENCE public.wide AS bigint;",
         source="CREATE TABLE orders (id serial PRIMARY KEY); SELECT setval('orders_id_seq', 1800000000);"
                "CREATE SEQUENCE narrow AS smallint; SELECT setval('narrow', 30000);"
                "CREATE SEQUENCE wide; SELECT setval('wide', 1900000000);"
                "CREATE TABLE fed (id int PRIMARY KEY DEFAULT nextval('wide'));"
                "CREATE SEQUENCE down INCREMENT -1 MINVALUE -10; SELECT setval('down', -9);"
                "CREATE SEQUENCE round MAXVALUE 10 CYCLE; SELECT setval('round', 10);"
                "CREATE SEQUENCE fresh; SELECT setval('fresh', 1900000000)"),
    Case("statistics-object", "note", "both", ["public.s"], "Nothing to do.",
         source="CREATE TABLE t (a int PRIMARY KEY, b int); CREATE STATISTICS s ON a, b FROM t", fix_on=""),
    Case("generated-column", "note", "both", ["public.t.c"], "Nothing to do.",
         source="CREATE TABLE t (a int PRIMARY KEY, c int GENERATED ALWAYS AS (a * 2) STORED)", fix_on=""),
    Case("constraint-not-valid", "note", "both", ["positive on public.t"],
         "-- on the source: where the rows keep them\nALTER TABLE public.t VALIDATE CONSTRAINT positive;",
         source="CREATE TABLE t (a int PRIMARY KEY); ALTER TABLE t ADD CONSTRAINT positive CHECK (a > 0) NOT VALID"),
    Case("c-function", "warning", "both", ["public.pad(pg_catalog.text)"],
         "-- on the target:\n-- copy $libdir/citext to the server (SHOW dynamic_library_path), built for its version",
         source="CREATE EXTENSION citext; CREATE FUNCTION pad(text) RETURNS text LANGUAGE c STRICT AS '$libdir/citext', 'citext_hash'",
         fix_on=""),
    Case("owner-missing", "blocker", "both", ["function public.f() (shop_owner)", "public.t (shop_owner)"],
         NO_ROLE + "CREATE ROLE shop_owner;",
         source="CREATE ROLE shop_owner; CREATE TABLE t (a int PRIMARY KEY); ALTER TABLE t OWNER TO shop_owner;"
                "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION f() OWNER TO shop_owner",
         fix_on="target"),
    Case("owner-missing", "blocker", "both", ["public.t (shop_owner, mapped to home_owner)"],
         NO_ROLE + "CREATE ROLE home_owner;",
         source="CREATE ROLE shop_owner; CREATE TABLE t (a int PRIMARY KEY); ALTER TABLE t OWNER TO shop_owner",
         fix_on="target", args=("--map-role", "shop_owner=home_owner")),
    Case("grantee-missing", "blocker", "both",
         ["public.t.a (column_reader)", "default acl for role definer on tables (definer)",
          "policy p on public.t (member)", "public.t (reader)"],
         NO_ROLE +
         "CREATE ROLE column_reader;\n"
         "CREATE ROLE definer;\n"
         "CREATE ROLE member;\n"
         "CREATE ROLE reader;",
         source="CREATE ROLE reader; CREATE ROLE member; CREATE ROLE column_reader; CREATE ROLE definer;"
                "CREATE TABLE t (a int PRIMARY KEY); GRANT SELECT ON t TO reader, PUBLIC;"
                "GRANT SELECT (a) ON t TO column_reader; CREATE POLICY p ON t TO member;"
                "ALTER DEFAULT PRIVILEGES FOR ROLE definer GRANT SELECT ON TABLES TO PUBLIC",
         fix_on="target"),
    Case("tablespace-missing", "blocker", "both", ["public.t in fast"], re.compile(
             "-- on the target: or, on the source, move them: ALTER TABLE ... SET TABLESPACE pg_default\n"
             "CREATE TABLESPACE fast LOCATION 'pg_tblspc/[0-9]+'; -- an empty folder of the server's user"),
         source="SET allow_in_place_tablespaces = on; CREATE TABLESPACE fast LOCATION '';"
                "CREATE TABLE t (a int PRIMARY KEY) TABLESPACE fast", fix_on=""),
    Case("database-setting", "warning", "both",
         ["database: app.tenant = it's", 'database: search_path = "$user", shop', "role app_role: work_mem = 7MB"],
         "-- on the target:\nALTER DATABASE :db SET app.tenant = 'it''s';\n"
         'ALTER DATABASE :db SET search_path = "$user", shop;\n'
         "ALTER ROLE app_role IN DATABASE :db SET work_mem = '7MB';",
         source="CREATE ROLE app_role; ALTER DATABASE :db SET search_path = \"$user\", shop;"
                "ALTER DATABASE :db SET app.tenant = 'it''s'; ALTER ROLE app_role IN DATABASE :db SET work_mem = '7MB'",
         target="CREATE ROLE app_role", fix_on="target"),
    Case("database-privilege", "warning", "both",
         ["CONNECT for app_role", "CREATE for app_role", "connection limit = 9", "its comment", "no TEMPORARY for PUBLIC"],
         "-- on the target:\nGRANT CONNECT ON DATABASE :db TO app_role;\n"
         "GRANT CREATE ON DATABASE :db TO app_role WITH GRANT OPTION;\n"
         "ALTER DATABASE :db CONNECTION LIMIT 9;\nCOMMENT ON DATABASE :db IS 'it''s the shop';\n"
         "REVOKE TEMPORARY ON DATABASE :db FROM PUBLIC;",
         source="CREATE ROLE app_role; CREATE ROLE other_role; REVOKE TEMPORARY ON DATABASE :db FROM PUBLIC;"
                "GRANT CONNECT ON DATABASE :db TO app_role, other_role; ALTER DATABASE :db CONNECTION LIMIT 9;"
                "GRANT CREATE ON DATABASE :db TO app_role WITH GRANT OPTION; COMMENT ON DATABASE :db IS 'it''s the shop'",
         target="CREATE ROLE app_role", fix_on="target"),
    Case("setting-different", "warning", "both",
         ["DateStyle: source German, DMY, target ISO, MDY", "TimeZone: source Europe/Vienna, target UTC"],
         '-- on the target:\nALTER DATABASE :db SET "DateStyle" = German, DMY;\n'
         "ALTER DATABASE :db SET \"TimeZone\" = 'Europe/Vienna';",
         source="ALTER DATABASE :db SET timezone = 'Europe/Vienna'; ALTER DATABASE :db SET datestyle = 'German'",
         fix_on="target", also={"database-setting"}),
    Case("subscription", "warning", "both", ["feed"],
         "-- on the source: when the target takes over; then ENABLE it on the target\n"
         "ALTER SUBSCRIPTION feed DISABLE;",
         source="CREATE SUBSCRIPTION feed CONNECTION 'host=127.0.0.1 port=1' PUBLICATION p"
                " WITH (connect = false); ALTER SUBSCRIPTION feed SET (slot_name = 'feed'); ALTER SUBSCRIPTION feed ENABLE"),
    Case("target-not-empty", "blocker", "both",
         ["public.old", "view public.v", "function public.f()", "large object 77", "schema old_schema", "type public.mood"],
         "Make a new, empty database and give it as the target; or, where these objects are of no use, drop them.",
         target="CREATE TABLE old (a int); CREATE VIEW v AS SELECT 1; CREATE TYPE mood AS ENUM ('a');"
                "CREATE SCHEMA old_schema; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"
                "SELECT lo_create(77); CREATE EXTENSION pg_trgm; CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext",
         fix_on=""),
    Case("extension-older", "blocker", "both", ["pg_trgm: source 1.6, target 1.3"],
         "-- on the target:\nALTER EXTENSION pg_trgm UPDATE TO '1.6';",
         source="CREATE EXTENSION pg_trgm", target="CREATE EXTENSION pg_trgm VERSION '1.3'", fix_on="target"),
    Case("extension-preload", "warning", "both", ["pg_stat_statements"],
         "-- on the target:\nALTER SYSTEM SET shared_preload_libraries = pg_stat_statements;  -- then restart the server",
         source="CREATE EXTENSION pg_stat_statements", fix_on=""),
    Case("neon-schema", "note", "both", ["neon", "neon_migration"], "Nothing to do.",
         source="CREATE ROLE cloud_admin; CREATE SCHEMA neon AUTHORIZATION cloud_admin; CREATE TABLE neon.t (a int);"
                "CREATE SCHEMA neon_migration AUTHORIZATION cloud_admin; CREATE SCHEMA neon_utils", fix_on="", also={"neon-role"}),
    Case("neon-role", "note", "both", ["cloud_admin", "neon_superuser"],
         "Nothing to do; to give them a successor, --map-role neon_superuser=ROLE.",
         source="CREATE ROLE cloud_admin; CREATE ROLE neon_superuser; CREATE TABLE t (a int PRIMARY KEY);"
                "ALTER TABLE t OWNER TO cloud_admin; GRANT ALL ON t TO neon_superuser;"
                "ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin GRANT SELECT ON TABLES TO neon_superuser", fix_on=""),
    Case("neon-extension", "note", "both", ["neon"], "Nothing to do.",
         source="CREATE EXTENSION citext; UPDATE pg_extension SET extname = 'neon' WHERE extname = 'citext'", fix_on=""),
    Case("security-label", "warning", "both", ["anon (1 label)"],
         "-- on the target:\n-- load the library of anon (shared_preload_libraries), or drop the labels on the source",
         source="CREATE TABLE t (id int PRIMARY KEY); INSERT INTO pg_seclabel"
                " VALUES ('t'::regclass, 'pg_class'::regclass, 1, 'anon', 'MASKED WITH VALUE NULL')", fix_on=""),
    Case("neon-auth", "warning", "both", ["neon_auth.users_sync"],
         "Before the cutover, move the app's sign-in to a service of its own (Better Auth, Clerk, ...); the variables"
         " NEON_AUTH_* and NEXT_PUBLIC_STACK_* name what it uses now.",
         source="CREATE SCHEMA neon_auth; CREATE TABLE neon_auth.users_sync (id text PRIMARY KEY)", fix_on=""),
    Case("target-table-missing", "blocker", "both", ["public.gone", "public.t.b"],
         "Bring the target's schema up to the source's, or let homeport make it (schema: dump).",
         source="CREATE TABLE gone (a int PRIMARY KEY); CREATE TABLE t (a int PRIMARY KEY, b int)",
         target="CREATE TABLE t (a int PRIMARY KEY)", args=("--schema", "existing"), fix_on=""),
    Case("target-has-rows", "blocker", "both", ["public.t"],
         "-- on the target: where the rows are of no use\nTRUNCATE ONLY public.t;",
         source="CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (a int PRIMARY KEY)",
         target="CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE u (a int PRIMARY KEY); INSERT INTO t VALUES (1)",
         args=("--schema", "existing"), fix_on="target"),
    Case("target-trigger-fires", "blocker", "both", ["audit on public.t"],
         "-- on the target:\nALTER TABLE public.t DISABLE TRIGGER audit; -- and after the move: ENABLE ALWAYS TRIGGER audit",
         source="CREATE TABLE t (id int PRIMARY KEY)",
         target="CREATE TABLE t (id int PRIMARY KEY);"
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';"
                "CREATE TRIGGER audit AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();"
                "ALTER TABLE t ENABLE ALWAYS TRIGGER audit", args=("--schema", "existing"), fix_on="target"),
]


def prepare(db, sql):
    """:db is the database's own name."""
    if sql:
        db.script(sql.replace(":db", '"' + db.name + '"'))


@pytest.mark.parametrize("case", CASES, ids=[f"{case.id}-{number}" for number, case in enumerate(CASES)])
def test_finding(pair, check, case):
    source, target = pair(15, 15)
    prepare(source, case.source)
    prepare(target, case.target)
    report = check(source, target, *case.args)
    finding = report.get(case.id, case.scope)
    assert finding["severity"] == case.severity
    if case.objects is not None:
        assert finding["objects"] == case.objects
    if isinstance(case.fix, re.Pattern):
        assert case.fix.fullmatch(finding["fix"]), finding["fix"]
    else:
        assert finding["fix"] == case.fix.replace(":db", target.name)
    assert finding["summary"]
    assert report.ids() <= {case.id} | case.also

    if case.fix_on:
        {"source": source, "target": target}[case.fix_on].script(statements(finding["fix"]))
        after = check(source, target, *case.args)
        assert not any(f["id"] == case.id and f["scope"] == case.scope for f in after.findings), after.json


def test_each_kind_of_move_is_judged_alone(pair, check):
    source, target = pair(15, 15)
    source.script("CREATE TABLE log (line text); CREATE UNLOGGED TABLE cache (id int PRIMARY KEY); SELECT lo_create(4001);"
                  "CREATE MATERIALIZED VIEW totals AS SELECT 1 AS n; CREATE ROLE reader; GRANT SELECT ON log TO reader")
    both, once, live = check(source, target), check(source, target, "--once"), check(source, target, "--live")
    assert once.ids() == {"grantee-missing", "materialized-view"}
    assert live.ids() == {"table-no-identity", "table-unlogged", "large-objects", "materialized-view", "grantee-missing"}
    assert both.ids() == once.ids() | live.ids()
    assert {f["scope"] for f in once.findings} == {"once", "both"}
    assert {f["scope"] for f in live.findings} == {"live", "both"}
    assert [f["scope"] for f in both.findings if f["id"] == "materialized-view"] == ["live", "once"]


def test_clean_pair_has_no_blockers(pair, check):
    source, target = pair(15, 15)
    source.script("CREATE TABLE t (id bigserial PRIMARY KEY, name text UNIQUE); INSERT INTO t (name) VALUES ('a')")
    report = check(source, target)
    assert report.rc == 0
    assert report.ids() == set()
    assert report.json["source"]["version_num"] // 10000 == 15
    assert report.json["source"]["database"] == source.name
    assert report.json["target"]["encoding"] == "UTF8"
    assert report.get("ddl-waits")["severity"] == "warning"


# -- what the servers are


def test_target_older_than_source(pair, check, pg_bin):
    source, target = pair(16, 15)
    finding = check(source, target).get("target-older", "both")
    assert finding["severity"] == "blocker"
    assert finding["objects"] == ["source 16, target 15"]
    assert finding["fix"] == "Make the target a server of PostgreSQL 16 or newer."
    assert check(*pair(15, 16), "--pg-bin", str(pg_bin(17))).ids() == set()


def test_same_database_on_both_sides(pair, check):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE live (id integer PRIMARY KEY)")
    found = check(source, source)
    # Nobody is told to drop what is there: it is the source's.
    assert not found.has("target-not-empty"), found.ids()
    finding = found.get("same-database", "both")
    assert finding["severity"] == "blocker"
    assert finding["objects"] == [f'"{source.name}"'] or finding["objects"] == [source.name]
    assert "--target" in finding["fix"]
    other = source.server.create_db()
    assert not check(source, other).has("same-database")


def test_read_only_target(pair, check):
    source, target = pair(15, 15)
    target.sql(f"ALTER DATABASE {target.name} SET default_transaction_read_only = on")
    finding = check(source, target).get("target-read-only", "both")
    assert finding["severity"] == "blocker"
    target.script(f"SET default_transaction_read_only = off; {statements(finding['fix'])}")
    assert not check(source, target).has("target-read-only")


def make_standby(servers):
    """A server in recovery; it follows nobody."""
    server = servers.new(15)
    server.stop()
    (server.data_dir / "standby.signal").touch()
    # start() would give the superuser its password, which it has and which a standby does not take.
    server.sql = lambda *args, **kwargs: []
    server.start()
    del server.sql
    assert server.value("SELECT pg_is_in_recovery()")
    return server


def test_standby_on_either_side(servers, pair, check):
    source, target = pair(15, 15)
    standby = make_standby(servers)
    url = standby.url("postgres")
    report = check(source, url)
    finding = report.get("target-read-only", "both")
    assert finding["severity"] == "blocker" and "pg_promote" in finding["fix"]
    live, once = (check(url, target, scope).get("source-standby") for scope in ("--live", "--once"))
    assert (live["severity"], live["scope"]) == ("blocker", "live")
    assert (once["severity"], once["scope"]) == ("warning", "once")
    assert "hot_standby_feedback" in once["fix"]


@pytest.mark.parametrize("options, expected", [
    ("TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
     {"encoding-different": ("blocker", ["encoding: source UTF8, target SQL_ASCII"]),
      "collation-different": ("warning", ["collation: source C.UTF-8, target C"]),
      "ctype-different": ("warning", ["ctype: source C.UTF-8, target C"])}),
    ("TEMPLATE template0 LC_COLLATE 'C'", {"collation-different": ("warning", ["collation: source C.UTF-8, target C"])}),
    ("TEMPLATE template0 LC_CTYPE 'C'", {"ctype-different": ("warning", ["ctype: source C.UTF-8, target C"])}),
    ("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C.UTF-8'",
     {"collation-different": ("warning", ["collation: source C.UTF-8, target de"]),
      "provider-different": ("warning", ["provider: source libc, target icu"])}),
    ("TEMPLATE template0 LOCALE 'C.utf8'", {}),
])
def test_locale_that_differs_is_mended_by_its_fix(pair, check, database, options, expected):
    source, _ = pair(15, 15)
    target = database(15, "target", "other locale", options)
    report = check(source, target)
    assert {f["id"]: (f["severity"], f["objects"]) for f in report.findings if f["id"] not in ALWAYS} == expected
    for name in expected:
        finding = report.get(name, "both")
        assert "ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8';" in finding["fix"]
    if expected:
        target.server.script(statements(finding["fix"]))
        assert check(source, target).ids() == set()


@pytest.mark.parametrize("version, options, clause", [
    (16, "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' ICU_RULES '&a < g' LOCALE 'C.UTF-8'",
     "LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' ICU_RULES '&a < g' LC_COLLATE"),
    (17, "TEMPLATE template0 LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
     "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LC_COLLATE"),
])
def test_locale_of_newer_providers_can_be_made_on_the_target(database, check, pg_bin, version, options, clause):
    source = database(version, "source", options=options)
    target = database(version, "target")
    report = check(source, target, "--pg-bin", str(pg_bin(17)))
    assert {"provider-different"} <= report.ids() <= {"provider-different", "collation-different", "ctype-different"}
    fix = report.get("provider-different")["fix"]
    assert clause in fix
    target.server.script(statements(fix))
    assert check(source, target, "--pg-bin", str(pg_bin(17))).ids() == set()


def test_text_partitions_under_another_collation(pair, check, database):
    source, same = pair(15, 15)
    source.script("CREATE TABLE p (k text NOT NULL) PARTITION BY RANGE (k);"
                  "CREATE TABLE n (k int NOT NULL) PARTITION BY RANGE (k);"
                  "CREATE TABLE c (k text COLLATE \"C\" NOT NULL) PARTITION BY RANGE (k)")
    target = database(15, "target", None, "TEMPLATE template0 LC_COLLATE 'C'")
    finding = check(source, target).get("partition-collation", "both")
    assert finding["severity"] == "blocker"
    assert finding["objects"] == ["public.p"]
    assert not check(source, same).has("partition-collation")


def test_collation_that_the_target_lacks(pair, check, database):
    source, target = pair(15, 15)
    source.script('CREATE TABLE t (a text COLLATE "de-x-icu" PRIMARY KEY, b text COLLATE "C")')
    assert not check(source, target).has("collation-missing")
    target.script("DELETE FROM pg_collation WHERE collname = 'de-x-icu'")
    finding = check(source, target).get("collation-missing", "both")
    assert finding["severity"] == "blocker"
    assert finding["objects"] == ['public.t.a COLLATE "de-x-icu"', 'public.t_pkey.a COLLATE "de-x-icu"']
    target.script(statements(finding["fix"]))
    assert not check(source, target).has("collation-missing")


def test_collation_version_that_has_changed(database, check):
    options = "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de' LOCALE 'C.UTF-8'"
    source, target = database(15, "source", "icu", options), database(15, "target", "icu", options)
    assert check(source, target).ids() == set()
    for db in (source, target):
        db.sql("UPDATE pg_database SET datcollversion = '1.0' WHERE datname = 'icu'")
    report = check(source, target)
    assert report.get("collation-version", "both")["severity"] == "note"
    finding = report.get("target-collation-version", "both")
    assert finding["severity"] == "warning"
    assert re.fullmatch(r"icu: made with 1\.0, now [0-9.]+", finding["objects"][0])
    for db, name in ((source, "collation-version"), (target, "target-collation-version")):
        for statement in statements(report.get(name)["fix"]).splitlines():
            db.sql(statement)
    assert check(source, target).ids() == set()


def test_settings_that_mean_the_same_are_not_told(pair, check):
    source, target = pair(15, 15)
    source.sql(f"ALTER ROLE postgres IN DATABASE {source.name} SET timezone = 'GMT'")
    report = check(source, target)
    assert not report.has("setting-different")


# -- extensions


def test_extension_that_the_target_lacks(pair, check, pg_bin):
    # npm's 16 has Tcl, Debian's 17 (without its package) does not.
    source, target = pair(16, 17)
    source.script("CREATE EXTENSION pltcl; CREATE EXTENSION pg_trgm;"
                  "CREATE FUNCTION f() RETURNS int LANGUAGE pltcl AS 'return 1'")
    report = check(source, target, "--pg-bin", str(pg_bin(17)))
    finding = report.get("extension-missing", "both")
    assert (report.rc, finding["severity"], finding["objects"]) == (3, "blocker", ["pltcl"])
    assert finding["fix"] == (
        "-- on the target:\n-- Debian (apt.postgresql.org): apt-get install postgresql-17-pltcl")
    assert report.ids() == {"extension-missing"}
    assert not check(source, pair(16, 16).target).has("extension-missing")


def test_language_that_the_dump_does_not_bring(pair, check):
    source, target = pair(15, 15)
    target.sql("DROP EXTENSION plpgsql")
    assert not check(source, target, "--once").has("language-missing")
    source.script("CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'")
    report = check(source, target, "--once")
    finding = report.get("language-missing", "both")
    assert (report.rc, finding["severity"], finding["objects"]) == (3, "blocker", ["plpgsql"])
    target.script(statements(finding["fix"]))
    assert not check(source, target).has("language-missing")


# -- the live move's servers


@pytest.fixture
def server_with(servers):
    def make(**settings):
        return servers.new(15, settings=settings)
    return make


def test_wal_level_slots_and_senders(servers, server_with, pair, check):
    good, _ = pair(15, 15)
    weak = server_with(wal_level="replica", max_replication_slots=1, max_wal_senders=1, max_slot_wal_keep_size="64MB")
    weak.sql("SELECT pg_create_physical_replication_slot('forgotten')")
    bad = weak.create_db()
    good_target = servers.get(15, "target").create_db()

    report = check(bad, good_target)
    assert report.ids() == {"wal-level", "replication-slots", "wal-senders", "slot-wal-keep-small"}
    for name, severity, objects, fix in (
        ("wal-level", "blocker", ["wal_level = replica"], "ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server"),
        ("replication-slots", "blocker", ["max_replication_slots = 1, 1 in use"],
         "SELECT pg_drop_replication_slot('forgotten'); -- if nobody needs it\n"
         "ALTER SYSTEM SET max_replication_slots = 3; -- then restart the server"),
        ("wal-senders", "blocker", ["max_wal_senders = 1, 0 in use"],
         "ALTER SYSTEM SET max_wal_senders = 2; -- then restart the server"),
        ("slot-wal-keep-small", "warning", ["max_slot_wal_keep_size = 64MB"],
         "ALTER SYSTEM SET max_slot_wal_keep_size = '4GB'; -- with that much disk to spare\nSELECT pg_reload_conf();"),
    ):
        finding = report.get(name, "live")
        assert (finding["severity"], finding["objects"]) == (severity, objects)
        assert finding["fix"] == "-- on the source:\n" + fix
    assert check(bad, good_target, "--once").ids() == set()

    reverse = check(good, bad)
    assert reverse.ids() == {"target-wal-level", "target-replication-slots"}
    assert {f["scope"] for f in reverse.findings if f["id"] not in ALWAYS} == {"live"}

    for name in ("wal-level", "replication-slots", "wal-senders", "slot-wal-keep-small"):
        for statement in statements(report.get(name)["fix"]).splitlines():
            weak.sql(statement)
    conf = weak.data_dir / "postgresql.auto.conf"
    assert "wal_level" in conf.read_text(encoding="utf-8")
    weak.restart(wal_level=None, max_replication_slots=None, max_wal_senders=None, max_slot_wal_keep_size=None)
    assert check(bad, good_target).ids() == set()


def test_wal_sender_of_the_target(server_with, pair, check):
    source, _ = pair(15, 15)
    target = server_with(max_wal_senders=0, wal_level="minimal").create_db()
    assert check(source, target).ids() == {"target-wal-level", "target-wal-senders"}


def test_long_transaction_on_the_source(pair, check):
    source, target = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    conn = source.connect(autocommit=False)
    conn.cursor().execute("INSERT INTO t VALUES (1)")
    assert not check(source, target).has("long-transaction")
    wait.until(lambda: source.value(
        "SELECT clock_timestamp() - min(xact_start) > interval '10.1 s' FROM pg_stat_activity WHERE backend_xid IS NOT NULL"),
        30, "the transaction is old")
    finding = check(source, target).get("long-transaction", "live")
    pid = conn.info.backend_pid
    assert finding["severity"] == "warning"
    assert finding["objects"][0].startswith(f"process {pid}: test of postgres, idle in transaction for 1")
    source.sql(statements(finding["fix"]))
    wait.until(lambda: not source.value("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", (pid,)), 10, "it ended")
    assert not check(source, target).has("long-transaction")


# -- rights


def test_rights_of_an_ordinary_role_on_the_source(pair, check):
    source, target = pair(15, 15)
    url = source.role("app")
    source.script("""
        CREATE TABLE t (id serial PRIMARY KEY); CREATE SCHEMA closed; CREATE TABLE closed.u (id int PRIMARY KEY);
        CREATE TABLE hidden (id int PRIMARY KEY); ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
        GRANT SELECT ON hidden TO app; SELECT lo_create(55);
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
        CREATE TRIGGER audit AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION f();
    """)
    target.server.sql("CREATE ROLE app")
    report = check(url, target)
    expected = {
        "table-unreadable": ("blocker", "both",
                             ["LARGE OBJECT 55 and others of its owner", "closed.u", "public.t", "public.t_id_seq"]),
        "schema-unusable": ("blocker", "both", ["closed"]),
        "row-security-hides": ("blocker", "both", ["public.hidden"]),
        "replication-privilege": ("blocker", "live", ["app"]),
        "publication-privilege": ("blocker", "live",
                                  ["closed.u", f"database {source.name}", "public.hidden", "public.t"]),
        "fence-privilege": ("blocker", "live",
                            ["member of pg_monitor", "member of pg_signal_backend", f"owner of database {source.name}"]),
        "trigger-fires-back": ("warning", "live", ["audit on public.t"]),
        "large-objects": ("blocker", "live", ["1 large object, 55"]),
    }
    assert {f["id"]: (f["severity"], f["scope"], f["objects"]) for f in report.findings if f["id"] not in ALWAYS} == expected
    fixes = {name: report.get(name)["fix"] for name in expected}
    assert "GRANT SELECT ON SEQUENCE public.t_id_seq TO app;" in fixes["table-unreadable"]
    assert "GRANT USAGE ON SCHEMA closed TO app;" in fixes["schema-unusable"]
    assert "ALTER ROLE app BYPASSRLS;" in fixes["row-security-hides"]
    assert "ALTER ROLE app REPLICATION;" in fixes["replication-privilege"]
    assert "GRANT postgres TO app;" in fixes["publication-privilege"]
    for name in expected:
        if name not in ("trigger-fires-back", "large-objects"):
            source.script(statements(fixes[name]))
    # Member of a superuser's role is no superuser: triggers still cannot rest.
    report = check(url, target)
    assert report.ids() == {"trigger-fires-back", "large-objects", "database-privilege"}
    assert report.get("database-privilege")["objects"] == ["CREATE for app"]  # for the publication


def test_configuration_tables_of_an_extension_are_published_with_the_others(pair, check):
    source, target = pair(15, 15)
    url = source.role("app")
    assert zoo.install_extension(source) and zoo.install_extension(target)
    source.script("CREATE EXTENSION zoo_ext; ALTER TABLE setting DROP CONSTRAINT setting_pkey")
    report = check(url, target)
    assert report.get("publication-privilege")["objects"] == [
        f"database {source.name}", "public.setting", "public.whole_config"]
    assert report.get("table-no-identity")["objects"] == ["public.setting"]


def test_row_security_that_hides_nothing(pair, check):
    source, target = pair(15, 15)
    owner, bypass = source.role("owner_of_it"), source.role("passes", "LOGIN BYPASSRLS")
    source.script("""
        CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t OWNER TO owner_of_it;
        GRANT SELECT ON t TO passes; GRANT owner_of_it TO postgres;
    """)
    target.server.sql("CREATE ROLE owner_of_it; CREATE ROLE passes")
    assert not check(owner, target, "--once").ids()
    assert not check(bypass, target, "--once").ids()
    source.sql("ALTER TABLE t FORCE ROW LEVEL SECURITY")
    assert check(owner, target, "--once").ids() == {"row-security-hides"}
    assert not check(bypass, target, "--once").ids()
    assert not check(source, target, "--once").ids()


def test_rights_of_an_ordinary_role_on_the_target(pair, check):
    source, target = pair(15, 15)
    source.script("""
        CREATE ROLE keeper; CREATE TABLE t (id int PRIMARY KEY); ALTER TABLE t OWNER TO keeper;
        CREATE EXTENSION file_fdw; CREATE EXTENSION citext;
        CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
        CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f(); ALTER EVENT TRIGGER e DISABLE;
    """)
    url = target.role("app")
    target.server.sql("CREATE ROLE keeper")
    target.server.sql(f"REVOKE TEMPORARY ON DATABASE {target.name} FROM PUBLIC")
    report = check(source, url)
    found = {f["id"]: (f["severity"], f["scope"], f["objects"]) for f in report.findings if f["id"] not in ALWAYS}
    assert found.pop("owner-privilege") == ("blocker", "both", ["keeper", "postgres"])
    assert found == {
        "target-privilege": ("blocker", "both", [
            f"TEMPORARY on database {target.name}", f"database {target.name}", "schema public"]),
        "extension-privilege": ("blocker", "both", ["citext", "file_fdw"]),
        "superuser-needed": ("blocker", "both", ["event trigger e"]),
        "target-replica-role": ("blocker", "live", ["app"]),
        "target-space-unknown": ("note", "both", []),
        "event-trigger": ("note", "once", ["e (on ddl_command_end)"]),
        "database-privilege": ("warning", "both", ["TEMPORARY for PUBLIC"]),
    }
    assert "GRANT SET ON PARAMETER session_replication_role TO app;" in report.get("target-replica-role")["fix"]
    assert "should be free" in report.get("target-space-unknown")["fix"]
    assert report.get("owner-privilege")["fix"] == (
        "-- on the target:\n-- with --map-role keeper=app this role owns what keeper would; or else\n"
        "GRANT keeper TO app;\n"
        "-- with --map-role postgres=app this role owns what postgres would; a superuser is nobody to act for")
    for name in ("target-privilege", "owner-privilege", "target-replica-role", "database-privilege"):
        target.script(statements(report.get(name)["fix"]))
    # CREATE on the database is enough for a trusted extension.
    mapped = ("--map-role", "postgres=app")
    assert check(source, url).get("owner-privilege")["objects"] == ["postgres"]
    after = check(source, url, *mapped)
    assert after.get("extension-privilege")["objects"] == ["file_fdw"]
    target.script(statements(after.get("extension-privilege")["fix"]))
    target.script(statements(after.get("superuser-needed")["fix"]))
    assert check(source, url, *mapped).ids() == {"event-trigger"}


def test_role_map_that_is_said_can_be_given_as_it_is(pair, check):
    """However the role is named."""
    source, target = pair(15, 15)
    source.script("""CREATE ROLE "it's $keeper"; CREATE TABLE t (id int PRIMARY KEY);
                     ALTER TABLE t OWNER TO "it's $keeper" """)
    target.server.sql("""CREATE ROLE "it's $keeper" """)
    url = target.role("app")
    fix = check(source, url).get("owner-privilege")["fix"]
    said, = re.findall(r"with (--map-role .*keeper.*) this role owns", fix)
    assert not check(source, url, *shlex.split(said)).has("owner-privilege")


def test_replica_role_matters_to_a_copy_into_an_existing_schema(pair, check):
    source, target = pair(15, 15)
    for db in (source, target):
        db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    url = target.role("app")
    target.script(f"GRANT CREATE ON DATABASE {target.name} TO app; GRANT ALL ON SCHEMA public TO app")
    report = check(source, url, "--once", "--schema", "existing")
    assert report.ids() == {"target-replica-role", "target-space-unknown"}
    assert report.get("target-replica-role")["scope"] == "both"


def test_neon_like_source(pair, check):
    """The owner that Neon makes: no superuser, but replicates, bypasses row security, owns the database."""
    source, target = pair(15, 15)
    source.server.sql("CREATE ROLE neon_superuser CREATEDB CREATEROLE BYPASSRLS REPLICATION")
    source.server.sql("CREATE ROLE cloud_admin SUPERUSER")
    source.server.sql("GRANT pg_read_all_data, pg_write_all_data, pg_monitor, pg_signal_backend TO neon_superuser")
    url = source.role("neondb_owner", "LOGIN CREATEDB CREATEROLE BYPASSRLS REPLICATION IN ROLE neon_superuser")
    source.server.sql(f"ALTER DATABASE {source.name} OWNER TO neondb_owner")
    source.script("""
        ALTER DEFAULT PRIVILEGES FOR ROLE cloud_admin IN SCHEMA public GRANT ALL ON TABLES TO neon_superuser WITH GRANT OPTION;
        CREATE SCHEMA neon AUTHORIZATION cloud_admin; CREATE VIEW neon.v AS SELECT 1;
        GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_reset() TO neon_superuser;
        GRANT CREATE ON SCHEMA public TO neondb_owner;
    """)
    source.script("CREATE TABLE users (id text PRIMARY KEY); ALTER TABLE users ENABLE ROW LEVEL SECURITY", user="neondb_owner")
    report = check(url, target, "--map-role", "neondb_owner=postgres")
    assert report.ids() == {"neon-schema", "neon-role"}
    assert {f["severity"] for f in report.findings if f["id"].startswith("neon")} == {"note"}
    unmapped = check(url, target)
    assert unmapped.ids() == {"neon-schema", "neon-role", "owner-missing", "grantee-missing"}
    assert unmapped.get("grantee-missing")["objects"] == ["schema public (neondb_owner)"]
    assert unmapped.get("owner-missing")["objects"] == ["public.users (neondb_owner)"]
    mapped = check(url, target, "--map-role", "neondb_owner=postgres", "--map-role", "neon_superuser=app")
    assert mapped.get("grantee-missing")["fix"].endswith("CREATE ROLE app;")


def test_connections_that_a_role_may_open(pair, check):
    source, target = pair(15, 15)
    url = source.role("app", "LOGIN CONNECTION LIMIT 6")
    target.server.sql("CREATE ROLE app")
    finding = check(url, target, "--once").get("connections-few", "both")
    assert finding["severity"] == "warning"
    assert finding["objects"] == ["source: CONNECTION LIMIT 6 of role app, 6 free, 8 wanted"]
    assert finding["fix"] == "-- on the source: or run homeport with --jobs 2\nALTER ROLE app CONNECTION LIMIT 14;"
    assert not check(url, target, "--once", "--jobs", "2").has("connections-few")
    source.server.sql("ALTER ROLE app CONNECTION LIMIT 4")
    assert check(url, target, "--once", "--jobs", "1").get("connections-few")["severity"] == "blocker"


def test_connections_that_the_server_allows(server_with, pair, check):
    source, _ = pair(15, 15)
    target = server_with(max_connections=12).create_db()
    finding = check(source, target, "--jobs", "16").get("connections-few", "both")
    assert finding["severity"] == "warning"
    assert finding["objects"] == ["target: max_connections = 12, 12 free, 20 wanted"]
    assert not check(source, target, "--jobs", "8").has("connections-few")


# -- between us and the servers


def test_pooled_neon_url(pair, check):
    source, target = pair(15, 15)
    url = source.url.replace("@127.0.0.1", "@ep-quiet-sun-pooler.eu-central-1.aws.neon.tech") + "?hostaddr=127.0.0.1"
    for report, side in ((check(url, target), "source"), (check(target, url), "target")):
        finding = report.get("pooled-url", "both")
        assert (report.rc, finding["severity"]) == (3, "blocker")
        assert finding["fix"] == f"Use the direct host in the {side}'s URL: ep-quiet-sun.eu-central-1.aws.neon.tech"
        assert "***" in finding["objects"][0] and "-pooler" in finding["objects"][0]
    assert not check(url.replace("-pooler", ""), target).has("pooled-url")


class RenamingRelay:
    """What every pooler does: it tells the client another process id than the server's."""

    def __init__(self, port):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.upstream = port
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream))
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(read, write, rename):
        with contextlib.suppress(OSError):
            while data := read.recv(65536):
                if rename:
                    data = re.sub(rb"(K\x00\x00\x00\x0c).{4}", lambda key: key[1] + b"\x00\x00\x00\x2a", data, flags=re.S)
                write.sendall(data)
            write.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


def test_unknown_pooler_shows_by_its_process_ids(pair, check):
    source, target = pair(15, 15)
    relay = RenamingRelay(source.server.port)
    try:
        url = source.url.replace(f":{source.server.port}/", f":{relay.port}/")
        finding = check(url, target).get("pooled-url", "both")
        assert finding["severity"] == "warning"
        assert "port is usually 5432" in finding["fix"]
    finally:
        relay.close()


# -- this machine, and space


def test_pg_dump_that_can_read_the_source(pair, check, tmp_path, pg_bin):
    source, target = pair(17, 17)
    old = check(source, target, "--pg-bin", str(pg_bin(15))).get("pg-dump-missing", "both")
    assert old["severity"] == "blocker"
    assert f"15 in {pg_bin(15)}" in old["summary"]
    assert "--pg-bin" in old["fix"] and "PostgreSQL 17" in old["fix"]
    assert not check(source, target, "--pg-bin", str(pg_bin(17))).has("pg-dump-missing")
    for db in (source, target):
        db.sql("CREATE TABLE t (id int PRIMARY KEY)")
    report = check(source, target, "--pg-bin", str(tmp_path), "--schema", "existing")
    assert report.get("pg-dump-missing")["severity"] == "warning"
    gone = check(source, target, "--pg-bin", str(tmp_path / "gone")).get("pg-dump-missing")
    assert gone["fix"] == f"There is no folder {tmp_path}/gone, which --pg-bin names."


def test_pg_dump_that_can_read_both(pair, check, tmp_path, pg_bin):
    """Without it a move would copy everything, and could not finish for want of the comparison."""
    source, target = pair(15, 17)
    found = check(source, target, "--pg-bin", str(pg_bin(15))).get("pg-dump-missing", "both")
    assert found["severity"] == "warning"
    assert found["summary"] == (f"no pg_dump of version 17 or newer (found: 15 in {pg_bin(15)}):"
                                " the schemas of both sides cannot be compared")
    assert not check(source, target, "--pg-bin", str(pg_bin(17))).has("pg-dump-missing")
    assert not check(source, target, "--pg-bin", str(pg_bin(15)), env={"HOMEPORT_VERIFY": "no"}).has("pg-dump-missing")
    # Whoever has none is told to get the one that does for everything.
    assert "PostgreSQL 17's" in check(source, target, "--pg-bin", str(tmp_path)).get("pg-dump-missing")["fix"]


def test_counts_of_findings_are_written_as_all_others(pair, check):
    source, target = pair(15, 15)
    source.sql("SELECT lo_create(g) FROM generate_series(20001, 21200) AS g")
    assert check(source, target, "--live").get("large-objects")["objects"] == ["1,200 large objects, from 20001 to 21200"]


def test_migrations_that_the_schema_is_to_be_made_of(pair, check, homeport, tmp_path):
    """As the move would read them: by the options that it takes."""
    source, target = pair(15, 15)
    drizzle = ("--once", "--schema", "drizzle")
    finding = check(source, target, *drizzle).get("migrations-unreadable", "both")
    assert finding["severity"] == "blocker" and "no folder of Drizzle migrations was found" in finding["summary"]
    assert "--migrations" in finding["fix"]
    broken = tmp_path / "broken" / "meta"
    broken.mkdir(parents=True)
    (broken / "_journal.json").write_text("{", encoding="utf-8")
    for folder in (tmp_path / "gone", broken.parent):
        finding = check(source, target, *drizzle, "--migrations", folder).get("migrations-unreadable")
        assert str(folder) in finding["summary"]
        moved = homeport("move", *drizzle, "--migrations", folder, source=source, target=target)
        assert moved.rc == 3 and "migrations-unreadable" in moved.err, str(moved)
    assert not check(source, target, *drizzle, "--migrations", GITGUD).has("migrations-unreadable")
    assert not check(source, target, "--once").has("migrations-unreadable")


@pytest.fixture
def small_disk():
    """A file system of 150 MB to keep a server on."""
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="homeport-disk-"))
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m,mode=755", "tmpfs", folder], check=False)
    if done.returncode != 0:
        pytest.skip("no tmpfs can be mounted here: space_is_enough is tested at the unit level")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def as_nobody(homeport, source, target):
    """The finding about space for a user who cannot look into the server's folder: df tells it, on the server."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(homeport.binary, folder)
        done = subprocess.run(
            [program, "check", "--json"], env=homeport.environment(source, target), capture_output=True, check=False,
            cwd=folder, user="nobody", group="nogroup", extra_groups=[])
    found = [f for f in json.loads(done.stdout)["findings"] if f["id"].startswith("target-space")]
    assert len(found) == 1, done.stdout
    return found[0]


def test_target_on_a_disk_that_is_too_small(servers, pair, check, homeport, small_disk):
    source, other = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    server = servers.new(15)
    server.stop()
    subprocess.run(["cp", "-a", server.data_dir, small_disk / "data"], check=True)
    server.data_dir = small_disk / "data"
    server.start()
    try:
        target = server.create_db()
        report = check(source, target)
        finding = report.get("target-space", "both")
        assert (report.rc, finding["severity"]) == (3, "blocker")
        assert finding["objects"][0].startswith(f"{server.data_dir}: ")
        assert re.search(r"\d MB free, 1\.\d GB wanted$", finding["objects"][0])
        by_df = as_nobody(homeport, source.url, target.url)
        assert by_df["id"] == "target-space"
        assert by_df["objects"][0].startswith(f"{small_disk}: ") and by_df["objects"][0].endswith(" GB wanted")
        server.sql("ALTER SYSTEM SET max_wal_size = '32MB'")
        server.sql("SELECT pg_reload_conf()")
        wait.until(lambda: server.value("SHOW max_wal_size") == "32MB", 10, "setting in force")
        assert not check(source, target).has("target-space")
        assert not check(source, other).has("target-space")
    finally:
        server.stop()


def test_wal_on_a_disk_of_its_own_that_is_too_small(servers, pair, check, small_disk):
    source, _ = pair(15, 15)
    server = servers.new(15)
    server.stop()
    wal = pathlib.Path(server.data_dir) / "pg_wal"
    subprocess.run(["cp", "-a", wal, small_disk / "wal"], check=True)
    shutil.rmtree(wal)
    wal.symlink_to(small_disk / "wal")
    server.start()
    try:
        finding = check(source, server.create_db()).get("target-space", "both")
        data, its_wal = finding["objects"]
        assert data.startswith(f"{server.data_dir}: ") and re.search(r" wanted$", data)
        assert re.search(r"^pg_wal: 1\d\d MB free, 1\.\d GB wanted$", its_wal)
    finally:
        server.stop()


def test_tablespace_of_the_target_that_is_too_small(servers, pair, check, homeport, small_disk):
    """There go the tables, and not where the server's other data is."""
    source, _ = pair(15, 15)
    source.sql("CREATE TABLE t AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 40000)")
    server = servers.new(15, {"max_wal_size": "32MB"})
    where = small_disk / "tables"
    where.mkdir(mode=0o700)
    shutil.chown(where, "postgres", "postgres")
    server.sql(f"CREATE TABLESPACE small LOCATION '{where}'")
    try:
        target = server.create_db(options="TABLESPACE small")
        assert not check(source, target).has("target-space")
        with (small_disk / "filler").open("wb") as filler:
            filler.write(b"x" * (shutil.disk_usage(small_disk).free - 8_000_000))
        finding = check(source, target).get("target-space", "both")
        data, its_wal = finding["objects"]
        assert re.fullmatch(re.escape(str(where)) + r": \d\.\d MB free, \d\d\.\d MB wanted", data), data
        assert its_wal.startswith("pg_wal: ")
        by_df = as_nobody(homeport, source.url, target.url)
        assert by_df["id"] == "target-space" and by_df["objects"][0].startswith(f"{small_disk}: ")
        assert not check(source, server.create_db()).has("target-space")
        fix = check(source, target.role("app")).get("target-space-unknown")["fix"]
        assert f"df -h {where}: " in fix and "should be free in the database's tablespace" in fix
    finally:
        server.stop()


def test_space_of_a_server_that_is_reached_by_ipv6_is_seen(servers, pair, homeport):
    """By the folder itself, which is named; df would name where it is mounted."""
    source, _ = pair(15, 15)
    server = servers.new(15, {"listen_addresses": "127.0.0.1,::1", "max_wal_size": "1000TB"})
    hba = pathlib.Path(server.data_dir) / "pg_hba.conf"
    hba.write_text(hba.read_text(encoding="utf-8") + "host all all ::1/128 scram-sha-256\n", encoding="utf-8")
    server.sql("SELECT pg_reload_conf()")
    url = server.create_db().url.replace("@127.0.0.1:", "@[::1]:")
    report = Report(homeport("check", "--json", source=source, target=url))
    assert report.get("target-space", "both")["objects"][0].startswith(f"{server.data_dir}: ")


@pytest.fixture
def seen_from_elsewhere(servers):
    """A server that is not recognised as one of this machine: its folder names another start."""
    server = servers.new(15)
    path = pathlib.Path(server.data_dir) / "postmaster.pid"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[2] = "1\n"
    with path.open("r+", encoding="utf-8") as file:
        file.write("".join(lines))
        file.truncate()
    yield server
    server.stop()


def test_space_of_a_server_elsewhere_is_asked_of_df_there(pair, check, seen_from_elsewhere):
    source, _ = pair(15, 15)
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    target = seen_from_elsewhere.create_db()
    report = check(source, target)
    assert not report.has("target-space") and not report.has("target-space-unknown")
    # As no disk has it.
    seen_from_elsewhere.sql("ALTER SYSTEM SET max_wal_size = '1000TB'")
    seen_from_elsewhere.sql("SELECT pg_reload_conf()")
    wait.until(lambda: seen_from_elsewhere.value("SHOW max_wal_size") == "1000TB", 10, "setting in force")
    finding = check(source, target).get("target-space", "both")
    mounted = subprocess.run(["df", "-P", seen_from_elsewhere.data_dir], capture_output=True, text=True,
                             check=True).stdout.split()[-1]
    assert finding["severity"] == "blocker" and len(finding["objects"]) == 1
    assert finding["objects"][0].startswith(f"{mounted}: ") and finding["objects"][0].endswith(" PB wanted")
    # It left nothing there.
    assert target.value("SELECT count(*) FROM pg_class WHERE relname = 'homeport_space'") == 0


# -- every version, all at once

EVERYTHING = """
    CREATE ROLE shop_owner; CREATE ROLE reader;
    CREATE TABLE log (line text);
    CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
    CREATE TABLE orders (id serial PRIMARY KEY, name text COLLATE "de-x-icu", twice int GENERATED ALWAYS AS (2) STORED);
    SELECT setval('orders_id_seq', 2000000000);
    ALTER TABLE orders OWNER TO shop_owner; GRANT SELECT ON orders TO reader;
    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER audit AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f();
    ALTER TABLE orders ENABLE ALWAYS TRIGGER audit;
    CREATE FUNCTION g() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
    CREATE EVENT TRIGGER guard ON ddl_command_end EXECUTE FUNCTION g();
    CREATE MATERIALIZED VIEW totals AS SELECT 1 AS n;
    CREATE STATISTICS s ON id, name FROM orders;
    ALTER TABLE orders ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
    CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE remote (a int) SERVER far;
    SELECT lo_create(4711);
    ALTER DATABASE :db SET search_path = public, "Odd schema";
    ALTER DATABASE :db SET timezone = 'Europe/Vienna';
    CREATE ROLE neon_service; CREATE SCHEMA neon AUTHORIZATION neon_service; CREATE SCHEMA neon_auth; CREATE TABLE neon_auth.users_sync (id text PRIMARY KEY);
    BEGIN; INSERT INTO cache VALUES (1); PREPARE TRANSACTION 'open';
"""


@pytest.mark.parametrize("version", (14, 15, 16, 17, 18))
def test_every_version_answers_every_rule(pair, check, version):
    source, target = pair(version, version)
    source.script(EVERYTHING.replace(":db", source.name))
    target.script("CREATE TABLE old (a int)")
    with contextlib.suppress(AssertionError):
        # Fails on a duplicate where the constraint is checked before the index is called invalid.
        source.script("CREATE TABLE d (a int); INSERT INTO d VALUES (1), (1); ALTER TABLE d ADD PRIMARY KEY (a)")
    with contextlib.suppress(AssertionError):
        source.script("CREATE UNIQUE INDEX CONCURRENTLY broken ON d (a)")
    source.script("ALTER TABLE d REPLICA IDENTITY FULL")
    report = check(source, target)
    assert report.ids() - {"pg-dump-missing"} == {
        "table-no-identity", "table-identity-full", "table-unlogged", "sequence-near-end", "owner-missing",
        "grantee-missing", "trigger-fires", "event-trigger", "materialized-view", "statistics-object",
        "constraint-not-valid", "foreign-table", "large-objects", "database-setting", "setting-different",
        "neon-schema", "neon-role", "neon-auth", "prepared-transaction", "target-not-empty", "generated-column", "index-invalid"}
    assert report.get("index-invalid", "both")["severity"] == "warning"
    assert report.get("index-invalid")["objects"] == ["public.broken"]
    assert report.get("index-invalid")["fix"] == (
        "-- on the source:\nREINDEX INDEX CONCURRENTLY public.broken; -- or: DROP INDEX CONCURRENTLY public.broken;")
    assert report.get("table-no-identity")["objects"] == ["public.log"]
    assert report.json["source"]["version_num"] // 10000 == version
    # As an ordinary role, and for a schema that is there: other rules, other answers.
    url = target.role("app")
    assert not check(source, url, "--schema", "existing").has("target-not-empty")
    assert check(source.role("app"), url).has("table-unreadable")


def test_invalid_index_is_mended(pair, check):
    source, target = pair(15, 15)
    source.script("CREATE TABLE d (a int, b int PRIMARY KEY); INSERT INTO d VALUES (1, 1), (1, 2)")
    with pytest.raises(AssertionError, match="could not create unique index"):
        source.script("CREATE UNIQUE INDEX CONCURRENTLY broken ON d (a)")
    assert check(source, target).ids() == {"index-invalid"}
    source.sql("DELETE FROM d WHERE b = 2")
    source.script(statements(check(source, target).get("index-invalid")["fix"]))
    assert check(source, target).ids() == set()


def test_exclusion_over_partitions_goes_to_18_by_its_fix(pair, check, homeport, pg_bin):
    """18 refuses it in any dump; what the fix says to make at home is the constraint that was there."""
    definition = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'alone' AND conparentid = 0"
    script = """CREATE TABLE t (k int, v text, CONSTRAINT alone EXCLUDE USING btree (k WITH =)) PARTITION BY LIST (k);
                CREATE TABLE t_1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t_rest PARTITION OF t DEFAULT;
                INSERT INTO t VALUES (1, 'a'), (2, 'b');
                CREATE TABLE bare (k int, EXCLUDE USING btree (k WITH =)) PARTITION BY LIST (k)"""
    source, target = pair(17, 17)
    source.script(script)
    assert not check(source, target).has("partition-exclusion")
    source, target = pair(17, 18)
    source.script(script)
    wanted = source.value(definition)
    finding = check(source, target).get("partition-exclusion", "both")
    assert (finding["severity"], finding["objects"]) == ("blocker", ["public.t alone"])
    (line,) = statements(finding["fix"]).splitlines()
    source.sql(line)
    assert not check(source, target).has("partition-exclusion")
    moved = homeport("move", "--once", "--no-verify", "--pg-bin", pg_bin(17), source=source, target=target)
    assert moved.rc == 0, str(moved)
    target.sql(line.split(" -- ")[1])
    assert target.value(definition) == wanted


def test_move_that_was_begun_is_not_in_its_own_way(pair, check):
    source, target = pair(15, 15)
    target.script("CREATE TABLE t (a int); CREATE SCHEMA homeport")
    assert check(source, target).ids() == {"target-not-empty"}
    target.sql("CREATE TABLE homeport.move (a int)")
    assert check(source, target).ids() == set()


def test_schema_of_another_move_is_in_the_way_and_of_once_on_the_target(pair, check):
    for side, other in zip(("source", "target"), ("0123abcd", "cdef4567")):
        sides = dict(zip(("source", "target"), pair(15, 15)))
        sides[side].script(f"""CREATE SCHEMA homeport; CREATE TABLE homeport.move (a int);
            COMMENT ON SCHEMA homeport IS 'homeport: state of move {other}; gone when it is over';
            CREATE PUBLICATION homeport_{other}""")
        name = f"homeport_{other}_1"
        sides[side].sql(f"SELECT pg_create_logical_replication_slot('{name}', 'pgoutput')")
        report = check(**sides)
        finding = report.get("other-move", "live" if side == "source" else "both")
        assert finding["severity"] == "blocker" and finding["objects"] == [f"move {other}"]
        assert side in finding["summary"] and "homeport abort" in finding["fix"]
        assert check(*sides.values(), "--once").has("other-move") == (side == "target")
        sides[side].script(statements(finding["fix"]))
        assert not check(**sides).has("other-move")
        assert sides[side].sql("SELECT pubname FROM pg_publication") == []
        assert (name,) not in sides[side].sql("SELECT slot_name::text FROM pg_replication_slots")


def test_what_is_the_users_in_a_move_s_own_schema_is_named_alone(pair, check):
    for side, name in (("source", "schema-homeport"), ("target", "target-schema-homeport")):
        sides = dict(zip(("source", "target"), pair(15, 15)))
        sides[side].script("""CREATE SCHEMA homeport; CREATE TABLE homeport.progress (a int);
            CREATE FUNCTION homeport.fence() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END';
            COMMENT ON SCHEMA homeport IS 'homeport: state of move 0123abcd; gone when it is over'""")
        assert not check(**sides).has(name)
        sides[side].script("CREATE TABLE homeport.mine (id serial PRIMARY KEY); CREATE TYPE homeport.mood AS ENUM ('a')")
        finding = check(**sides).get(name, "both")
        assert finding["objects"] == ["homeport.mine", "type homeport.mood"]
        assert finding["fix"].endswith("\nALTER table homeport.mine SET SCHEMA public;"
                                       "\nALTER type homeport.mood SET SCHEMA public;")
        sides[side].script(statements(finding["fix"]))
        assert not check(**sides).has(name)
        assert sides[side].value("SELECT count(*) FROM pg_class WHERE relnamespace = 'homeport'::regnamespace") == 1


def test_names_that_need_quoting(pair, check):
    source, target = pair(15, 15)
    odd = 'O\'dd "name" %s; -- x'
    quoted = '"' + odd.replace('"', '""') + '"'
    source.sql(f"CREATE SCHEMA {quoted}")
    source.server.sql(f"CREATE ROLE {quoted}")
    source.sql(f"CREATE TABLE {quoted}.{quoted} (line text); ALTER TABLE {quoted}.{quoted} OWNER TO {quoted}")
    report = check(source, target)
    assert report.get("table-no-identity")["objects"] == [f"{quoted}.{quoted}"]
    source.script(statements(report.get("table-no-identity")["fix"]))
    target.script(statements(report.get("owner-missing")["fix"]))
    assert check(source, target).ids() == {"table-identity-full"}


# -- what cannot be asked


def test_locked_table_does_not_make_it_wait(pair, check):
    source, target = pair(15, 15)
    source.script("CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE); CREATE VIEW v AS SELECT * FROM t")
    holder = source.connect(autocommit=False)
    holder.cursor().execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    assert check(source, target, timeout=20).ids() == set()


def test_rule_that_a_server_refuses_is_told_and_the_rest_goes_on(pair, homeport):
    source, target = pair(15, 15)
    url = source.role("app")
    source.sql("CREATE TABLE t (id int PRIMARY KEY)")
    target.server.sql("CREATE ROLE app")
    source.sql("REVOKE SELECT ON pg_catalog.pg_user_mappings FROM PUBLIC")
    report = Report(homeport("check", "--once", "--json", source=url, target=target))
    unanswered = [f for f in report.findings if f["id"] == "rule-unanswered"]
    assert {f["objects"][0] for f in unanswered} == {
        "owner-missing", "grantee-missing", "owner-privilege", "foreign-table"}
    for finding in unanswered:
        assert (finding["severity"], finding["scope"]) == ("warning", "both")
        assert "permission denied for view pg_user_mappings" in finding["summary"]
        assert f"docs/checks.md, {finding['objects'][0]}" in finding["fix"]
    assert report.has("table-unreadable"), "the other rules are judged"


@pytest.mark.parametrize("side", ("source", "target"))
def test_side_that_cannot_be_reached(pair, homeport, side):
    source, target = pair(15, 15)
    sides = {"source": source.url, "target": target.url}
    for url, message, hint in (
        (source.url_as(password="wrong"), "password authentication failed", "percent-encoded"),
        ("postgresql://postgres@127.0.0.1:1/app", "Connection refused", "host and port"),
        (source.server.url("not_there"), 'database "not_there" does not exist', "Create it first"),
        (source.url + "?sslmode=require", "does not support SSL", "no TLS"),
    ):
        result = homeport("check", "--json", **{**sides, side: url})
        assert result.rc == 1, str(result)
        assert result.json["error"]["code"] == "connect"
        assert result.json["error"]["message"].startswith(side + ": ")
        assert message in result.json["error"]["message"]
        assert hint in result.json["error"]["hint"]
    result = homeport("check", "--json", **{**sides, side: source.url + "?sslmode=requir"})
    assert result.rc == 2 and "sslmode is one of: disable, " in result.json["error"]["hint"]
    result = homeport("check", "--json", **{**sides, side: None})
    assert result.rc == 2
    assert f"no {side} given" in result.json["error"]["message"]


def test_connection_that_breaks_is_an_error_not_a_finding(pair, homeport, proxy):
    source, target = pair(15, 15)
    relay = proxy(source.server)
    relay.cut_after(6000)
    result = homeport("check", "--json", source=relay.url(source), target=target)
    assert result.rc == 1, str(result)
    assert result.json["error"]["code"] == "connect"


def test_nothing_is_changed_on_either_side(pair, check):
    source, target = pair(15, 15)
    source.script(EVERYTHING.replace(":db", source.name))
    everywhere = """SELECT (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_replication_slots),
        (SELECT array_agg(r ORDER BY oid) FROM pg_authid AS r), (SELECT array_agg(s) FROM pg_db_role_setting AS s)"""

    def state():
        return [(db.sql(everywhere), db.contents(), zoo.inventory(db)) for db in (source, target)]

    before = state()
    check(source, target)
    assert state() == before


# -- what people see


def test_text_names_what_matters(pair, homeport):
    source, target = pair(15, 15)
    source.script("".join(f"CREATE TABLE t{n:02} (line text);" for n in range(20)))
    result = homeport("check", source=source, target=target)
    assert result.rc == 3
    assert "\x1b" not in result.out
    lines = result.out.splitlines()
    assert lines[0].startswith(f"source   PostgreSQL 15.") and source.name in lines[0]
    at = lines.index("BLOCKER  table-no-identity (live move)")
    text = "\n".join(lines[at:])
    assert "public.t00, public.t01, public.t02, public.t03, public.t04, public.t05 and 14 more" in text
    assert "         fix: -- on the source:" in text
    assert "              ALTER TABLE public.t00 REPLICA IDENTITY FULL;" in text
    assert "lines more: homeport check --json has them all" in text
    assert lines[-2] == "1 blocker, 2 warnings, no notes"
    assert lines[-1] == ("Only the live move is blocked: mend its blockers and check again, or move once:"
                         " homeport move --once")
    assert "1 blocker found" in result.err
    once = homeport("check", "--once", source=source, target=target)
    assert once.rc == 0
    assert once.out.splitlines()[-1] == "The move can begin: homeport move --once"
    assert "table-no-identity" not in once.out
    both = homeport("check", "--once", "--live", "--json", source=source, target=target)
    assert both.json["scope"] == "both"
    target.sql("CREATE TABLE occupied ()")
    once = homeport("check", "--once", source=source, target=target)
    assert once.out.splitlines()[-1] == "Mend the blockers, then check again: homeport check --once"
    target.sql("DROP TABLE occupied")
    source.script("".join(f"DROP TABLE t{n:02};" for n in range(20)))
    result = homeport("check", source=source, target=target)
    assert result.out.splitlines()[-1] == (
        "The move can begin: homeport move, which follows the live app, or homeport move --once")


def declared_ids():
    """Every id that the program can say."""
    text = "".join((ROOT / f"src/move/{name}.c").read_text(encoding="utf-8")
                   for name in ("assess", "assess_identity", "assess_rules", "assess_server", "assess_space"))
    return set(re.findall(r'\.id = "([a-z-]+)"', text))


def test_every_finding_is_documented_and_tested():
    ids = declared_ids()
    assert len(ids) > 60
    documented = set(re.findall(r"^### ([a-z-]+)$", (ROOT / "docs/checks.md").read_text(encoding="utf-8"), re.M))
    assert ids == documented
    tests = pathlib.Path(__file__).read_text(encoding="utf-8") + (
        ROOT / "tests/unit/move/test_assess.c").read_text(encoding="utf-8") + (
        ROOT / "tests/integration/test_identities.py").read_text(encoding="utf-8")
    assert {name for name in ids if f'"{name}"' not in tests} == set()


def test_rule_3_check_warns_that_ddl_waits_for_the_copy(pair, check):
    finding = check(*pair(15, 15)).get("ddl-waits", "both")
    assert finding["severity"] == "warning"
    assert "ALTER TABLE" in finding["summary"] and "queue up behind" in finding["summary"]
    assert "Run no migrations" in finding["fix"]
