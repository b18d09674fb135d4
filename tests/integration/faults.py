"""Faults at the places of the program that call libpq or touch files, one at a time (tests/tools/fault_sites.c).

Faults(homeport)   env for what is to fail; record(), sites(), fail(site), failed()
chosen(sites, n)   n of them, spread over all; every one with HOMEPORT_FAULTS=all
"""

import dataclasses
import os
import re
import subprocess

ALL = os.environ.get("HOMEPORT_FAULTS") == "all"
SEED = int(os.environ.get("HOMEPORT_SEED", "0"))  # which of them
WRAPPERS = ("src/pg/", "src/core/", "src/store/")  # for the site of a call the caller of these counts


@dataclasses.dataclass(frozen=True)
class Site:
    id: str
    name: str  # "PQexec at src/move/live.c:12 < src/move/live.c:99"
    functions: frozenset = dataclasses.field(compare=False)  # from the one that called to the caller of who asked for it
    stack: str = dataclasses.field(compare=False)

    def __str__(self):
        return f"{self.name} ({self.stack})"


class Faults:
    def __init__(self, homeport):
        self.binary = homeport.binary
        self.order = homeport.cwd / "fault"
        self.records = 0
        # The sanitizer's library would have to be the first of all, also in the programs that this one starts.
        options = homeport.environment()["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
        self.env = {"LD_PRELOAD": self.binary.parent / "tests/tools/libfault_sites.so", "FAULT_SITES": self.order,
                    "ASAN_OPTIONS": options}

    def _give(self, order):
        """Never half of it."""
        new = self.order.with_suffix(".new")
        new.write_text(order)
        new.rename(self.order)

    def _lines(self, suffix):
        path = self.order.with_suffix(f".{suffix}")
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def record(self):
        self.order.with_suffix(".sites").unlink(missing_ok=True)
        self.records += 1
        self._give(f"record {self.records}")

    def sites(self):
        """What was called since record(), in that order, one of each place in src and caller of it."""
        self.order.unlink()
        found = {}
        calls = [line.split() for line in self._lines("sites")]
        places = self._places({offset for call in calls for offset in call[2:]})
        for number, function, *offsets in calls:
            stack = [place for offset in offsets for place in places[offset]]
            outside = [number for number, (line, _) in enumerate(stack) if not line.startswith(WRAPPERS)][:2]
            if outside:
                # With its caller, as what fails in a wrapper that move/ has is another thing to each of these.
                site = Site(number, f"{function} at {' < '.join(stack[at][0] for at in outside)}",
                            frozenset(name for _, name in stack[:outside[-1] + 1]),
                            " < ".join(f"{line} {name}" for line, name in stack))
                found.setdefault(site.name, site)
        return list(found.values())

    def _places(self, offsets):
        """Lines in src and functions by return address, the innermost of what was inlined first; what follows a call is of
        another line."""
        offsets = sorted(offsets)
        calls = "\n".join(f"{int(offset, 16) - 1:x}" for offset in offsets)
        done = subprocess.run(["addr2line", "-a", "-i", "-f", "-e", self.binary], input=calls, text=True, capture_output=True,
                              check=True)
        found = []
        for line in done.stdout.splitlines():
            if line.startswith("0x"):
                found.append([])
            else:
                found[-1].append(line)
        return {offset: [(match[0], name) for name, line in zip(lines[0::2], lines[1::2], strict=True)
                         if (match := re.search(r"\bsrc/[^ ]*:\d+", line))]
                for offset, lines in zip(offsets, found, strict=True)}

    def fail(self, site):
        """The next call from there."""
        self.order.with_suffix(".failed").unlink(missing_ok=True)
        self._give(site.id)

    def failed(self):
        """Whether it did since."""
        return bool(self._lines("failed"))

    def withdraw(self):
        self.order.unlink(missing_ok=True)


def chosen(sites, count, *always):
    """`count` of them, as far apart as they can be, and those of the functions of `always`."""
    stride = 1 if ALL else max(1, len(sites) / count)
    numbers = {int(number * stride + SEED) % len(sites) for number in range(int(len(sites) / stride))}
    return [site for number, site in enumerate(sites)
            if number in numbers or site.functions & set(always)]
