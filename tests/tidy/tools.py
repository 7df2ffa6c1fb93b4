#!/usr/bin/env python3
"""Runs a tool of others over the files of the tree that are its business."""

import argparse
import pathlib
import subprocess
import sys

import source


def cpp(root):
    return source.Tree.of_folder(root).cpp()


def shell_scripts(root):
    tree = source.Tree.of_folder(root)
    return [p for p in tree.files if p.endswith(".sh") or p == ".ci/run"]


TOOLS = {
    "clang-format": (["clang-format-14", "--dry-run", "-Werror"], cpp),
    "shellcheck": (["shellcheck", "--external-sources", "--source-path=SCRIPTDIR"], shell_scripts),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, type=pathlib.Path, help="the repository")
    parser.add_argument("tool", choices=TOOLS)
    arguments = parser.parse_args()

    command, select = TOOLS[arguments.tool]
    files = select(arguments.root)
    if not files:
        sys.exit(f"{arguments.tool}: no file to look at")
    print(f"{arguments.tool}: {len(files)} files", flush=True)
    sys.exit(subprocess.run(command + files, cwd=arguments.root, check=False).returncode)


if __name__ == "__main__":
    main()
