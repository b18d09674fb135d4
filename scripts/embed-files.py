#!/usr/bin/env python3
"""Embeds a folder's files into C, byte by byte: a table of path, text and length.

usage: embed-files.py FOLDER NAME OUT.c OUT.h OUT.d

Gives `const NameFile name_files[]` and `name_file_count`; paths are relative to FOLDER.
"""

import os
import pathlib
import sys

LINE = 24  # bytes a line of C


def c_bytes(data):
    """As numbers in octal: any byte can stand beside any other."""
    lines = (data[at:at + LINE] for at in range(0, len(data), LINE))
    return "\n        ".join('"' + "".join(f"\\{byte:03o}" for byte in line) + '"' for line in lines) or '""'


def main(folder, name, out_c, out_h, out_d):
    root = pathlib.Path(folder)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    if not files:
        sys.exit(f"{folder}: holds no file")
    kind = name.capitalize() + "File"
    rows = []
    for path in files:
        data = path.read_bytes()
        rows.append(f'    {{"{path.relative_to(root).as_posix()}",\n        {c_bytes(data)},\n        {len(data)}}},\n')
    made = "/* Made by scripts/embed-files.py. */\n"
    header = pathlib.Path(out_h)
    header.write_text(
        made + f"#pragma once\n\n#include <stddef.h>\n\ntypedef struct {kind} {{\n    const char *path;\n"
        f"    const char *text;\n    size_t len;\n}} {kind};\n\n"
        f"extern const {kind} {name}_files[];\nextern const int {name}_file_count;\n", encoding="utf-8")
    pathlib.Path(out_c).write_text(
        made + f'#include "{header.name}"\n\nconst {kind} {name}_files[] = {{\n{"".join(rows)}}};\n'
        f"const int {name}_file_count = {len(files)};\n", encoding="utf-8")
    # Folders as well: their time changes when a file comes or goes.
    inputs = [root, *(p for p in root.rglob("*") if p.is_dir()), *files, pathlib.Path(__file__)]
    names = " ".join(os.path.abspath(path).replace(" ", "\\ ") for path in inputs)
    pathlib.Path(out_d).write_text(f"{out_c} {out_h}: {names}\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
