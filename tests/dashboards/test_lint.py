#!/usr/bin/env python3
"""The dashboards obey the rules of lint.py, and the rules find what they are for."""

import copy
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import lint
import repository

METRICS = (repository.ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
# What Prometheus itself tells of a target.
OF_PROMETHEUS = {"up"}


def documented():
    """Metrics of docs/metrics.md -> (type, labels)."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ?([\w, ]*?) ?\|", METRICS, re.M)
    return {name: (kind, set(filter(None, labels.replace(" ", "").split(","))))
            for name, kind, labels in rows}


def promtool_on(expressions):
    """What promtool says about queries, as a file of recording rules."""
    lines = ["groups:", "- name: queries", "  rules:"]
    for number, expression in enumerate(expressions):
        quoted = expression.replace("'", "''")
        lines += [f"  - record: query:{number}", f"    expr: '{quoted}'"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        done = subprocess.run(["promtool", "check", "rules", file.name], text=True,
                              capture_output=True, check=False)
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()


class Dashboards(unittest.TestCase):
    maxDiff = None

    def each(self):
        for name, dashboard in repository.dashboards().items():
            with self.subTest(dashboard=name):
                yield name, dashboard

    def test_there_are_three(self):
        self.assertEqual(list(repository.dashboards()),
                         ["operator.json", "overview.json", "queue.json"])

    def test_they_obey_every_rule(self):
        for _, dashboard in self.each():
            for rule in lint.ALL:
                self.assertEqual(list(rule(dashboard)), [], rule.__name__)

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_their_queries_are_promql(self):
        for _, dashboard in self.each():
            expressions = []
            list(lint.queries_parse(dashboard, expressions.append))
            self.assertEqual(promtool_on(expressions), "")

    def test_they_are_what_their_source_says(self):
        build = repository.DASHBOARDS / "source" / "build.py"
        done = subprocess.run([sys.executable, "-B", build, "--check"], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_their_metrics_and_labels_are_documented(self):
        known = documented()
        for _, dashboard in self.each():
            for panel, target in repository.targets(dashboard):
                for metric, selector in re.findall(r"\b([a-z_]+)\{([^}]*)\}", target["expr"]):
                    name = re.sub(r"_(bucket|sum|count)$", "", metric)
                    if name in OF_PROMETHEUS:
                        continue
                    self.assertIn(name, known, panel["title"])
                    asked = set(re.findall(r"(\w+)(?:=~|!=|=)", selector))
                    self.assertLessEqual(asked - {"job", "instance", "namespace"},
                                         known[name][1], f"{panel['title']}: {metric}")

    def test_a_counter_is_one_by_its_documented_type(self):
        for name, (kind, _) in documented().items():
            self.assertEqual(kind == "counter", name.endswith("_total"), name)


class Rules(unittest.TestCase):
    """Each rule, shown a dashboard in which one thing is wrong."""

    def setUp(self):
        self.dashboard = copy.deepcopy(repository.dashboards()["overview.json"])
        self.panel = next(panel for panel in self.dashboard["panels"]
                          if panel["type"] == "timeseries")

    def finds(self, rule, part):
        problems = list(rule(self.dashboard))
        self.assertTrue(any(part in problem for problem in problems), problems)

    def query(self, expression):
        self.panel["targets"][0]["expr"] = expression

    def test_editable(self):
        self.dashboard["editable"] = True
        self.finds(lint.uneditable, "editable")

    def test_data_source(self):
        self.dashboard["templating"]["list"][0]["query"] = "loki"
        self.finds(lint.data_source_variable, "datasource")
        self.panel["datasource"] = {"type": "prometheus", "uid": "mine"}
        self.finds(lint.panel_data_source, "another data source")

    def test_variables(self):
        repository.variables(self.dashboard)["job"]["multi"] = False
        self.finds(lint.job_and_instance_variables, "`job`")
        repository.variables(self.dashboard)["queue"]["refresh"] = 1
        self.finds(lint.variables_reload, "`queue`")
        self.dashboard["templating"]["list"].append({"name": "forgotten", "type": "query"})
        self.finds(lint.variables_are_used, "`forgotten`")

    def test_panels(self):
        self.panel["description"] = ""
        self.finds(lint.panel_title_and_description, "description")
        self.panel["fieldConfig"]["defaults"]["unit"] = "parsec"
        self.finds(lint.panel_units, "parsec")
        self.panel["gridPos"]["y"] -= 1
        self.finds(lint.panels_do_not_overlap, "lies on")
        self.panel["targets"] = []
        self.finds(lint.panel_has_targets, "no query")

    def test_queries(self):
        self.query("sum(sluice_connections)")
        self.finds(lint.target_matchers, "no selector")
        self.query('sum(sluice_connections{job=~"$job"})')
        self.finds(lint.target_matchers, "instance")
        self.query('rate(sluice_wal_fsync_total{job=~"$job", instance=~"$instance"}[5m])')
        self.finds(lint.target_rate_interval, "5m")
        self.query('sum(sluice_wal_fsync_total{job=~"$job", instance=~"$instance"})')
        self.finds(lint.target_counters, "sluice_wal_fsync_total")

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_promql(self):
        self.assertIn("parse error", promtool_on(["sum(("]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
