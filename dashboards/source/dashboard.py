"""A dashboard around its panels: variables, annotations, links."""

from panel import DATASOURCE, placed

TAG = "sluice"


def datasource_variable():
    return {"name": "datasource", "label": "Data source", "type": "datasource",
            "query": "prometheus", "regex": "", "hide": 0, "multi": False, "includeAll": False,
            "current": {}}


def variable(name, label, metric, of_label, many=True, all_value=".+"):
    """The values of a label; `many`: several or all of them may be chosen at once."""
    made = {"name": name, "label": label, "type": "query", "datasource": DATASOURCE,
            "query": f"label_values({metric}, {of_label})", "refresh": 2, "sort": 1, "hide": 0,
            "multi": many, "includeAll": many, "regex": ""}
    if many:
        made["allValue"] = all_value
        made["current"] = {"text": ["All"], "value": ["$__all"], "selected": True}
    return made


def annotation(name, colour, expression, title, text="", tags="", value_is_time=False):
    made = {"name": name, "datasource": DATASOURCE, "enable": True, "hide": False,
            "iconColor": colour, "expr": " ".join(expression.split()), "step": "30s",
            "titleFormat": title, "textFormat": text, "tagKeys": tags}
    if value_is_time:
        made["useValueForTime"] = "on"
    return made


def dashboard(uid, title, description, variables, panels, annotations=()):
    return {
        "uid": uid, "title": title, "description": description, "tags": [TAG],
        "editable": False, "graphTooltip": 1, "schemaVersion": 39, "version": 1,
        "refresh": "30s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser",
        "links": [{"title": "Sluice", "type": "dashboards", "tags": [TAG], "asDropdown": True,
                   "includeVars": True, "keepTime": True, "icon": "external link",
                   "targetBlank": False, "tooltip": "", "url": ""}],
        "annotations": {"list": list(annotations)},
        "templating": {"list": [datasource_variable(), *variables]},
        "panels": placed(list(panels)),
    }
