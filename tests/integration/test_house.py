"""The checks of ./test can fail: each finds what was planted for it, and nothing in clean sources;
and what the tests measure is the program."""

import importlib
import os
import pathlib
import signal
import subprocess
import sys

import pytest

import wait

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def house(tmp_path):
    """house({path: text}) -> a small source tree."""
    def build(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path
    return build


def run(script, cwd, *args):
    done = subprocess.run([SCRIPTS / script, *args], cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


CLEAN = {
    "src/main.c": '#include "cli/cli.h"\n',
    "src/cli/cli.h": '#include "move/move.h"\n',
    "src/move/move.h": '#include "core/text.h"\n',
    "src/move/plan.h": '#include "migrations/migrations.h"\n',
    "src/move/plan.c": '#include "move/plan.h"\n#include "sql.gen.h"\n',
    "src/migrations/migrations.h": '#include "pg/pg.h"\n',
    "src/migrations/scan.h": "",
    "src/pg/pg.h": '#include "core/text.h"\n',
    "src/store/store.h": '#include "core/text.h"\n',
    "src/core/text.h": "#include <stddef.h>\n",
}


@pytest.mark.parametrize("path, include, reason", [
    (None, None, None),
    ("src/core/text.c", "pg/pg.h", "above"),
    ("src/move/plan.c", "cli/cli.h", "above"),
    ("src/pg/query.c", "store/store.h", "beside"),
    ("src/cli/cmd.c", "move/plan.h", "private"),
    ("src/move/work.c", "migrations/scan.h", "private"),
    ("src/migrations/run.c", "move/move.h", "need each other"),
    ("src/move/work.c", "plan.h", "form"),
    ("src/move/work.c", "move/absent.h", "does not exist"),
    ("src/extra/new.c", "core/text.h", "no place"),
])
def test_layers(house, path, include, reason):
    files = dict(CLEAN)
    if path:
        files[path] = f'#include "{include}"\n'
    status, out = run("check-layers", house(files))
    assert (status != 0) == bool(path), out
    assert not reason or reason in out


@pytest.mark.parametrize("path, text, found", [
    ("src/core/a.c", 'int f(void) { return 1; } /* strcpy( is banned */ const char *s = "atoi(";\n', None),
    ("src/core/a.c", "void f(char *d) { strcpy (d, \"x\"); }\n", "strcpy"),
    ("src/core/a.c", "int x; // " + "TO" + "DO: later\n", "an issue, or nothing"),
    ("src/core/a.c", 'const char *q = "SELECT a "\n    "FROM t";\n', "belongs in sql/"),
    ("src/core/a.c", 'const char *q = "LOCK TABLE %s"; const char *w = "SELECT one of them";\n', None),
    ("src/core/a.c", 'const char *q = "DELETE FROM t";\n', "belongs in sql/"),
    ("tests/unit/core/test_a.c", "void f(void) { " + "sle" + "ep(1); }\n", "deadline"),
    ("tests/integration/test_a.py", "import time\ntime." + "sle" + "ep(1)\n", "deadline"),
    ("README.md", "see .." + "/shared/x\n", "outside"),
    ("README.md", "[itself](README.md), [elsewhere](https://example.com/x.md), do" + "cs/\n", None),
    ("README.md", "[gone](gone.md)\n", "a link to nothing: gone.md"),
    ("src/core/a.c", "int x; /* do" + "cs/decisions/0099 */\n", "no such page: do" + "cs/decisions/0099"),
    ("src/core/a.h", "/* as ARCHITECTURE" + ".md 3 says */\n", "no such page: ARCHITECTURE" + ".md"),
])
def test_banned(house, path, text, found):
    status, out = run("check-banned", house({path: text}))
    assert (status != 0) == bool(found), out
    assert not found or found in out


def test_sizes(house):
    body = "".join(f"    x += {i};\n" for i in range(76))
    function = "int f(int x)\n{\n" + body + "    return x;\n}\n"
    tree = house({"src/core/a.c": function, "tests/b.c": "\n" * 800})
    assert run("check-sizes", tree)[0] == 0
    house({"src/core/a.c": function.replace("int f", "int\nf", 1)})
    status, out = run("check-sizes", tree)
    assert status != 0 and "f has 81 lines" in out, out
    house({"src/core/a.c": "int x;\n", "src/core/c.c": function, "tests/b.c": "\n" * 801})
    status, out = run("check-sizes", tree)
    assert status != 0 and "801 lines" in out
    # What its counter does not understand to the end is not measured.
    house({"src/core/c.c": "struct S {\n    LIST_HEAD(, T) all;\n};\n\n" + function, "tests/b.c": "\n"})
    status, out = run("check-sizes", tree)
    assert status != 0 and "not measured" in out and "src/core/c.c" in out, out


@pytest.mark.parametrize("text, embedded, error", [
    ('-- name: pg_a\n-- why\nSELECT E\'\\n"\',\t1\n  -- not this\n  FROM t;\n', '"SELECT E\'\\\\n\\"\',\\t1\\n"\n    "  FROM t\\n"', None),
    ("-- name: pg_other\nSELECT 1\n", None, 'must be "-- name: pg_a"'),
    ("-- name: pg_a\n-- nothing\n", None, "holds no statement"),
])
def test_sql_is_embedded_without_comments(house, text, embedded, error):
    tree = house({"sql/pg/a.sql": text})
    status, out = run("embed-sql.py", tree, "sql", "out.c", "out.h", "out.d")
    if error:
        assert status != 0 and error in out
        return
    assert status == 0, out
    assert f"const char sql_pg_a[] =\n    {embedded};" in (tree / "out.c").read_text(encoding="utf-8")
    assert "extern const char sql_pg_a[];" in (tree / "out.h").read_text(encoding="utf-8")
    assert str(tree / "sql/pg/a.sql") in (tree / "out.d").read_text(encoding="utf-8")


def test_a_fuzz_target_that_was_not_built_is_a_failure(house, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    runner = importlib.import_module("run_tests")
    monkeypatch.setattr(runner, "tally", runner.Tally())
    tree = house({"tests/fuzz/fuzz_a.c": "", "tests/fuzz/fuzz_b.c": "", "build-fuzz/tests/fuzz/fuzz_b": ""})
    monkeypatch.setattr(runner, "ROOT", tree)
    assert [target.name for target in runner.fuzz_targets()] == ["fuzz_b"]
    assert runner.tally.failures == ["fuzz a: not built"]


def test_fuzzing_nothing_is_a_failure(house, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    runner = importlib.import_module("run_tests")
    monkeypatch.setattr(runner, "ROOT", house({}))
    monkeypatch.setattr(runner, "tally", runner.Tally())
    assert not runner.fuzz_targets()
    assert runner.tally.failures == ["fuzz: no target exists"]


@pytest.mark.plain
def test_the_memory_of_the_tests_is_not_taken_for_the_programs(homeport):
    fat = bytearray(b"x" * (200 << 20))
    result = homeport.ok("version", measured=True)
    assert len(fat) == 200 << 20
    assert 1 << 20 < result.max_rss < 32 << 20


@pytest.mark.plain
def test_a_measured_program_is_itself_signalled(homeport, tmp_path):
    os.mkfifo(tmp_path / "config.yaml")
    run = homeport.start("config", "--config", tmp_path / "config.yaml", measured=True)
    wait.until(lambda: os.readlink(f"/proc/{run.pid}/exe") == str(homeport.binary.resolve()), 10, "it runs")
    assert 0 < run.max_rss < 32 << 20
    assert run.kill().rc == -signal.SIGKILL


def test_the_summary_says_again_what_a_failed_check_found(tmp_path):
    log = "src/a.c:1:2: error: found [x]\n" + "src/a.c:1:2: note: the way there\n" * 200
    done = subprocess.run(
        [sys.executable, "-B", "-c",
         "import sys, run_tests; run_tests.judge('check x', 123, sys.argv[1]); run_tests.judge('build y', 1, 'no such file');"
         " sys.exit(run_tests.summary())", log],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(SCRIPTS)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    end = done.stdout[done.stdout.index("== time"):]
    assert "src/a.c:1:2: error: found [x]" in end and "the way there" not in end
    assert "no such file" in end
    assert end.splitlines()[-1] == "0 passed, 2 failed"
