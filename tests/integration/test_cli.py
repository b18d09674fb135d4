"""The command line as a whole: what is refused and how, what is in force, and the pages made from
the tables. No database is needed here."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

import wait

ROOT = pathlib.Path(__file__).resolve().parents[2]
URL = "postgresql://app:s3cret%40x@db.example:5432/shop?sslmode=require"


def commands(homeport):
    """[("migrations", "status"), ...] and what the tables say of each."""
    found = []

    def collect(path, command):
        found.append(((*path, command["name"]), command))
        for sub in command["commands"]:
            collect((*path, command["name"]), sub)

    for command in homeport.ok("help", "--json").json["commands"]:
        collect((), command)
    return found


def options(command):
    return command["options"] + command["settings"] + command["common"]


@pytest.mark.parametrize("args, message, hint", [
    (["frobnicate"], 'there is no command "frobnicate"', "homeport help"),
    (["verson"], 'there is no command "verson"', '"version"'),
    (["config", "--jbos", "3"], 'no option "--jbos"', "--jobs"),
    (["config", "--jobs", "0x3"], 'jobs: "0x3" is not a number', "0 to 64"),
    (["config", "--jobs", "65"], 'jobs: "65" is out of range', "0 to 64"),
    (["config", "--jobs=-1"], 'jobs: "-1" is out of range', "0 to 64"),
    (["config", "--jobs="], "--jobs is empty", "Give it a value"),
    (["config", "--jobs"], "--jobs needs a value", "--jobs N"),
    (["config", "--split-bytes", "2 cups"], 'split-bytes: "2 cups" is not a size', "200MB"),
    (["config", "--schema", "drizle"], 'schema: "drizle" is not a choice', '"drizzle"'),
    (["config", "--map-role", "a"], 'map-role: "a" has no "="', "OLD=NEW"),
    (["config", "--map-role", "a=b", "--map-role", "a=c"], '"a" is there twice', "once"),
    (["config", "--migrations-table", "t" * 64], "longer than 63 bytes", "shorter"),
    (["config", "--dir", "a\nb"], "control character", "line break"),
    (["config", "--verify=no"], "--verify takes no value", "--no-verify"),
    (["config", "somewhere"], 'does not take "somewhere"', "--help"),
    (["config", "-x"], 'unknown option "-x"', "--help"),
    (["config", "--source", "http://db/x"], "source", "postgresql://"),
    (["config", "--source", "postgresql://a:s3cret%zz@db/x"], "source", "%25"),
    (["help", "confg"], 'there is no command "confg"', '"config"'),
    (["help", "--completion", "fish"], 'no completion for "fish"', "bash"),
    (["help", "--man", "--reference"], "more than one", "--man"),
])
def test_wrong_command_line_is_a_usage_error_with_a_hint(homeport, args, message, hint):
    result = homeport(*args)
    assert result.rc == 2, str(result)
    assert result.out == ""
    assert result.err.startswith("homeport: "), str(result)
    assert message in result.err.splitlines()[0]
    assert hint in result.err.split("\nhint: ")[1]
    assert "s3cret" not in result.err

    as_json = homeport(*args, "--json") if "--" not in args else None
    if as_json and args[-1] != "--jobs" and "--man" not in args and "--completion" not in args:
        error = as_json.json["error"]
        assert as_json.rc == 2
        assert error["code"] == "usage"
        assert message in error["message"]
        assert hint in error["hint"]
        assert error["sqlstate"] is None


@pytest.mark.parametrize("content, message, hint", [
    (b"dir: x\njbos: 3\n", 'homeport.yaml:2: there is no setting "jbos"', '"jobs"'),
    (b"jobs: 1\njobs: 2\n", "homeport.yaml:2: \"jobs\" is there twice, first on line 1", "Take"),
    (b"jobs: many\n", 'homeport.yaml:1: jobs: "many" is not a number', "0 to 64"),
    (b"jobs: [1]\n", 'homeport.yaml:1: "jobs" has a list', "one value"),
    (b"source: ${HOMEPORT_TEST_MISSING}\n",
     "homeport.yaml:1: source: the variable HOMEPORT_TEST_MISSING is not set", "export"),
    (b"source: 'x\n\n\n", "quoted scalar from line 1", "quote"),
    (b"\x7fELF\x02\x01\x01\x00\x00", "homeport.yaml:1: not YAML", "line"),
    (b"\tjobs: 1\n", "homeport.yaml:1: not YAML", "a tab"),
    (b"- a\n- b\n", "homeport.yaml:1: not a list of settings", "key: value"),
    (b"#" * (1024 * 1024 + 1), '"homeport.yaml" is larger than 1 MiB', "right file"),
])
def test_wrong_file_is_a_usage_error_with_line_and_hint(homeport, content, message, hint):
    (homeport.cwd / "homeport.yaml").write_bytes(content)
    result = homeport("config")
    assert result.rc == 2, str(result)
    assert message in result.err.splitlines()[0]
    assert hint in result.err.split("\nhint: ")[1]
    assert homeport("version").rc == 0, "what needs no configuration must not fail by it"
    assert homeport("help", "config").rc == 0


def test_file_that_cannot_be_read_is_a_usage_error(homeport):
    (homeport.cwd / "folder").mkdir()
    for path in ("missing.yaml", "folder"):
        result = homeport("config", "--config", path)
        assert result.rc == 2, str(result)
        assert path in result.err
        assert "hint: " in result.err


def test_misspelt_variable_of_the_environment_is_refused(homeport):
    result = homeport("config", env={"HOMEPORT_SORCE_URL": URL})
    assert result.rc == 2
    assert "HOMEPORT_SORCE_URL" in result.err
    assert "Did you mean HOMEPORT_SOURCE_URL?" in result.err
    assert "s3cret" not in result.err


def test_setting_that_a_command_needs_is_asked_for_in_all_the_places_it_can_be_given(homeport):
    result = homeport("check", "--target", URL)
    assert result.rc == 2, str(result)
    assert result.err == ("homeport: no source given\nhint: Give --source URL, or set HOMEPORT_SOURCE_URL, "
                          'or write "source: ..." in homeport.yaml.\n')


def test_unset_variable_stops_only_the_commands_that_need_its_setting(homeport):
    (homeport.cwd / "homeport.yaml").write_text("source: ${NOT_SET_HERE}\n")
    assert homeport("status").rc != 2, "status reads the work folder alone"
    result = homeport("check", "--target", URL)
    assert result.rc == 2
    assert "homeport.yaml:1: source: the variable NOT_SET_HERE is not set" in result.err


def test_options_are_over_the_environment_over_the_file_over_defaults(homeport):
    (homeport.cwd / "homeport.yaml").write_text(
        "source: ${APP_URL}\njobs: 2\ndir: from-file\nschema: drizzle\nmap-roles: {a: b}\n")
    env = {"APP_URL": URL, "HOMEPORT_JOBS": "3", "HOMEPORT_DIR": "from-environment"}
    settings = homeport.ok(
        "config", "--jobs", "4", "--map-role", "c=d", "--map-role", "e=f", "--no-verify", "--json", env=env,
    ).json["settings"]
    assert {name: settings[name] for name in ("jobs", "dir", "schema", "map-roles", "verify", "migrations-schema")} == {
        "jobs": {"value": 4, "from": "--jobs"},
        "dir": {"value": "from-environment", "from": "HOMEPORT_DIR"},
        "schema": {"value": "drizzle", "from": "homeport.yaml:4"},
        "map-roles": {"value": {"c": "d", "e": "f"}, "from": "--map-role"},
        "verify": {"value": False, "from": "--no-verify"},
        "migrations-schema": {"value": "drizzle", "from": "default"},
    }
    assert settings["source"]["from"] == "homeport.yaml:1"

    lines = homeport.ok("config", "--jobs", "4", env=env).out.splitlines()
    assert lines[0].split() == ["SETTING", "FROM", "VALUE"]
    assert ["jobs", "--jobs", "4"] in [line.split() for line in lines]
    assert ["dir", "HOMEPORT_DIR", "from-environment"] in [line.split() for line in lines]
    assert ["schema", "homeport.yaml:4", "drizzle"] in [line.split() for line in lines]


@pytest.mark.parametrize("url", [URL, "host=db.example user=app password=s3cret dbname=shop"])
def test_config_hides_passwords(homeport, url):
    for args in (["config"], ["config", "--json"], ["config", "--verbose"]):
        for given in ({"source": url}, {"target": url}, {"env": {"HOMEPORT_TARGET_URL": url}}):
            result = homeport.ok(*args, **given)
            assert "s3cret" not in result.out + result.err
            assert "***" in result.out
            assert "db.example" in result.out
        result = homeport.ok(*args, "--source", url)
        assert "s3cret" not in result.out + result.err


def test_password_on_the_command_line_is_gone_from_the_process_list(homeport):
    fifo = homeport.cwd / "wait.yaml"
    os.mkfifo(fifo)
    run = homeport.start("config", "--config", fifo, "--source", URL, f"--target={URL}")
    arguments = pathlib.Path(f"/proc/{run.pid}/cmdline")

    def shown():
        return arguments.read_bytes().split(b"\0")

    # Until it has taken them over: it then waits for somebody to write.
    wait.until(lambda: b"s3cret" not in arguments.read_bytes() and b"config" in shown(), 10, "arguments hidden")
    assert b"--source" in shown()
    assert b"--target=" + b"*" * len(URL) in shown()
    fifo.write_text("jobs: 2\n")
    result = run.wait()
    assert result.rc == 0, str(result)
    assert "db.example" in result.out


def test_homeport_alone_shows_the_commands_and_is_a_usage_error(homeport):
    alone = homeport()
    assert alone.rc == 2
    assert alone.err == ""
    assert alone.out == homeport.ok("help").out == homeport.ok("--help").out
    for (name, *rest), command in commands(homeport):
        if not rest:
            assert f"\n  {name} " in alone.out
            assert command["summary"] in alone.out
    assert homeport("--json").json["error"]["message"] == "no command given"


def test_command_with_subcommands_alone_shows_them_and_is_a_usage_error(homeport):
    alone = homeport("migrations")
    assert alone.rc == 2
    assert alone.err == ""
    assert alone.out == homeport.ok("help", "migrations").out == homeport.ok("migrations", "--help").out
    assert "\n  apply " in alone.out
    error = homeport("migrations", "--json").json["error"]
    assert error["message"] == "no command given"
    assert error["hint"] == "homeport help migrations lists the commands."


def test_every_command_has_help_with_examples_that_fits_80_columns(homeport):
    found = commands(homeport)
    assert len(found) >= 4
    for path, command in found:
        text = homeport.ok("help", *path).out
        assert text == homeport.ok(*path, "--help").out
        assert text.startswith("homeport " + " ".join(path) + ": ")
        assert max(map(len, text.splitlines())) < 80
        assert "\nExamples\n  " in text
        names = {option["name"] for option in options(command)}
        assert {"json", "quiet", "verbose", "help"} <= names
        for name in names:
            assert f"--{name}" in text or f"--[no-]{name}" in text


def test_version_names_the_libraries(homeport):
    version = homeport.ok("version", "--json").json
    assert set(version) == {"version", "libpq", "sqlite"}
    for asked in ("--version", "-V"):
        assert homeport.ok(asked, "--json").json == homeport.ok("--json", asked).json == version
    assert homeport("move", "--version").rc == 2 and homeport("--", "--version").rc == 2
    assert homeport.ok("version").out.startswith(f"homeport {version['version']} (libpq {version['libpq']}, ")


def test_output_that_cannot_be_written_is_an_error(homeport):
    for args in (["help"], ["config"], ["version", "--json"]):
        with open("/dev/full", "wb") as full:
            result = subprocess.run([homeport.binary, *args], cwd=homeport.cwd, env=homeport.environment(),
                                    stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)
        assert result.returncode == 1
        assert b"write to standard output: No space left on device" in result.stderr


def test_reference_is_up_to_date(homeport):
    page = homeport.ok("help", "--reference").out
    kept = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    assert page == kept, "run: build/homeport help --reference > docs/reference.md"


def test_man_page_is_taken_by_the_formatter_without_a_warning(homeport):
    page = homeport.ok("help", "--man").out
    assert page.startswith('.TH HOMEPORT 1 ')
    if not shutil.which("groff"):
        pytest.skip("groff is not installed")
    done = subprocess.run(["groff", "-man", "-ww", "-Tascii", "-P-cbou"], input=page, capture_output=True,
                          text=True, timeout=30, check=True)
    assert done.stderr == ""
    assert "--jobs N" in done.stdout
    assert "HOMEPORT_SOURCE_URL" in done.stdout


def complete(homeport, *words):
    """What bash would offer for the last word."""
    script = homeport.cwd / "completion"
    script.write_text(homeport.ok("help", "--completion", "bash").out)
    done = subprocess.run(
        ["bash", "-c", 'source completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _homeport; '
                       'printf "%s\\n" "${COMPREPLY[@]}"', "bash", *words],
        cwd=homeport.cwd, capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_choices_and_files(homeport):
    names = [path[0] for path, _ in commands(homeport) if len(path) == 1]
    assert set(names) <= set(complete(homeport, "homeport", ""))
    assert complete(homeport, "homeport", "conf") == ["config"]
    assert complete(homeport, "homeport", "help", "conf") == ["config"]
    assert complete(homeport, "homeport", "config", "--sp") == ["--split-bytes", "--spool-limit"]
    assert complete(homeport, "homeport", "config", "--no-v") == ["--no-verify"]
    assert complete(homeport, "homeport", "config", "--schema", "d") == ["dump", "drizzle"]
    assert complete(homeport, "homeport", "config", "--schema", "=", "dr") == ["drizzle"]
    assert complete(homeport, "homeport", "config", "--jobs", "") == []
    # The value of an option is not taken for the command.
    assert complete(homeport, "homeport", "--config", "move", "conf") == ["config"]
    assert complete(homeport, "homeport", "config", "--dir", "=", "move", "--sp") == ["--split-bytes", "--spool-limit"]
    (homeport.cwd / "move it.yaml").touch()
    assert complete(homeport, "homeport", "config", "--config", "move") == ["move", "it.yaml"]


def test_json_of_the_tables_has_every_option_with_its_words(homeport):
    for path, command in commands(homeport):
        one = homeport.ok("help", *path, "--json").json
        assert one == command, path
        for option in options(command):
            assert option["help"]
    assert json.dumps(homeport.ok("help", "--json").json)


# -- a work folder that does not tell


def folder_refused(result):
    assert result.rc == 1, str(result)
    error = result.json["error"]
    assert "state.sqlite" in error["message"] and "another --dir" in error["hint"], error
    return error["message"]


def test_work_folder_that_is_a_file_or_holds_garbage(homeport, tmp_path):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    assert "Not a directory" in folder_refused(homeport("status", "--json", "--dir", tmp_path / "file"))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "state.sqlite").write_text("not a state" * 100, encoding="utf-8")
    assert "not a database" in folder_refused(homeport("status", "--json", "--dir", folder))
    assert "not a database" in folder_refused(homeport(
        "move", "--once", "--json", "--dir", folder, "--source", "postgresql://127.0.0.1:1/a",
        "--target", "postgresql://127.0.0.1:1/b"))


def test_work_folder_of_somebody_else_is_not_called_empty(homeport):
    if os.geteuid() != 0:
        pytest.skip("takes two users")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        program = shutil.copy(homeport.binary, folder)
        work = pathlib.Path(folder) / "work"
        work.mkdir(mode=0o700)

        def status():
            done = subprocess.run([program, "status", "--json", "--dir", work], env=homeport.environment(),
                                  capture_output=True, check=False, cwd=folder, user="nobody", group="nogroup",
                                  extra_groups=[])
            assert done.returncode == 1, done.stdout
            error = json.loads(done.stdout)["error"]
            assert "another --dir" in error["hint"], error
            return error["message"]

        assert "Permission denied" in status()
        (work / "state.sqlite").touch(mode=0o600)
        work.chmod(0o755)
        assert "state.sqlite" in status()
