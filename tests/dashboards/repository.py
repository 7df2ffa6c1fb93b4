"""Where things are, and what a dashboard or a rule file contains."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DASHBOARDS = ROOT / "dashboards"
ALERTS = DASHBOARDS / "alerts"
RUNBOOKS = ROOT / "docs" / "runbooks"


def dashboards():
    """Name of the file -> dashboard."""
    return {path.name: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboard):
    """All panels but rows."""
    for panel in dashboard["panels"]:
        for one in [panel, *panel.get("panels", [])]:
            if one["type"] != "row":
                yield one


def targets(dashboard):
    """(panel, target) for each query."""
    for panel in panels(dashboard):
        for target in panel.get("targets", []):
            yield panel, target


def variables(dashboard):
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def substituted(expression, values):
    """A query with Grafana's variables replaced; one without a value is an error."""
    def value(match):
        name = match[1] or match[2]
        if name not in values:
            raise KeyError(f"${name} has no value in: {expression}")
        return values[name]
    return re.sub(r"\$\{(\w+)\}|\$(\w+)", value, expression)


def metrics_of(expression):
    """Names of metrics in a query: what stands before a selector."""
    return set(re.findall(r"\b([a-z_:][a-z0-9_:]*)\s*\{", expression))
