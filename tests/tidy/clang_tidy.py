#!/usr/bin/env python3
"""Runs clang-tidy over the sources of a build folder, and remembers what was found clean.

In a unity build these are the files that CMake writes, each of which includes several sources: what
their headers have in common is then read once, not once a source, which is most of the time.

A file that passed leaves a stamp named by everything its result depends on: the tool, the checks,
the command line, and the texts of the file and of all sources and headers of ours that it reaches.
Only what changed is looked at again.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import source

FOLDERS = ("lib/", "operator/", "sidecar/", "cli/")
HEADER_ROOTS = ("lib", "include", "")


def reached(root, path):
    """`path` and the headers of ours that it includes, directly or not."""
    seen, waiting = set(), [path]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        for _, _, include in source.includes((root / current).read_text(encoding="utf-8")):
            waiting += [h for h in (os.path.join(r, include) for r in HEADER_ROOTS)
                        if (root / h).is_file()][:1]
    return sorted(seen)


def stamp_name(root, path, command, tool_version):
    digest = hashlib.sha256()
    for part in (tool_version, (root / ".clang-tidy").read_text(encoding="utf-8"), command,
                 *(p + "\0" + (root / p).read_text(encoding="utf-8")
                   for p in reached(root, path))):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def is_wanted(root, file):
    return file.is_relative_to(root) and str(file.relative_to(root)).startswith(FOLDERS)


def commands_of(root, build):
    """Path -> compile command, of the files to look at."""
    entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
    found = {}
    for entry in entries:
        file = pathlib.Path(entry["directory"], entry["file"])
        sources = [file]
        if file.match("*/Unity/unity_*.cxx"):
            text = file.read_text(encoding="utf-8")
            sources = [pathlib.Path(include) for _, _, include in source.includes(text)]
        if any(is_wanted(root, one) for one in sources):
            found[str(file)] = entry["command"]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", required=True, type=pathlib.Path, help="the repository")
    parser.add_argument("--build", required=True, type=pathlib.Path,
                        help="a build folder configured with clang")
    parser.add_argument("--tool", default="clang-tidy-14")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    root, build = arguments.root.resolve(), arguments.build.resolve()

    version = subprocess.run([arguments.tool, "--version"], capture_output=True, text=True,
                             check=True).stdout
    stamps = build / "stamps"
    stamps.mkdir(exist_ok=True)
    commands = commands_of(root, build)
    if not commands:
        sys.exit(f"{build}: compile_commands.json names no file of {', '.join(FOLDERS)}")

    names = {p: stamp_name(root, p, command, version) for p, command in commands.items()}
    for old in stamps.iterdir():
        if old.name not in names.values():
            old.unlink()
    todo = sorted(p for p, name in names.items() if not (stamps / name).exists())
    print(f"{len(commands)} files, {len(todo)} to look at", flush=True)

    def look_at(path):
        run = subprocess.run(
            [arguments.tool, "--quiet", "-p", str(build), str(root / path)],
            capture_output=True, text=True, check=False)
        if run.returncode == 0:
            (stamps / names[path]).touch()
        return path, run

    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for path, run in pool.map(look_at, todo):
            if run.returncode != 0:
                failed += 1
                errors = re.sub(r"^\d+ warnings? generated\.\n", "", run.stderr, flags=re.M)
                print(f"{path}\n{run.stdout}{errors}", flush=True)
    print(f"{failed} files with findings")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
