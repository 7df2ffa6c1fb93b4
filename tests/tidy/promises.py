#!/usr/bin/env python3
"""Checks that what docs/reliability.md names as the test of a promise exists: gtest programs with
names of tests, fuzz targets, and files."""

import argparse
import pathlib
import re
import sys

PAGE = "docs/reliability.md"


def missing(page, sources, exists):
    """What `page` names and nobody has. `sources`: {path: text} of the gtest sources."""
    for program, name in re.findall(r"`(\w+_test)(?: ([\w.]+))?`", page):
        if not any(re.search(rf"\bNAME {program}\b", text) for text in sources.values()):
            yield f"{program}: no such program"
        if name and not any(re.search(rf"^TEST(_F|_P)?\([^)]*{re.escape(name)}", text, re.M)
                            for text in sources.values()):
            yield f"{program} {name}: no such test"
    for target in re.findall(r"`(\w+_fuzz)`", page):
        if not exists(f"tests/fuzz/{target}.cc"):
            yield f"{target}: no such fuzz target"
    for path in re.findall(r"`((?:tests|docs)/[\w/.-]+)", page):
        if not exists(path):
            yield f"{path}: no such file"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=pathlib.Path, help="the repository")
    root = parser.parse_args().root
    sources = {str(path): path.read_text(encoding="utf-8")
               for pattern in ("*_test.cc", "CMakeLists.txt")
               for path in (root / "tests").rglob(pattern)}
    found = list(missing((root / PAGE).read_text(encoding="utf-8"), sources,
                         lambda path: (root / path).exists()))
    for what in found:
        print(f"{PAGE}: {what}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
