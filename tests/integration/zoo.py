"""The zoo (tests/data/zoo): loading it, and what must have arrived after a move.

What is said here about a database is read without any help of homeport's, so that it can be the
judge of both the move and its verification:

load(source, target)   the zoo into one database, and its roles and extension onto the other's server
rows(db)               {table: (rows, checksum)}; a partitioned table is one, whatever its partitions
inventory(db)          {kind of object: {name: definition}}, one question to the catalogue for each
differences(a, b)      what two databases do not have in common, as lines; [] when all arrived
ROWS, LEAST            what the zoo itself has, so that a loss on the source is noticed as well
MUTATIONS              changes to a moved database, each of which verification must find
NO_DIFFERENCE          changes that are none
"""

import contextlib
import pathlib
import re
import shutil
import subprocess

import server as postgres
from zoo_catalogue import QUESTIONS
from zoo_expected import LEAST, ROWS
from zoo_mutations import MUTATIONS, NO_DIFFERENCE  # noqa: F401  (part of this module's face)

ZOO = pathlib.Path(__file__).resolve().parents[1] / "data" / "zoo"

# Rows that belong to an extension and are not its configuration: they come with it.
NOT_CARRIED = {"zoo_ext.not_config"}


def run_psql(database, path, **variables):
    args = [arg for name, value in variables.items() for arg in ("-v", f"{name}={value}")]
    server = database.server
    done = subprocess.run(
        [postgres.PSQL, "-Xq", "-h", server.socket_dir, "-p", str(server.port), "-U", postgres.SUPERUSER,
         "-d", database.name, *args, "-f", str(path)],
        text=True, capture_output=True, env=postgres.server_environment(), check=False,
    )
    assert done.returncode == 0, f"{path.name} does not load on {server.version}:\n{done.stderr}"


def install_extension(database):
    """zoo_ext's files into the server's folder; False where that may not be written."""
    share = database.value("SELECT setting FROM pg_config WHERE name = 'SHAREDIR'")
    folder = pathlib.Path(share) / "extension"
    try:
        for path in sorted((ZOO / "ext").iterdir()):
            there = folder / path.name
            if not there.exists() or there.read_bytes() != path.read_bytes():
                shutil.copyfile(path, there)
                there.chmod(0o644)
    except OSError:
        return False
    return True


def lacks(database):
    """Names of the zoo's variables without_... for what this server does not have."""
    tries = {
        "xml": "SELECT '<a/>'::xml",
        "plperl": "CREATE EXTENSION plperl",
        "zoo_ext": "CREATE SCHEMA zoo_ext; CREATE EXTENSION zoo_ext SCHEMA zoo_ext",
        "contrib": "CREATE EXTENSION hstore; CREATE EXTENSION ltree",
        "lz4": "CREATE TEMP TABLE t (a text COMPRESSION lz4)",
        "icu": "CREATE COLLATION pg_temp.c (provider = icu, locale = 'de')",
    }
    missing = []
    for name, sql in tries.items():
        with contextlib.closing(database.connect(autocommit=False)) as conn, conn.cursor() as cursor:
            try:
                cursor.execute(sql)
            except Exception:  # whatever the reason is
                missing.append(name)
            conn.rollback()
    return missing


def prepare_target(target):
    """What no dump of a database carries: roles, and files of extensions."""
    install_extension(target)
    run_psql(target, ZOO / "roles.sql")


def load(source, target=None, parts=()):
    """The whole zoo, less what the target's server cannot hold; `parts`: "huge", "subscription",
    "tablespace" as well."""
    install_extension(source)
    missing = set(lacks(source))
    if target is not None:
        prepare_target(target)
        missing |= set(lacks(target))
    run_psql(source, ZOO / "zoo.sql", **{f"without_{name}": 1 for name in missing})
    for part in parts:
        run_psql(source, ZOO / f"{part}.sql")


def has(database, need):
    """Whether the loaded zoo has this part of itself."""
    proof = {"": "SELECT true", "icu": "SELECT to_regclass('zoo.blind_key') IS NOT NULL",
             "contrib": "SELECT to_regclass('zoo_ext.contrib_values') IS NOT NULL",
             "zoo_ext": "SELECT to_regclass('zoo_ext.uses_setting') IS NOT NULL"}
    return database.value(proof[need])


def fits(database, mutation):
    return database.server.version >= mutation.min_version and has(database, mutation.needs)


def mutate(database, mutation):
    """Triggers do not fire and foreign keys are not checked, so that nothing else changes with it."""
    with contextlib.closing(database.connect()) as conn, conn.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        sql = mutation.sql.replace("DATABASE CURRENT", f'DATABASE "{database.name}"')
        for statement in sql.split("; "):
            cursor.execute(statement)


def batches(database):
    """The mutations that fit, in groups in which no two concern one object: a group can be applied
    at once, and each of it must still be reported."""
    groups = []
    for mutation in MUTATIONS:
        if not fits(database, mutation):
            continue
        free = next((group for group in groups if all(other.object != mutation.object for other in group)), None)
        if free is None:
            groups.append(free := [])
        free.append(mutation)
    return groups


# -- reading a database

@contextlib.contextmanager
def reading(database):
    """A cursor whose answers are the same text on every server."""
    with contextlib.closing(database.connect(autocommit=False)) as conn, conn.cursor() as cursor:
        cursor.execute(
            "SET search_path = ''; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres';"
            " SET extra_float_digits = 3; SET bytea_output = 'hex'; SET TimeZone = 'UTC';"
            " SET lc_monetary = 'C'; SET row_security = off; SET quote_all_identifiers = off")
        yield cursor


def tables(cursor):
    """What rows are compared by: each partitioned table as one, each other table by itself."""
    cursor.execute("""
        SELECT c.oid::regclass::text, c.relkind FROM pg_catalog.pg_class AS c
         WHERE (c.relkind IN ('r', 'p') AND NOT c.relispartition OR c.relkind = 'm' AND c.relispopulated)
           AND c.relpersistence <> 't' AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
         ORDER BY 1""")
    return cursor.fetchall()


def rows(database):
    """Order of rows does not matter, duplicates and every character of their text form do."""
    found = {}
    with reading(database) as cursor:
        for name, kind in tables(cursor):
            # An alias that no column has: "t" would be the column in a table with a column t.
            cursor.execute(
                "SELECT count(*), md5(string_agg(h, '' ORDER BY h)) FROM (SELECT md5(\"the whole row\"::text) AS h"
                f" FROM {'ONLY' if kind == 'r' else ''} {name} AS \"the whole row\") AS x")
            found[name] = cursor.fetchone()
    return found


def inventory(database):
    found = {}
    with reading(database) as cursor:
        for question in QUESTIONS:
            if database.server.version < question.min_version:
                continue
            cursor.execute(question.sql)
            answer = {}
            for name, *definition in cursor.fetchall():
                # Several rows of one name (rights, mappings) are told apart by their text.
                answer.setdefault(name, []).append(tuple(str(part) for part in definition))
            found[question.kind] = {name: sorted(parts) for name, parts in answer.items()}
        found["sequence value"] = sequence_values(cursor)
    return found


def everything(database):
    """rows() and inventory() as one: {"kind name": what is so}."""
    found = {f"rows {name}": value for name, value in rows(database).items() if name not in NOT_CARRIED}
    for kind, names in inventory(database).items():
        found.update({f"{kind} {name}": value for name, value in names.items()})
    return found


def sequence_values(cursor):
    cursor.execute("""
        SELECT c.oid::regclass::text FROM pg_catalog.pg_class AS c WHERE c.relkind = 'S'
           AND c.relpersistence <> 't' AND c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'""")
    found = {}
    for (name,) in cursor.fetchall():
        cursor.execute(f"SELECT last_value, is_called FROM {name}")
        found[name] = [cursor.fetchone()]
    return found


def compare(what, a, b, limit=5):
    lines = [f"{what}: {name}: not on the target" for name in a if name not in b]
    lines += [f"{what}: {name}: not on the source" for name in b if name not in a]
    lines += [f"{what}: {name}:\n    source {a[name]}\n    target {b[name]}" for name in a if name in b and a[name] != b[name]]
    return lines[:limit] + ([f"{what}: {len(lines) - limit} more"] if len(lines) > limit else [])


def without_maintain(answer):
    """MAINTAIN (m) came with 17, where an owner has it unless it is taken away by name."""
    return {name: sorted(tuple(re.sub(r"=([a-zA-Z*]*?)m\\*?([a-zA-Z*]*)/", r"=\1\2/", part) for part in parts)
                         if kind_of_text(parts) else parts for parts in rows) for name, rows in answer.items()}


def kind_of_text(parts):
    return all(isinstance(part, str) for part in parts)


def differences(source, target):
    """As lines for people; [] when everything that the source has is on the target, and no more."""
    here, there = ({n: r for n, r in rows(db).items() if n not in NOT_CARRIED} for db in (source, target))
    found = compare("rows", here, there, limit=50)
    here, there = inventory(source), inventory(target)
    same_major = source.server.version == target.server.version
    differ = {question.kind for question in QUESTIONS if question.same_major and not same_major}
    for kind in here:
        if kind in there and kind not in differ:
            sides = (here[kind], there[kind]) if same_major else map(without_maintain, (here[kind], there[kind]))
            found += compare(kind, *sides)
    return found


def check_loaded(database):
    """That the zoo is whole on the source: a part that was not loaded could not be lost."""
    found = rows(database)
    wrong = {name: (count, found.get(name, (None,))[0]) for name, count in ROWS.items() if found.get(name, (None,))[0] != count}
    assert not wrong, f"rows of the zoo, expected and found: {wrong}"
    counts = {kind: sum(map(len, names.values())) for kind, names in inventory(database).items()}
    few = {kind: (least, counts.get(kind, 0)) for kind, least in LEAST.items() if counts.get(kind, 0) < least}
    assert not few, f"objects of the zoo, at least and found: {few}"
