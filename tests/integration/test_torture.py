"""Two minutes of bench/torture, with a seed of their own each time; what failed says its seed."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.plain
@pytest.mark.timeout(600)
@pytest.mark.parametrize("versions", ("15,15", "17,18"))
def test_every_acknowledged_write_is_there_once_whatever_breaks(homeport, versions):
    process = subprocess.Popen(
        [ROOT / "bench/torture", "--minutes", "1", "--rounds", "1000", "--versions", versions],
        env={**os.environ, "HOMEPORT_BIN": str(homeport.binary), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        out, _ = process.communicate(timeout=500)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    assert process.returncode == 0, out
    rounds, = re.findall(r"once, and nothing else: (\d+) rounds", out)
    assert int(rounds) >= 5, out


def test_the_same_seed_gives_the_same_actions():
    def actions(seed):
        code = ("import importlib.machinery as m, importlib.util as u; l = m.SourceFileLoader('torture', 'bench/torture');"
                " t = u.module_from_spec(u.spec_from_loader('torture', l)); l.exec_module(t);"
                f" print([(a, t.describe(a)) for a in t.plan({seed}, 300)])")
        return subprocess.run(["/usr/bin/python3", "-B", "-c", code], cwd=ROOT, check=True, capture_output=True).stdout
    assert actions(7) == actions(7) != actions(8)
