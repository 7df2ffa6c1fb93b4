#!/usr/bin/env python3
"""Writes the table of values into sluice/README.md, from values.yaml and values.schema.json.

    helm/values_table.py            writes the table
    helm/values_table.py --check    says whether it is what would be written, and whether both files
                                    have the same values
"""

import json
import pathlib
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parent / "sluice"
README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- end of values -->\n"
# Helm's own: no chart has to declare it.
NOT_OURS = ["global"]


def leaves(schema, values, path=""):
    """(path, schema, default) of each value; a map that is a value itself is one."""
    for name, field in schema["properties"].items():
        if not path and name in NOT_OURS:
            continue
        below = f"{path}.{name}" if path else name
        if name not in values:
            raise ValueError(f"values.yaml has no {below}")
        if "properties" in field and "description" not in field:
            yield from leaves(field, values[name], below)
        else:
            yield below, field, values[name]
    for name in values:
        if name not in schema["properties"]:
            raise ValueError(f"values.schema.json has no {path + '.' if path else ''}{name}")


def table():
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["| value | meaning | default |", "| --- | --- | --- |"]
    for path, field, default in leaves(schema, values):
        words = field.get("enum")
        allowed = f" One of {', '.join(f'`{word}`' for word in words)}." if words else ""
        lines.append(f"| `{path}` | {field['description']}{allowed} | `{json.dumps(default)}` |")
    return "\n".join(lines) + "\n"


def main(arguments):
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    text = before + BEGIN + table() + END + after
    if arguments == ["--check"]:
        if README.read_text() == text:
            return 0
        print("helm/sluice/README.md is not what values_table.py makes: run it", file=sys.stderr)
        return 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    README.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
