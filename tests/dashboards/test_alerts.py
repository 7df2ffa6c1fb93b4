#!/usr/bin/env python3
"""Each alert fires when it should and not when it should not, by promtool; each has a runbook."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest

import alert_cases
import repository
import test_lint

BASE = "docs/runbooks/"  # in this repository; the chart puts a URL in its place, or nothing


def rules_of(path):
    """The alerts of a rule file: name -> its text. Our files have one form, so no YAML parser."""
    parts = re.split(r"^  - alert: (\w+)$", path.read_text(encoding="utf-8"), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def unit_test(alert, case, series, fires):
    """One entry of promtool's `tests`."""
    labels = {"__name__": "ALERTS", "alertname": alert, "alertstate": "firing",
              "severity": case.severity, **case.labels}
    name = labels.pop("__name__")
    text = name + "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"
    return {"name": f"{alert} {'fires' if fires else 'is quiet'}", "interval": "1m",
            "input_series": [{"series": one, "values": values} for one, values in series],
            "promql_expr_test": [{
                "expr": f'ALERTS{{alertname="{alert}", alertstate="firing"}}',
                "eval_time": f"{case.minutes}m",
                "exp_samples": [{"labels": text, "value": 1}] if fires else []}]}


@unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
class Rules(unittest.TestCase):

    def promtool(self, *arguments):
        done = subprocess.run(["promtool", *map(str, arguments)], text=True, capture_output=True,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_prometheus_accepts_the_files(self):
        self.promtool("check", "rules", *sorted(repository.ALERTS.glob("*.yaml")))

    def test_each_fires_and_each_can_be_quiet(self):
        for name, cases in alert_cases.CASES.items():
            path = repository.ALERTS / name
            with self.subTest(file=name):
                self.assertEqual(list(rules_of(path)), list(cases))
                tests = []
                for alert, case in cases.items():
                    tests.append(unit_test(alert, case, case.fires, True))
                    tests.append(unit_test(alert, case, case.quiet, False))
                # promtool evaluates hours of each; the file is JSON, which is YAML.
                with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
                    json.dump({"rule_files": [str(path)], "evaluation_interval": "1m",
                               "tests": tests}, file)
                    file.flush()
                    self.promtool("test", "rules", file.name)


class Texts(unittest.TestCase):

    def alerts(self):
        for path in sorted(repository.ALERTS.glob("*.yaml")):
            for alert, text in rules_of(path).items():
                with self.subTest(alert=alert):
                    yield alert, text

    def test_each_says_what_it_is_how_bad_and_what_to_read(self):
        for alert, text in self.alerts():
            self.assertRegex(text, r"\n      severity: (warning|critical)\n")
            self.assertRegex(text, r"\n      summary: [A-Z].*\.\n")
            self.assertRegex(text, r"\n      description: >-\n")
            self.assertIn(f"\n      runbook_url: {BASE}{alert}.md\n", text)

    def test_each_has_a_runbook_and_each_runbook_an_alert(self):
        names = [alert for alert, _ in self.alerts()]
        self.assertEqual(len(set(names)), len(names))
        pages = {path.stem for path in repository.RUNBOOKS.glob("*.md")} - {"README"}
        self.assertEqual(pages, set(names))

    def test_runbooks_say_what_how_to_look_and_what_to_do(self):
        index = (repository.RUNBOOKS / "README.md").read_text(encoding="utf-8")
        for alert, _ in self.alerts():
            page = (repository.RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
            self.assertTrue(page.startswith(f"# {alert}\n"), alert)
            headings = re.findall(r"^## (.*)$", page, re.M)
            self.assertEqual(headings, ["What it means", "How to look", "What to do"])
            self.assertIn(f"]({alert}.md)", index)

    def test_links_of_runbooks_lead_somewhere(self):
        for path in repository.RUNBOOKS.glob("*.md"):
            text = path.read_text(encoding="utf-8")
            for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", text):
                self.assertTrue((path.parent / link).exists(), f"{path.name}: {link}")

    def test_metrics_are_documented(self):
        known = test_lint.documented().keys() | test_lint.OF_PROMETHEUS
        for alert, text in self.alerts():
            expression = text.split("    labels:")[0]
            names = re.findall(r"\b((?:sluice|controller_runtime|workqueue|leader)_\w+)",
                               expression)
            self.assertTrue(names or "up ==" in expression, alert)
            for name in names:
                self.assertIn(re.sub(r"_bucket$", "", name), known, alert)


if __name__ == "__main__":
    unittest.main(verbosity=2)
