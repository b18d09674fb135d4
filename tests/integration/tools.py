"""The programs of tests/tools: parts of homeport that have no command of their own."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIED = 77  # at the word that --die-at names


class ToolFailed(AssertionError):
    pass


def start(name, *args):
    folder = pathlib.Path(os.environ.get("HOMEPORT_BIN", ROOT / "build/homeport")).absolute().parent
    return subprocess.Popen([folder / "tests/tools" / name, *map(str, args)], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process, rc=0):
    """Its output, as JSON where it is; `rc` other than 0: what it said about it."""
    out, err = process.communicate(timeout=60)
    if process.returncode != rc:
        raise ToolFailed(f"{process.args} ended with {process.returncode}, not {rc}:\n{out}{err}")
    if rc:
        return err
    return json.loads(out) if out.startswith(("{", "[", "true", "false")) else out


def run(name, *args, rc=0):
    return finish(start(name, *args), rc)
