#!/usr/bin/env python3
"""Embeds sql/<area>/<name>.sql into C as `const char sql_<area>_<name>[]`.

usage: embed-sql.py SQL_DIR OUT.c OUT.h OUT.d

A file is one statement that psql can run. Lines that hold only a comment stay out of the program;
the first line must be `-- name: <area>_<name>`, so that a copied file cannot keep its old name.
"""

import os
import pathlib
import re
import sys

NAME = re.compile(r"[a-z][a-z0-9_]*")


def fail(path, message):
    sys.exit(f"{path}: {message}")


def statement_lines(path, symbol):
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines or lines[0].strip() != f"-- name: {symbol}":
        fail(path, f'the first line must be "-- name: {symbol}"')
    kept = [line.rstrip() for line in lines if line.strip() and not line.lstrip().startswith("--")]
    if not kept:
        fail(path, "holds no statement")
    # One statement a file: as an extended-protocol query a trailing semicolon is only noise.
    kept[-1] = kept[-1].rstrip(";")
    return [line for line in kept if line]


def c_literal(line):
    return '"' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '\\n"'


def main(sql_dir, out_c, out_h, out_d):
    root = pathlib.Path(sql_dir)
    files = sorted(root.glob("*/*.sql"))
    bodies, declarations = [], []
    for path in files:
        area, name = path.parent.name, path.stem
        if not NAME.fullmatch(area) or not NAME.fullmatch(name):
            fail(path, "area and name must be lower case letters, digits and underscores")
        symbol = f"{area}_{name}"
        text = "\n    ".join(c_literal(line) for line in statement_lines(path, symbol))
        bodies.append(f"const char sql_{symbol}[] =\n    {text};\n")
        declarations.append(f"extern const char sql_{symbol}[];\n")
    pathlib.Path(out_h).write_text(
        "/* Made from sql/ by scripts/embed-sql.py. */\n#pragma once\n\n" + "".join(declarations),
        encoding="utf-8",
    )
    pathlib.Path(out_c).write_text(
        '/* Made from sql/ by scripts/embed-sql.py. */\n#include "sql.gen.h"\n\n'
        + "\n".join(bodies),
        encoding="utf-8",
    )
    # Folders as well: their time changes when a file comes or goes.
    inputs = [root, *sorted({path.parent for path in files}), *files, pathlib.Path(__file__)]
    inputs += [p for p in root.iterdir() if p.is_dir() and p not in inputs]
    names = " ".join(os.path.abspath(p).replace(" ", "\\ ") for p in inputs)
    pathlib.Path(out_d).write_text(f"{out_c} {out_h}: {names}\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
