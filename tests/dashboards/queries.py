"""Runs what dashboards and alerts ask on a Prometheus, until every query has had an answer."""

import math
import time

import repository
from prometheus import Api

# What one second of scraping needs; a rate wants two samples.
RATE_INTERVAL = "10s"


class Checker:
    """`values` are those of the dashboards' variables; without one, everything is meant. Those of
    `single` are for variables of which only one value can be chosen."""

    def __init__(self, url, values=None, single=None, begin=None):
        self.api = Api(url)
        self.values, self.single = values or {}, single or {}
        self.begin = begin or time.time()

    def expression(self, dashboard, query):
        values = {name: variable.get("allValue", self.single.get(name, ".+"))
                  for name, variable in repository.variables(dashboard).items()}
        values.update({"__rate_interval": RATE_INTERVAL, "__interval": "1s", **self.values})
        return repository.substituted(query, values)

    def queries(self, names):
        """{(dashboard, panel, query): expression}"""
        found = {}
        for name, dashboard in repository.dashboards().items():
            if name not in names:
                continue
            for panel, target in repository.targets(dashboard):
                found[name, panel["title"], target["refId"]] = self.expression(
                    dashboard, target["expr"])
        return found

    def has_data(self, expression):
        for _, points in self.api.range(expression, self.begin, time.time(), 1):
            if any(not math.isnan(value) for _, value in points):
                return True
        return False

    def without_data(self, names, seconds):
        """The queries that have had no answer after that time; {} as soon as all have."""
        waiting = self.queries(names)
        end = time.monotonic() + seconds
        while waiting and time.monotonic() < end:
            waiting = {key: expression for key, expression in waiting.items()
                       if not self.has_data(expression)}
            if waiting:
                time.sleep(0.5)
        return waiting

    def variables_without_values(self, names):
        """Variables of the dashboards that would offer nothing to choose."""
        empty = []
        for name, dashboard in repository.dashboards().items():
            for variable in repository.variables(dashboard).values():
                if name not in names or variable["type"] != "query":
                    continue
                inside = variable["query"][len("label_values("):-1]
                metric, _, label = inside.rpartition(", ")
                selector = self.expression(dashboard, metric)
                found = self.api.get("series", **{"match[]": selector, "start": self.begin})
                if not any(label in one for one in found):
                    empty.append(f"{name}: ${variable['name']} ({label} of {selector})")
        return empty

    def broken_alerts(self, seconds):
        """Alerts that Prometheus could not evaluate, once it has tried all."""
        end = time.monotonic() + seconds
        while True:
            rules = self.api.rules()
            tried = [rule for rule in rules if rule["health"] != "unknown"]
            if rules and len(tried) == len(rules) or time.monotonic() > end:
                return [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}"
                        for rule in rules if rule["health"] != "ok"] if rules else ["no rules"]
            time.sleep(0.2)
