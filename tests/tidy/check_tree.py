#!/usr/bin/env python3
"""Checks the source tree against one rule of rules.py, or all of them."""

import argparse
import sys

import rules
import source


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", required=True, help="the repository")
    parser.add_argument("rules", nargs="*", metavar="RULE", help=f"of {', '.join(rules.ALL)}")
    arguments = parser.parse_args()

    tree = source.Tree.of_folder(arguments.root)
    if not tree.cpp():
        sys.exit(f"{arguments.root}: no C++ file found")
    count = 0
    for name in arguments.rules or rules.ALL:
        for path, line, what in rules.ALL[name](tree):
            print(f"{path}:{line}: {what} [{name}]")
            count += 1
    print(f"{len(tree.files)} files, {count} violations")
    sys.exit(1 if count else 0)


if __name__ == "__main__":
    main()
