"""Running the homeport program.

Every run is judged beyond what its test asks: a sanitizer's report, a password in its output, and a
process left behind fail the test.
"""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import wait

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANITIZER_EXIT = 99
TIME = "/usr/bin/time"


@functools.cache
def without_aslr():
    """ThreadSanitizer needs its shadow addresses free, which a far-reaching ASLR does not leave."""
    argv = ["setarch", "-R"]
    works = subprocess.run([*argv, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    return argv if works else []


@dataclasses.dataclass
class Result:
    argv: list
    rc: int  # negative: the signal that ended it
    out: str
    err: str
    seconds: float
    max_rss: int | None  # bytes; of a measured run

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError as error:
            raise AssertionError(f"standard output is not JSON ({error}):\n{self}") from None

    def __str__(self):
        return f"$ {' '.join(self.argv)}\nexit status {self.rc}\n--- out\n{self.out}\n--- err\n{self.err}"


class Running:
    """A started program; wait() gives its Result.

    A measured one is a child of time(1): what wait4() says of a process contains what its memory was
    before exec, which here is that of the tests. pid and signals are the program's nevertheless.
    """

    def __init__(self, argv, env, cwd, stdin, files, secrets, measured=False):
        self.argv = [str(arg) for arg in argv]
        self._usage = files[0].with_suffix(".usage") if measured else None
        self._out, self._err = files
        self._secrets = secrets
        self._started = time.monotonic()
        self._result = None
        self._expect_leftovers = False
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            before = [TIME, "-f", "%M", "-o", self._usage] if measured else []
            self.process = subprocess.Popen(
                [*before, *self.argv], env=env, cwd=cwd, stdout=out, stderr=err, start_new_session=True,
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            )
        if stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(stdin.encode())
            self.process.stdin.close()

    @property
    def pid(self):
        if not self._usage:
            return self.process.pid
        path = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(wait.until(lambda: path.read_text(encoding="ascii"), 10, "time has started the program"))

    @property
    def max_rss(self):
        """The most so far, in bytes, while it runs."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)[1]) * 1024

    @property
    def out(self):
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self):
        return self._err.read_text(encoding="utf-8", errors="replace")

    @property
    def running(self):
        self._reap()
        return self._result is None

    def _reap(self):
        if self._result is not None:
            return
        status = self.process.poll()
        if status is None:
            return
        max_rss = None
        if self._usage and status >= 0:
            # Of a program ended by a signal time(1) says so in a line before.
            max_rss = int(self._usage.read_text(encoding="ascii").split()[-1]) * 1024
            status = 128 - status if status > 128 else status
        self._result = Result(
            self.argv, status, self.out, self.err, time.monotonic() - self._started, max_rss)

    def signal(self, number=signal.SIGINT):
        self._expect_leftovers = self._expect_leftovers or number == signal.SIGKILL
        if self.running:
            os.kill(self.pid, number)

    def kill(self):
        """kill -9 of the program alone: what it started must end by itself."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def wait_for(self, condition, seconds=60, what="condition"):
        """Until condition() while the program runs; fails when it ends before."""
        def check():
            if condition():
                return True
            assert self.running, f"the program ended before: {what}\n{self._result}"
            return False
        wait.until(check, seconds, what)

    def wait(self, timeout=120):
        deadline = time.monotonic() + timeout
        while self.running:
            if time.monotonic() > deadline:
                self.end()
                raise AssertionError(f"still running after {timeout} s:\n{self._result}")
            time.sleep(0.005)
        self._judge()
        return self._result

    def end(self):
        """Whatever is left of it, at the end of a test."""
        self._signal_group(signal.SIGKILL)
        while self.running:
            time.sleep(0.005)

    def _signal_group(self, number):
        """Whether there is anything of it. Its id is nobody else's as long as one of the group lives; where the program has
        ended and a process has that id, this is another group of that name, maybe of a test beside this one."""
        if not self.running and pathlib.Path(f"/proc/{self.process.pid}").exists():
            return False
        try:
            os.killpg(self.process.pid, number)
            return True
        except (ProcessLookupError, PermissionError):
            return False

    def _left_behind(self):
        return self._signal_group(0)

    def _judge(self):
        result = self._result
        assert result.rc != SANITIZER_EXIT, f"a sanitizer found something:\n{result}"
        for secret in self._secrets():
            assert secret not in result.out + result.err, f"a password was printed:\n{result}"
        if not self._expect_leftovers:
            try:
                wait.until(lambda: not self._left_behind(), 5, "children of the program gone")
            except AssertionError:
                self.end()
                raise


class Homeport:
    """homeport("verify", "--json", source=database, target=database) -> Result"""

    def __init__(self, binary, cwd, secrets, sanitizer_logs):
        self.binary = pathlib.Path(binary)
        self.cwd = pathlib.Path(cwd)
        self._secrets = secrets
        self._logs = sanitizer_logs
        self._runs = []

    def environment(self, source=None, target=None, env=None):
        found = {
            "PATH": os.environ["PATH"], "HOME": str(self.cwd), "LANG": "C.UTF-8", "TERM": "dumb",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
            # A status of its own, since homeport's has meanings; files, since stderr may be closed.
            "ASAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:detect_leaks=1:log_path={self._logs}/asan",
            "UBSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:print_stacktrace=1:log_path={self._logs}/ubsan",
            "LSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:suppressions={ROOT}/tests/lsan.supp:print_suppressions=0",
            "TSAN_OPTIONS": f"exitcode={SANITIZER_EXIT}:log_path={self._logs}/tsan"
                            f":suppressions={ROOT}/tests/tsan.supp:second_deadlock_stack=1",
        }
        # By the environment: on the command line a password shows in the process list.
        for name, side in (("HOMEPORT_SOURCE_URL", source), ("HOMEPORT_TARGET_URL", target)):
            if side is not None:
                found[name] = getattr(side, "url", side)
        found.update(env or {})
        return {name: str(value) for name, value in found.items() if value is not None}

    def start(self, *args, source=None, target=None, env=None, cwd=None, stdin=None, measured=False):
        """measured: the Result has max_rss."""
        self.cwd.mkdir(parents=True, exist_ok=True)
        number = len(self._runs)
        files = (self._logs / f"run{number}.out", self._logs / f"run{number}.err")
        argv = [self.binary, *args]
        if "tsan" in str(self.binary.parent):
            argv = [*without_aslr(), *argv]
        run = Running(argv, self.environment(source, target, env), cwd or self.cwd, stdin, files, self._secrets,
                      measured)
        self._runs.append(run)
        return run

    def __call__(self, *args, timeout=120, **kwargs):
        return self.start(*args, **kwargs).wait(timeout)

    def ok(self, *args, **kwargs):
        """The same, and the exit status must be 0."""
        result = self(*args, **kwargs)
        assert result.rc == 0, str(result)
        return result

    def finish(self):
        """After the test: nothing keeps running, no sanitizer reported, no secret is in a file."""
        for run in self._runs:
            run.end()
        reports = [path for path in sorted(self._logs.iterdir()) if path.name.split(".")[0] in ("asan", "ubsan", "tsan")]
        assert not reports, "a sanitizer found something:\n" + "\n".join(
            path.read_text(encoding="utf-8", errors="replace") for path in reports)
        secrets = [secret.encode() for secret in self._secrets()]
        for path in self.cwd.rglob(".homeport/**/*"):
            if path.is_file():
                data = path.read_bytes()
                assert not any(secret in data for secret in secrets), f"a password is in {path}"
