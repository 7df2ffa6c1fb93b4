"""Panels of Grafana as short calls; what every panel has in common stands here once."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24  # columns of Grafana's grid
GREEN, YELLOW, RED = "green", "yellow", "red"


def target(expression, legend="", instant=False, table=False):
    """One query of a panel. White space of the expression is for whoever reads the source."""
    made = {"datasource": DATASOURCE, "expr": " ".join(expression.split()),
            "legendFormat": legend, "range": not instant}
    if instant:
        made["instant"] = True
    if table:
        made["format"] = "table"
    return made


def thresholds(warn=None, bad=None):
    steps = [{"color": GREEN, "value": None}]
    if warn is not None:
        steps.append({"color": YELLOW, "value": warn})
    if bad is not None:
        steps.append({"color": RED, "value": bad})
    return {"mode": "absolute", "steps": steps}


def _panel(kind, title, description, unit, targets, width, height):
    for number, one in enumerate(targets):
        one["refId"] = chr(ord("A") + number)
    return {"type": kind, "title": title, "description": description, "datasource": DATASOURCE,
            "gridPos": {"h": height, "w": width, "x": 0, "y": 0},
            "fieldConfig": {"defaults": {"unit": unit}, "overrides": []}, "options": {},
            "targets": targets}


def stat(title, description, unit, expression, width=3, warn=None, bad=None, mappings=None):
    """A number of now, with its recent course behind it."""
    panel = _panel("stat", title, description, unit, [target(expression)], width, 4)
    panel["fieldConfig"]["defaults"]["thresholds"] = thresholds(warn, bad)
    if mappings:
        panel["fieldConfig"]["defaults"]["mappings"] = [
            {"type": "value",
             "options": {value: {"text": text, "index": number}
                         for number, (value, text) in enumerate(mappings.items())}}]
    panel["options"] = {"colorMode": "value", "graphMode": "area", "textMode": "auto",
                        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "",
                                          "values": False}}
    return panel


def series(title, description, unit, *queries, width=8, stacked=False, bad=None):
    """Lines over time; `queries` are pairs of an expression and its legend."""
    panel = _panel("timeseries", title, description, unit,
                   [target(expression, legend) for expression, legend in queries], width, 8)
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if stacked else 8,
              "showPoints": "never", "spanNulls": False}
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    if bad is not None:
        custom["thresholdsStyle"] = {"mode": "line"}
        panel["fieldConfig"]["defaults"]["thresholds"] = thresholds(bad=bad)
    panel["fieldConfig"]["defaults"].update({"custom": custom, "min": 0})
    panel["options"] = {"tooltip": {"mode": "multi", "sort": "desc"},
                        "legend": {"displayMode": "list", "placement": "bottom",
                                   "showLegend": True}}
    return panel


def table(title, description, columns, by, links=()):
    """A row for each value of the labels `by`; `columns` are (heading, unit, expression)."""
    queries = [target(expression, instant=True, table=True) for _, _, expression in columns]
    panel = _panel("table", title, description, "short", queries, WIDTH, 10)
    names = {f"Value #{one['refId']}": column[0]
             for one, column in zip(panel["targets"], columns)}
    panel["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize",
         "options": {"excludeByName": {"Time": True},
                     "indexByName": {name: at for at, name in enumerate([*by, *names])},
                     "renameByName": names}}]
    overrides = [{"matcher": {"id": "byName", "options": heading},
                  "properties": [{"id": "unit", "value": unit}]} for heading, unit, _ in columns]
    for label, link_title, url in links:
        overrides.append({"matcher": {"id": "byName", "options": label},
                          "properties": [{"id": "links",
                                          "value": [{"title": link_title, "url": url}]}]})
    panel["fieldConfig"]["overrides"] = overrides
    panel["options"] = {"showHeader": True, "sortBy": [{"displayName": columns[0][0],
                                                        "desc": True}]}
    return panel


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [],
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": 0}}


def placed(panels):
    """Puts panels from left to right, line by line, and numbers them."""
    x = y = line = 0
    for number, panel in enumerate(panels, 1):
        grid = panel["gridPos"]
        if x + grid["w"] > WIDTH:
            x, y, line = 0, y + line, 0
        grid["x"], grid["y"] = x, y
        x, line = x + grid["w"], max(line, grid["h"])
        panel["id"] = number
    return panels
