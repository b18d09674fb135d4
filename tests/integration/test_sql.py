"""Every file of sql/ is understood by every server version, and does what its header comment says:
as many parameters, as many columns. sql/store/ is for SQLite, the rest for PostgreSQL."""

import ctypes
import ctypes.util
import pathlib
import re
import sqlite3

import pytest

SQL = pathlib.Path(__file__).resolve().parents[2] / "sql"
APP = SQL.parent / "examples/gitgud/src/lib/db/migrations/0000_init.sql"  # sql/demo/ speaks of its tables
SEVERAL = "several statements"  # in a header: run by the simple protocol, so it cannot be prepared


def header(path):
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("--"):
            break
        lines.append(line)
    return lines


def promised(path):
    """(parameters, columns) of the header comment; columns may go on in lines that are indented, and
    a statement without any may say so by leaving that line out."""
    lines = header(path)
    parameters = max((int(n) for line in lines for n in re.findall(r"\$(\d+)", line)), default=0)
    columns = None
    for line in lines:
        start = re.match(r"-- columns:(.*)", line)
        if start:
            columns = start[1]
        elif columns is not None and re.match(r"-- {5,}\S", line):
            columns += " " + line[2:]
        elif columns is not None:
            break
    columns = re.sub(r"\([^)]*\)", "", columns or "none")
    names = [name.strip() for name in columns.split(",") if name.strip()]
    return parameters, 0 if names == ["none"] else len(names)


def text_of(path):
    """As the build embeds it: without the lines that are only a comment. A :name is filled in when
    the statement is used, as psql does with -v; the header gives an example ("-- :name example")."""
    lines = path.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("--"))
    examples = dict(re.findall(r"^-- :(\w+) +(.+)$", "\n".join(header(path)), re.MULTILINE))
    return re.sub(r"(?<!:):([a-z]\w*)", lambda match: examples[match[1]], text) if examples else text


def files(*areas, but=()):
    found = [p for p in sorted(SQL.glob("*/*.sql")) if not areas or p.parent.name in areas]
    return [p for p in found if p.parent.name not in but]


class Describer:
    """What psycopg2 does not offer: the description of a statement that is prepared and never run."""

    def __init__(self, conninfo):
        self.lib = ctypes.CDLL(ctypes.util.find_library("pq"))
        for name in ("PQconnectdb", "PQprepare", "PQdescribePrepared", "PQexec"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        for name in ("PQerrorMessage", "PQresultErrorMessage"):
            getattr(self.lib, name).restype = ctypes.c_char_p
        self.conn = ctypes.c_void_p(self.lib.PQconnectdb(conninfo.encode()))
        assert self.lib.PQstatus(self.conn) == 0, self.lib.PQerrorMessage(self.conn)

    def close(self):
        self.lib.PQfinish(self.conn)

    def _result(self, result):
        result = ctypes.c_void_p(result)
        message = self.lib.PQresultErrorMessage(result).decode()
        counts = (self.lib.PQnparams(result), self.lib.PQnfields(result))
        self.lib.PQclear(result)
        return message, counts

    def describe(self, text):
        """(error message or "", (parameters, columns))"""
        message, _ = self._result(self.lib.PQprepare(self.conn, b"", text.encode(), 0, None))
        if message:
            return message, None
        return self._result(self.lib.PQdescribePrepared(self.conn, b""))

    def execute(self, text):
        return self._result(self.lib.PQexec(self.conn, text.encode()))[0]


def problems_of(path, describer):
    if SEVERAL in " ".join(header(path)).lower().replace(" -- ", " "):
        message = describer.execute(text_of(path))
        return [f"{path.parent.name}/{path.name}: {message}"] if message else []
    message, counts = describer.describe(text_of(path))
    if message:
        return [f"{path.parent.name}/{path.name}: {message}"]
    if counts != promised(path):
        return [f"{path.parent.name}/{path.name}: header promises (parameters, columns) {promised(path)}, has {counts}"]
    return []


@pytest.mark.parametrize("version", (14, 15, 16, 17, 18))
def test_sql_files_are_as_their_headers_say(database, version):
    db = database(version)
    describer = Describer(f"host={db.server.socket_dir} port={db.server.port} user=postgres dbname={db.name}")
    try:
        # The tables that the others speak of first.
        for first in ("target/create_marks.sql", "fence/prepare.sql"):
            assert not problems_of(SQL / first, describer)
        assert not describer.execute(APP.read_text(encoding="utf-8"))
        assert not describer.execute(text_of(SQL / "identity/create.sql"))
        checked = files(but=("store",))
        assert checked
        found = [problem for path in checked for problem in problems_of(path, describer)]
    finally:
        describer.close()
    assert not found, "\n".join(found)


def test_store_files_are_as_their_headers_say():
    conn = sqlite3.connect(":memory:")
    for path in sorted((SQL / "store").glob("schema*.sql")):
        conn.executescript(text_of(path))
    found = []
    checked = [path for path in files("store") if not path.name.startswith("schema")]
    assert checked
    for path in checked:
        text = text_of(path)
        parameters = max((int(n) for n in re.findall(r"\?(\d+)", text)), default=0)
        cursor = conn.execute(text, [None if "NULL" in text else 1] * parameters)
        counts = (parameters, len(cursor.description or ()))
        conn.rollback()
        if counts != promised(path):
            found.append(f"{path.name}: header promises (parameters, columns) {promised(path)}, has {counts}")
    assert not found, "\n".join(found)
