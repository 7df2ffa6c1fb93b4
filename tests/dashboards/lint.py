"""Rules for dashboards, after those of Grafana's dashboard-linter: one function a rule, each yields
what is wrong. `check_promql` is how a query is parsed; promtool does it in the tests."""

import re

import repository

# Grafana's names of units that ours use.
UNITS = {"short", "none", "s", "bytes", "percentunit", "cps"}
COUNTERS = re.compile(r"_(total|bucket|count|sum)$")
RATES = r"(?:rate|irate|increase|changes|resets)"


def _data_source(value):
    return value == {"type": "prometheus", "uid": "${datasource}"}


def _name(panel, target=None):
    return f"{panel.get('title', '?')!r}" + (f" {target['refId']}" if target else "")


def uneditable(dashboard):
    if dashboard.get("editable") is not False:
        yield "editable is not false: changes belong into the file"


def data_source_variable(dashboard):
    variable = repository.variables(dashboard).get("datasource", {})
    if variable.get("type") != "datasource" or variable.get("query") != "prometheus":
        yield "no variable `datasource` for a Prometheus data source"


def job_and_instance_variables(dashboard):
    for name in ("job", "instance"):
        variable = repository.variables(dashboard).get(name)
        if variable is None:
            yield f"no variable `{name}`"
        elif not (variable["type"] == "query" and variable["multi"] and variable["includeAll"]
                  and variable["allValue"] == ".+" and variable["label"]
                  and _data_source(variable["datasource"])):
            yield f"variable `{name}`: a query, several or all (.+), with a label"


def variables_reload(dashboard):
    for name, variable in repository.variables(dashboard).items():
        if variable["type"] == "query" and variable.get("refresh") != 2:
            yield f"variable `{name}` is not read again when the time range changes"


def variables_are_used(dashboard):
    used = " ".join(target["expr"] for _, target in repository.targets(dashboard))
    for name in repository.variables(dashboard):
        if name != "datasource" and not re.search(rf"\$\{{?{name}\b", used):
            yield f"variable `{name}` is in no query"


def panel_data_source(dashboard):
    for panel in repository.panels(dashboard):
        if not _data_source(panel.get("datasource")):
            yield f"{_name(panel)}: another data source than $datasource"
    for panel, target in repository.targets(dashboard):
        if not _data_source(target.get("datasource")):
            yield f"{_name(panel, target)}: another data source than $datasource"


def panel_title_and_description(dashboard):
    for panel in repository.panels(dashboard):
        if not panel.get("title") or not panel.get("description"):
            yield f"{_name(panel)}: a panel has a title and a description"


def panel_units(dashboard):
    for panel in repository.panels(dashboard):
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{_name(panel)}: unit {panel['fieldConfig']['defaults'].get('unit')!r}"


def panel_has_targets(dashboard):
    for panel in repository.panels(dashboard):
        if not panel.get("targets"):
            yield f"{_name(panel)}: no query"


def panels_do_not_overlap(dashboard):
    taken, ids = {}, set()
    for panel in dashboard["panels"]:
        grid = panel["gridPos"]
        if panel["id"] in ids:
            yield f"{_name(panel)}: id {panel['id']} twice"
        ids.add(panel["id"])
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                if x >= 24 or (x, y) in taken:
                    yield f"{_name(panel)}: lies on {taken.get((x, y), 'the edge')}"
                    return
                taken[x, y] = panel["title"]


def target_matchers(dashboard):
    """Each selector of a query asks for the chosen job and instance."""
    for panel, target in repository.targets(dashboard):
        selectors = re.findall(r"\{[^}]*\}", target["expr"])
        if not selectors:
            yield f"{_name(panel, target)}: no selector"
        for selector in selectors:
            for name in ("job", "instance"):
                if f'{name}=~"${name}"' not in selector:
                    yield f"{_name(panel, target)}: {selector} has no matcher {name}=~\"${name}\""


def target_rate_interval(dashboard):
    """`[1h]` is a choice; `[5m]` under rate() is a scrape interval that somebody guessed."""
    for panel, target in repository.targets(dashboard):
        for interval in re.findall(r"\brate\([^\[\]]*\[([^\]]+)\]", target["expr"]):
            if interval != "$__rate_interval":
                yield f"{_name(panel, target)}: rate over {interval}, not $__rate_interval"


def target_counters(dashboard):
    for panel, target in repository.targets(dashboard):
        for metric in repository.metrics_of(target["expr"]):
            if COUNTERS.search(metric) and not re.search(
                    rf"\b{RATES}\(\s*{re.escape(metric)}\b", target["expr"]):
                yield f"{_name(panel, target)}: counter {metric} without rate() or increase()"


def queries_parse(dashboard, check_promql):
    values = {name: ".+" for name in repository.variables(dashboard)}
    values.update({"__rate_interval": "1m", "__interval": "15s"})
    expressions = [(_name(panel, target), target["expr"])
                   for panel, target in repository.targets(dashboard)]
    expressions += [(f"annotation {one['name']!r}", one["expr"])
                    for one in dashboard["annotations"]["list"]]
    for name, expression in expressions:
        problem = check_promql(repository.substituted(expression, values))
        if problem:
            yield f"{name}: {problem}"


ALL = [uneditable, data_source_variable, job_and_instance_variables, variables_reload,
       variables_are_used, panel_data_source, panel_title_and_description, panel_units,
       panel_has_targets, panels_do_not_overlap, target_matchers, target_rate_interval,
       target_counters]
