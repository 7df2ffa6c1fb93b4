#!/usr/bin/env python3
"""Writes the dashboards, which are the files to import; --check says whether they are up to date.

    python3 dashboards/source/build.py
"""

import argparse
import json
import pathlib
import sys

import operator_page
import overview_page
import queue_page

HOME = pathlib.Path(__file__).resolve().parent.parent
PAGES = {"overview.json": overview_page, "queue.json": queue_page, "operator.json": operator_page}


def text_of(page):
    return json.dumps(page.build(), indent=2, ensure_ascii=False) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if one is older")
    arguments = parser.parse_args()

    stale = []
    for name, page in PAGES.items():
        path = HOME / name
        text = text_of(page)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    if arguments.check and stale:
        sys.exit(f"older than their source, run dashboards/source/build.py: {', '.join(stale)}")


if __name__ == "__main__":
    main()
