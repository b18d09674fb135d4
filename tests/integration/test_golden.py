"""What the commands print, whole: tests/golden/NAME is the screen, byte by byte, but for what
differs from run to run. HOMEPORT_GOLDEN=write writes them anew: read the difference before it is
committed."""

import os
import pathlib
import re

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "golden"
WRITE = os.environ.get("HOMEPORT_GOLDEN") == "write"

SCHEMA = """
CREATE TABLE author (id serial PRIMARY KEY, name text NOT NULL UNIQUE);
CREATE TABLE book (id serial PRIMARY KEY, author_id int NOT NULL REFERENCES author, title text, price numeric(8,2));
CREATE INDEX book_title ON book (title);
INSERT INTO author (name) SELECT 'author ' || g FROM generate_series(1, 50) AS g;
INSERT INTO book (author_id, title, price) SELECT 1 + g % 50, 'book ' || g, g FROM generate_series(1, 2000) AS g;
"""

# What is another one each time, and what stands for it. Columns stay as wide as they are.
PASSING = (
    (re.compile(r"postgresql://[^\s\"]+"), "<url>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r" *\b\d+(\.\d+)? (ms|s|min)\b"), " <duration>"),
    (re.compile(r"\b\d+(\.\d+)? (B|kB|MB|GB)(/s)?"), "<size>"),
    (re.compile(r"[\d,]+ rows/s"), "<rate> rows/s"),
    (re.compile(r"\bport \d+"), "port <port>"),
    (re.compile(r"(PostgreSQL \d+)\.\d+"), r"\1"),
    (re.compile(r"\bdb_[0-9a-f]{8}"), "<database>"),
    (re.compile(r"(process|pid) \d+"), r"\1 <pid>"),
    (re.compile(r"/\S*/(?=(\.homeport|drizzle)\b)"), "<folder>/"),
)


def lasting(text):
    for pattern, name in PASSING:
        text = pattern.sub(name, text)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def shown(result):
    return f"exit status {result.rc}\n--- standard output\n{lasting(result.out)}--- standard error\n{lasting(result.err)}"


def check(name, result):
    path = FOLDER / f"{name}.txt"
    now = shown(result)
    if WRITE:
        path.write_text(now, encoding="utf-8")
    assert now == path.read_text(encoding="utf-8"), f"{path.name} is not what is printed; HOMEPORT_GOLDEN=write"


@pytest.mark.parametrize("name, args", (
    ("help", ("help", )),
    ("help-move", ("help", "move")),
    ("help-check", ("help", "check")),
    ("usage", ("mvoe", )),
    ("status-nothing", ("status", )),
    ("cutover-nothing", ("cutover", "--source", "postgresql://a/b", "--target", "postgresql://a/c")),
))
def test_golden_without_a_server(homeport, name, args):
    check(name, homeport(*args))


def test_golden_config(homeport):
    (homeport.cwd / "homeport.yaml").write_text(
        "source: postgresql://app:secret@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require\n"
        "target: postgresql:///app\njobs: 3\nmap-roles:\n  neondb_owner: app\n", encoding="utf-8")
    result = homeport("config")
    assert "secret" not in result.out
    check("config", result)


def test_golden_of_a_move_from_check_to_verify(homeport, pair):
    """A folder of its own for a database as most are, each screen in its turn."""
    source, target = pair(15, 15)
    source.script(SCHEMA)

    def run(*args):
        return homeport(*args, source=source, target=target)
    check("check-clean", run("check", "--once"))
    check("move-once", run("move", "--once"))
    check("move-again", run("move", "--once"))
    check("status-finished", run("status"))
    check("verify-equal", run("verify"))
    target.script("DELETE FROM book WHERE id = 7; UPDATE book SET title = 'another' WHERE id = 8;"
                  "INSERT INTO author (id, name) VALUES (1000, 'nobody'); DROP INDEX book_title")
    check("verify-different", run("verify"))


def test_golden_of_check_with_findings_of_every_severity(homeport, pair):
    source, target = pair(15, 15)
    source.script(SCHEMA + "CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY); CREATE TABLE nameless (a int);"
                  "CREATE MATERIALIZED VIEW prices AS SELECT sum(price) FROM book;"
                  "ALTER TABLE book ADD CONSTRAINT positive CHECK (price > 0) NOT VALID;"
                  "SELECT setval('book_id_seq', 2147483000)")
    check("check-findings", homeport("check", source=source, target=target))


def test_golden_errors(homeport, pair):
    source, target = pair(15, 15)
    source.script("CREATE TABLE a (id int PRIMARY KEY)")
    target.script("CREATE TABLE taken (id int)")
    check("target-occupied", homeport("move", "--once", source=source, target=target))
    check("password-wrong", homeport("verify", source=source, target=target.url_as("postgres", "not-this-one")))
    check("database-missing", homeport("check", source=source, target=target.url.rsplit("/", 1)[0] + "/nowhere"))
