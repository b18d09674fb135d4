"""The owner's commands around a switch: what hangs, fails, or outlives its mover keeps nobody from writing,
is said, and is done in its order."""

import contextlib
import json
import os
import signal
import socket
import threading
import time

import psycopg2
import pytest

import wait
from live import Live

pytestmark = pytest.mark.timeout(180)


class Writer(threading.Thread):
    """Writes again and again, and knows the longest time in which it could not."""

    def __init__(self, side):
        super().__init__(daemon=True)
        self.side = side
        self.longest = 0.0
        self.stopping = threading.Event()

    def run(self):
        last = time.monotonic()
        while not self.stopping.wait(0.02):
            with contextlib.suppress(psycopg2.Error):
                self.side.sql("INSERT INTO t DEFAULT VALUES")
                self.longest = max(self.longest, time.monotonic() - last)
                last = time.monotonic()
        self.longest = max(self.longest, time.monotonic() - last)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_ended):
        self.stopping.set()
        self.join()


@pytest.fixture
def live(homeport, pair, taken_down):
    made, _ = taken_down(Live(homeport, *pair(15, 15)), None)
    made.source.script("CREATE TABLE t (id bigserial PRIMARY KEY)")
    made.start()
    made.caught_up()
    return made


def accepts(side):
    with contextlib.suppress(psycopg2.Error):
        side.sql("INSERT INTO t DEFAULT VALUES")
        return True
    return False


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.plain
def test_rule_32_writers_go_on_at_the_deadline_where_the_switch_back_hangs(live):
    log = live.homeport.cwd / "hooks"
    say = f'echo "$HOMEPORT_HOOK $HOMEPORT_DIRECTION" >> {log}'
    with Writer(live.source) as writer:
        result = live.run("cutover", "--max-pause", "1s", "--on-switch",
                          f"trap '' TERM; {say}; test $HOMEPORT_DIRECTION = back || sleep 60; sleep 6; {say}",
                          "--on-resume", say)
        assert result.rc == 1 and "Everything was undone" in result.err, str(result)
        wait.until(lambda: accepts(live.source), 10, "the source accepts writes")
    assert 1 < writer.longest < 5, "a hook kept them waiting"
    # A switch back that takes its time has it, and only then does the pooler go on.
    assert lines(log) == ["switch forward", "switch back", "switch back", "resume back"]


class DeafGateway(threading.Thread):
    """Is there, and lets its clients wait; neither switches nor lets them go on. Says nothing to the first `mute`."""

    def __init__(self, path, mute=None):
        super().__init__(daemon=True)
        self.mute = mute
        self.unheard = []
        self.asked = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                with conn, conn.makefile() as lines:
                    verb = json.loads(lines.readline())["verb"]
                    if verb == self.mute:
                        self.mute = None
                        self.unheard.append(conn.dup())
                        self.asked.append(verb)
                        continue
                    self.asked.append(verb)
                    reply = ({"ok": True, "state": "paused", "upstream": "a"} if verb in ("status", "pause")
                             else {"ok": False, "error": "deaf"})
                    conn.sendall(json.dumps(reply).encode() + b"\n")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.join()
        for conn in self.unheard:
            conn.close()


@pytest.mark.parametrize("verb", ("pause", "switch"))
def test_rule_32_request_to_stop_ends_what_waits_for_the_gateway(live, verb):
    with contextlib.closing(DeafGateway(live.dir / "gateway.sock", verb)) as gateway:
        gateway.start()
        run = live.homeport.start("cutover", "--dir", live.dir, "--json", "--max-pause", "60s", source=live.source,
                                  target=live.target)
        run.wait_for(lambda: verb in gateway.asked, 30, "the gateway is asked")
        os.kill(live.mover.pid, signal.SIGTERM)
        refused = run.wait(10)
        assert refused.rc == 1 and refused.json["error"]["code"] == "cancelled", str(refused)
        assert "resume" in gateway.asked and accepts(live.source)
        assert live.mover.wait(30).rc == 0
    (live.dir / "gateway.sock").unlink()


def test_rule_32_a_gateway_and_a_command_that_both_fail_are_both_said(live):
    (live.dir / "hook").mkdir()  # nor can be noted what runs, which is no reason not to run it
    with contextlib.closing(DeafGateway(live.dir / "gateway.sock")) as gateway:
        gateway.start()
        result = live.run("cutover", "--on-switch", "exit 6", "--on-resume", "exit 7")
        assert result.rc == 1 and "Everything was undone" not in result.err, str(result)
        assert "gateway switch: " in result.err and "deaf" in result.err
        assert accepts(live.source)
        said = [line for line in live.mover.err.splitlines() if " failed too" in line]
        assert any("the command failed too" in line and "status 6" in line for line in said), said
        assert any("the gateway failed too" in line and "gateway resume: " in line for line in said), said
        assert "what a hook runs as could not be noted" in live.mover.err
        assert set(gateway.asked) == {"status", "pause", "switch", "resume"}
    (live.dir / "gateway.sock").unlink()
    (live.dir / "hook").rmdir()
    assert "by hand" in live.caught_up()["next"]


def test_rule_32_what_could_not_be_undone_is_said(live):
    result = live.run("cutover", "--on-switch", "test $HOMEPORT_DIRECTION = forward && exit 6; exit 7")
    assert result.rc == 1 and "Everything was undone" not in result.err, str(result)
    assert "status 6" in result.err and "status 7" in result.err and "HOMEPORT_DIRECTION=back" in result.err
    assert accepts(live.source)
    status = live.caught_up()
    assert "--on-switch" in status["last_error"] and "by hand" in status["next"]
    live.ok("cutover", "--on-switch", "true")
    status = live.wait_for("home")
    assert status["last_error"] is None and "by hand" not in status["next"]


def test_rule_32_resume_that_fails_is_said_and_tried_again_until_it_succeeds(live):
    well, tries = live.homeport.cwd / "well", live.homeport.cwd / "tries"
    result = live.run("cutover", "--on-resume",
                      f"echo once more >> {tries}; test -e {well} || {{ echo not yet >&2; exit 5; }}")
    assert result.rc == 3, str(result)
    answer = json.loads(result.out)
    assert answer["done"] and "not yet" in answer["warning"] and "by hand" in answer["next"]
    assert accepts(live.target)
    status = live.status()
    assert status["phase"] == "home" and "--on-resume" in status["last_error"] and "by hand" in status["next"]
    live.kill()
    assert "--on-resume" in live.status()["last_error"]
    before = len(lines(tries))
    mover = live.start()
    mover.wait_for(lambda: len(lines(tries)) >= before + 2, 90, "it is tried again")
    assert "status 5" in live.status()["last_error"]
    well.touch()
    mover.wait_for(lambda: live.status()["last_error"] is None, 90, "it has succeeded")
    live.stop()
    assert live.status()["last_error"] is None


@pytest.mark.plain
def test_rule_32_rehearsal_whose_clients_could_not_go_on_says_so(live):
    result = live.run("cutover", "--rehearse", "--on-resume", "exit 5")
    assert result.rc == 3 and json.loads(result.out)["rehearsed"], str(result)
    text = live.homeport("cutover", "--rehearse", "--dir", live.dir, "--on-resume", "exit 5", source=live.source,
                         target=live.target)
    assert text.rc == 3 and "Rehearsed" in text.out and "status 5" in text.err and "by hand" in text.err, str(text)


def test_rule_32_request_to_stop_waits_for_what_lets_the_app_go_on(live):
    """It comes while a mover that has begun again brings the switch to its end."""
    killed, done = live.homeport.cwd / "killed", live.homeport.cwd / "done"
    assert live.run("cutover", "--on-resume", f"test -e {killed} || {{ touch {killed}; kill -9 $PPID; }}; "
                    f"kill -TERM $PPID; sleep 1; touch {done}").rc == 1
    wait.until(lambda: not live.mover.running, 10, "the mover is dead")
    live.start()
    assert "stopped by SIGTERM" in live.mover.wait().err and done.exists()
    live.start()
    live.wait_for("home")


@pytest.mark.plain
@pytest.mark.parametrize("hook", ("--on-pause", "--on-switch"))
def test_rule_32_request_to_stop_ends_a_hook_and_undoes(live, hook):
    armed = live.homeport.cwd / "armed"
    answers = []
    command = threading.Thread(target=lambda: answers.append(live.run(
        "cutover", "--max-pause", "60s", hook, f"test $HOMEPORT_DIRECTION = back || {{ touch {armed}; sleep 40; }}")))
    command.start()
    wait.until(armed.exists, 30, "the hook runs")
    asked = time.monotonic()
    os.kill(live.mover.pid, signal.SIGTERM)
    wait.until(lambda: accepts(live.source), 30, "the source accepts writes")
    assert live.mover.wait().rc == 0
    command.join()
    assert time.monotonic() - asked < 5, "the hook went on"
    assert answers[0].rc == 1 and "stopped by SIGTERM" in answers[0].err, str(answers[0])
    live.start()
    live.caught_up()


def test_rule_32_hook_that_outlived_its_mover_ends_before_the_next_one_undoes(live):
    log, armed = live.homeport.cwd / "hooks", live.homeport.cwd / "armed"
    say = f'echo "$HOMEPORT_HOOK $HOMEPORT_DIRECTION" >> {log}'
    # A child of the command is told nothing when the mover dies; nor does this one want to end.
    slow = f"trap \"\" TERM; touch {armed}; while test -e {armed}; do sleep 0.05; done; {say}"
    command = threading.Thread(target=live.run, args=(
        "cutover", "--max-pause", "60s", "--on-switch",
        f"test $HOMEPORT_DIRECTION = forward && sh -c '{slow}'; {say}", "--on-resume", say))
    command.start()
    wait.until(armed.exists, 30, "the hook runs")
    live.kill()
    command.join()
    live.start()
    live.caught_up()
    armed.unlink()
    since = time.monotonic()
    wait.until(lambda: time.monotonic() > since + 1, 10, "it would have gone on")
    assert accepts(live.source) and lines(log) == ["switch back", "resume back"]
    assert not (live.dir / "hook").exists()
