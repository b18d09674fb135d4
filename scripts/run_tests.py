#!/usr/bin/env python3
"""Runs the stages of ./test and adds up what they found.

Everything is counted: a build, a check, a single cmocka test in each build, a pytest test, a fuzz
target. Skipped tests and those that passed only when they ran alone are named and count as neither. A stage that should have run tests and ran none
counts as one failure, so that a broken collection cannot look like success.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "test-logs"
FUZZ_SECONDS = int(os.environ.get("HOMEPORT_FUZZ_SECONDS", "30"))
FUZZ_AT_ONCE = 2
WORKERS = os.environ.get("HOMEPORT_TEST_WORKERS", "2")
AGAIN = 2  # times that a failed integration test must pass, alone, to be called shaky instead
MAX_SHAKY = 3  # of a run; with more failures none is tried again (docs/decisions/0014)
SHOWN_LINES = 150
REPEATED_LINES = 40  # of what failed, behind the summary: often only the end of the output is kept

# Folder, compiler, options of meson. Warnings are fatal with both compilers; the plain build is also
# what a user gets from ./try, where they are not. Of what runs under AddressSanitizer the lines are counted.
BUILDS = {
    "plain": ("build", "gcc", ["-Dwerror=true"]),
    "asan": ("build-asan", "gcc", ["-Db_sanitize=address,undefined", "-Db_coverage=true"]),
    "tsan": ("build-tsan", "clang-14", ["-Dwerror=true", "-Db_sanitize=thread"]),
    "fuzz": ("build-fuzz", "clang-14", ["-Dfuzz=true", "-Db_sanitize=address,undefined"]),
}

SANITIZER_ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LSAN_OPTIONS": f"suppressions={ROOT}/tests/lsan.supp:print_suppressions=0",
    # A program that runs as another user cannot add to the counts, which is none of its own errors.
    "GCOV_ERROR_FILE": str(LOGS / "gcov.log"),
    "TSAN_OPTIONS": f"suppressions={ROOT}/tests/tsan.supp:second_deadlock_stack=1",
}


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.reasons = {}
        self.skipped = []
        self.shaky = []
        self.stages = []

    def ok(self, count=1):
        self.passed += count

    def fail(self, name, output=""):
        """output: what is shown of it again at the end."""
        self.failures.append(name)
        if output:
            self.reasons[name] = output
        print(f"FAILED  {name}", flush=True)

    def skip(self, name):
        self.skipped.append(name)


tally = Tally()


def stage(name):
    """Decorates a function: announces it and keeps its time."""
    def decorate(function):
        def run(*args):
            print(f"== {name}", flush=True)
            started = time.monotonic()
            try:
                return function(*args)
            finally:
                tally.stages.append((name, time.monotonic() - started))
        return run
    return decorate


def run_logged(name, argv, env=None, timeout=None):
    """Runs with output in a log file. Returns (exit status, output)."""
    LOGS.mkdir(parents=True, exist_ok=True)
    path = LOGS / f"{name}.log"
    with open(path, "wb") as log:
        try:
            done = subprocess.run(
                [str(arg) for arg in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})}, timeout=timeout, check=False, cwd=ROOT)
            status = done.returncode
        except subprocess.TimeoutExpired:
            log.write(f"\nended after {timeout} s\n".encode())
            status = -signal.SIGKILL
    return status, path.read_text(encoding="utf-8", errors="replace")


def show(output, most=SHOWN_LINES):
    lines = output.splitlines()
    if len(lines) > most:
        lines = [f"[{len(lines) - most} lines before]", *lines[-most:]]
    print("\n".join("    " + line for line in lines), flush=True)


def judge(name, status, output):
    if status == 0:
        tally.ok()
        return True
    show(output)
    tally.fail(f"{name} (exit status {status})", output)
    return False


# -- builds


def build(name):
    folder, compiler, options = BUILDS[name]
    if not (ROOT / folder / "build.ninja").exists():
        setup = ["meson", "setup", folder, *options]
    else:
        # Again, since new test files are found only by that.
        setup = ["meson", "setup", "--reconfigure", folder, *options]
    status, output = run_logged(f"build-{name}", setup, env={"CC": compiler})
    if status == 0:
        status, output = run_logged(f"build-{name}", ["ninja", "-C", folder])
    return judge(f"build {name}", status, output)


def builder():
    """Builds each configuration once, when first asked for."""
    done = {}

    def ready(name):
        if name not in done:
            done[name] = stage(f"build {name}")(build)(name)
        return done[name]
    return ready


# -- checks


@stage("checks")
def checks(ready):
    ready("plain")
    ready("tsan")
    commands = {
        "format": ["scripts/check-format"],
        "layers": ["scripts/check-layers"],
        "sizes": ["scripts/check-sizes"],
        "banned": ["scripts/check-banned"],
        "headers": ["scripts/check-headers", "build"],
        "clang-tidy": ["scripts/check-tidy", "build-tsan"],
    }
    for name, argv in commands.items():
        started = time.monotonic()
        status, output = run_logged(f"check-{name}", argv)
        if judge(f"check {name}", status, output):
            last = output.strip().splitlines()[-1:] or [""]
            print(f"   check {name} ok, {time.monotonic() - started:.0f} s  {last[0][:150]}", flush=True)
    # A second opinion: too many false alarms on cleanup attributes and tables to be a gate.
    status, output = run_logged("check-cppcheck", ["scripts/check-cppcheck", "build"])
    findings = [line for line in output.splitlines() if re.search(r": (error|warning|performance|portability):", line)]
    print(f"   cppcheck (for information): {len(findings)} findings", flush=True)
    show("\n".join(findings[:20]))


# -- unit tests


def without_aslr():
    """ThreadSanitizer needs its shadow addresses free, which a far-reaching ASLR does not leave."""
    argv = ["setarch", "-R"]
    works = subprocess.run([*argv, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return argv if works else []


def tap(name, status, output):
    """One program of cmocka tests: adds every test of it to the tally."""
    planned = sum(int(count) for count in re.findall(r"^1\.\.(\d+)$", output, re.MULTILINE))
    seen = failed = 0
    for match in re.finditer(r"^(ok|not ok) \d+ (# SKIP |- )?(.*)$", output, re.MULTILINE):
        seen += 1
        test = f"{name} {match[3]}"
        if match[2] == "# SKIP ":
            tally.skip(test)
        elif match[1] == "ok":
            tally.ok()
        else:
            failed += 1
            tally.fail(test)
    if status != 0 and not failed:
        tally.fail(f"{name} (exit status {status})")
    elif seen < planned or not planned:
        tally.fail(f"{name} ({seen} of {planned} tests ran)")
    elif not failed:
        return
    show(output)


def unit_one(name, test):
    prefix = without_aslr() if name == "tsan" else []
    log = f"unit-{name}-{test['name']}"
    env = {**SANITIZER_ENVIRONMENT, "CMOCKA_MESSAGE_OUTPUT": "TAP"}
    return test["name"], *run_logged(log, [*prefix, *test["cmd"]], env, timeout=300)


def unit(ready, name):
    if not ready(name):
        return
    folder = BUILDS[name][0]
    listing = subprocess.run(
        ["meson", "introspect", "--tests", folder], check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout
    tests = json.loads(listing)
    if not tests:
        tally.fail(f"unit {name}: no test program")
    before = tally.passed
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for test, status, output in pool.map(lambda one: unit_one(name, one), tests):
            tap(f"unit {name} {test}", status, output)
    print(f"   {tally.passed - before} passed in {len(tests)} programs", flush=True)


# -- integration tests


# What is never put down to chance: a sanitizer's report, a program that died, writes that were not found again, and
# two sides that are not equal.
NEVER_SHAKY = re.compile(
    r"Sanitizer|runtime error:|Assertion .* failed|out of memory|exit status (-\d|13[49])|ledger\.py:\d+: |writes are lost"
    r"|^> .*(\b(rows|contents|tables|differences)\b|\.sql\(.*\) == .*\.sql\()", re.MULTILINE)


def cases_of(report):
    """[(test case, whether it failed, whether it was skipped)] of a junit file."""
    if not report.exists():
        return []
    cases = xml.etree.ElementTree.parse(report).iter("testcase")
    return [(case, any(child.tag in ("failure", "error") for child in case), case.find("skipped") is not None)
            for case in cases]


def pytest_counts(name, report, shaky):
    """Adds a junit file to the tally; returns how many tests it has."""
    cases = cases_of(report)
    for case, failed, skipped in cases:
        test = f"{name} {case.get('classname', '')}::{case.get('name')}"
        if failed:
            (tally.shaky.append if shaky else tally.fail)(test)
        elif skipped:
            tally.skip(test)
        else:
            tally.ok()
    return len(cases)


def pytest_once(binary, args, env=None):
    """Returns pytest's exit status."""
    basetemp = tempfile.mkdtemp(prefix="homeport-pytest-")
    env = {**os.environ, "HOMEPORT_BIN": str(ROOT / binary), "PYTHONDONTWRITEBYTECODE": "1",
           "GCOV_ERROR_FILE": SANITIZER_ENVIRONMENT["GCOV_ERROR_FILE"], **(env or {})}
    argv = ["/usr/bin/python3", "-m", "pytest", "-c", "tests/integration/pytest.ini", "-q",
            f"--basetemp={basetemp}/t", *args]
    process = subprocess.Popen(argv, cwd=ROOT, env=env, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    finally:
        shutil.rmtree(basetemp, ignore_errors=True)


def passes_alone(binary, marker, names, report):
    report.unlink(missing_ok=True)
    status = pytest_once(binary, ["-n0", "-m", marker, f"--junitxml={report}", *names])
    return status == 0 and len([True for _, _, skipped in cases_of(report) if not skipped]) == len(names)


def is_shaky(binary, marker, report, failed):
    """Whether what failed beside other tests passes alone, each time."""
    names = sorted(set(failed.read_text(encoding="utf-8").split("\n")) - {""}) if failed.exists() else []
    reasons = [child.text or "" for case, _, _ in cases_of(report) for child in case
               if child.tag in ("failure", "error")]
    few = 0 < len(names) <= MAX_SHAKY - len(tally.shaky)
    if not few or len(reasons) != len(names) or any(map(NEVER_SHAKY.search, reasons)):
        return False
    print("== again, alone: " + " ".join(names), flush=True)
    paths = [f"tests/integration/{name}" for name in names]
    return all(passes_alone(binary, marker, paths, report.with_suffix(".again.xml")) for _ in range(AGAIN))


def pytest_run(name, binary, marker, args, must_run):
    LOGS.mkdir(parents=True, exist_ok=True)
    report = LOGS / f"{name.replace(' ', '-')}.xml"
    failed = report.with_suffix(".failed")
    for path in (report, failed):
        path.unlink(missing_ok=True)
    status = pytest_once(binary, ["-n", WORKERS, "-m", marker, f"--junitxml={report}", *(args or ["tests/integration"])],
                         {"HOMEPORT_TEST_FAILED": str(failed)})
    failed_before = len(tally.failures)
    shaky = status == 1 and not args and is_shaky(binary, marker, report, failed)
    count = pytest_counts(name, report, shaky)
    if status == 5 and not count:
        if must_run:
            tally.fail(f"{name}: no test was selected by -m {marker!r}")
    elif status != 0 and not shaky and len(tally.failures) == failed_before:
        tally.fail(f"{name} (pytest exit status {status})")
    return count


def integration(ready, args):
    counts = []
    for name, binary, marker in (
        ("asan", "build-asan/homeport", "not plain"),
        ("tsan", "build-tsan/homeport", "tsan"),
        ("plain", "build/homeport", "plain"),
    ):
        # A chosen test runs where it belongs; the second run under another sanitizer is for all.
        if args and name == "tsan":
            continue
        if ready(name):
            run = stage(f"integration {name}")(pytest_run)
            counts.append(run(f"integration {name}", binary, marker, args, not args))
    if args and not any(counts):
        tally.fail("integration: no test was selected")


# -- coverage


def forget_counts():
    """Of runs before: what they have run says nothing about these sources."""
    for path in (ROOT / BUILDS["asan"][0]).rglob("*.gcda"):
        path.unlink()


@stage("coverage")
def coverage():
    status, output = run_logged("coverage", ["scripts/check-coverage", BUILDS["asan"][0]])
    judge("coverage", status, output)
    if status == 0:
        show(output)


# -- fuzzing


def fuzz_one(target):
    name = target.name.removeprefix("fuzz_")
    corpus = ROOT / "tests" / "fuzz" / "corpus" / name
    if not corpus.is_dir() or not any(corpus.iterdir()):
        return name, 1, f"no committed corpus in {corpus.relative_to(ROOT)}"
    with tempfile.TemporaryDirectory(prefix="homeport-fuzz-") as found:
        status, output = run_logged(
            f"fuzz-{name}",
            [target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
             f"-artifact_prefix={LOGS}/crash-{name}-", found, corpus],
            SANITIZER_ENVIRONMENT, timeout=FUZZ_SECONDS + 120)
    return name, status, output


def fuzz_targets():
    """A program for each source; one that was not built fails by its name."""
    names = sorted(path.stem for path in (ROOT / "tests/fuzz").glob("fuzz_*.c"))
    targets = [ROOT / "build-fuzz/tests/fuzz" / name for name in names]
    if not targets:
        tally.fail("fuzz: no target exists")
    for target in targets:
        if not target.is_file():
            tally.fail(f"fuzz {target.name.removeprefix('fuzz_')}: not built")
    return [target for target in targets if target.is_file()]


def fuzz(ready):
    if not ready("fuzz"):
        return
    targets = fuzz_targets()
    with concurrent.futures.ThreadPoolExecutor(FUZZ_AT_ONCE) as pool:
        for name, status, output in pool.map(fuzz_one, targets):
            if judge(f"fuzz {name}", status, output):
                runs = re.search(r"stat::number_of_executed_units: *(\d+)", output)
                print(f"   fuzz {name} ok, {runs[1] if runs else '?'} runs", flush=True)


# -- all of it


def findings(output):
    """The lines of a compiler's or a checker's output that say what and where, without the way there."""
    return "\n".join(line for line in output.splitlines() if re.search(r": (fatal )?error: ", line))


def summary():
    print("\n== time")
    for name, seconds in tally.stages:
        print(f"   {seconds:6.0f} s  {name}")
    if tally.skipped:
        print(f"\n== skipped: {len(tally.skipped)}")
        print("\n".join(f"   {name}" for name in tally.skipped))
    if tally.shaky:
        print(f"\n== failed once beside others, passed {AGAIN} times alone: {len(tally.shaky)}, to be explained")
        print("\n".join(f"   {name}" for name in tally.shaky))
    if tally.failures:
        for name, output in tally.reasons.items():
            print(f"\n== {name}")
            show(findings(output) or output, REPEATED_LINES)
        print(f"\n== failed: {len(tally.failures)}")
        print("\n".join(f"   {name}" for name in tally.failures))
    print(f"\n{tally.passed} passed, {len(tally.failures)} failed", flush=True)
    return 1 if tally.failures or not tally.passed else 0


def main(argv):
    part, args = (argv[0], argv[1:]) if argv else ("all", [])
    if part not in ("all", "checks", "unit", "integration", "fuzz") or (args and part != "integration"):
        print("usage: ./test [checks | unit | fuzz | integration [pytest arguments]]", file=sys.stderr)
        return 2
    ready = builder()
    if part == "all":
        forget_counts()
        for name in BUILDS:
            ready(name)
    if part in ("all", "checks"):
        checks(ready)
    if part in ("all", "unit"):
        for name in ("plain", "asan", "tsan"):
            stage(f"unit {name}")(unit)(ready, name)
    if part in ("all", "integration"):
        integration(ready, args)
    if part == "all":
        coverage()
    if part in ("all", "fuzz"):
        stage("fuzz")(fuzz)(ready)
    return summary()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        print(f"\ninterrupted\n{tally.passed} passed, {len(tally.failures) + 1} failed", flush=True)
        sys.exit(130)
