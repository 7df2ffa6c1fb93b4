#!/usr/bin/env python3
"""What the chart makes of its values. Needs helm ($SLUICE_CLUSTER_BIN or PATH)."""

import json
import sys
import unittest

import yaml

from chart import CHART, ROOT, Invalid, Rendered, helm, run
from value_cases import CASES

sys.path.insert(0, str(ROOT / "helm"))
from values_table import leaves  # noqa: E402

# What ctest is told with SKIP_RETURN_CODE.
SKIPPED = 77


def values_of_chart():
    schema = json.loads((CHART / "values.schema.json").read_text())
    return list(leaves(schema, yaml.safe_load((CHART / "values.yaml").read_text())))


def without(values, path):
    """A copy of `values` that lacks the one at `path`."""
    first, *rest = path
    if not rest:
        return {name: value for name, value in values.items() if name != first}
    return {**values, first: without(values[first], rest)}


class Values(unittest.TestCase):
    def test_each_has_a_case(self):
        self.assertEqual(sorted(CASES), sorted(path for path, _, _ in values_of_chart()))

    def test_each_has_its_effect(self):
        for path, (values, check) in CASES.items():
            with self.subTest(path):
                self.assertTrue(check(Rendered(values)))

    def test_each_effect_is_that_of_its_value(self):
        """A check that is met without the value as well would show nothing."""
        defaults = Rendered()
        for path, (values, check) in CASES.items():
            rest = without(values, path.split("."))
            with self.subTest(path):
                try:
                    is_met = check(Rendered(rest) if any(rest.values()) else defaults)
                except (AssertionError, KeyError, IndexError, TypeError):
                    is_met = False
                self.assertFalse(is_met)

    def test_unknown_ones_are_refused(self):
        unknown = [{"replica": 2}, {"image": {"tagg": "1"}}, {"rbac": {"create": True, "x": 1}},
                   {"podMonitor": {"every": "1s"}}, {"resources": {"request": {}}}]
        for values in unknown:
            with self.subTest(values), self.assertRaises(Invalid):
                Rendered(values)

    def test_wrong_ones_are_refused(self):
        wrong = [{"replicas": "2"}, {"replicas": -1}, {"workers": 0}, {"workers": 65},
                 {"image": {"pullPolicy": "Sometimes"}}, {"image": {"repository": ""}},
                 {"image": {"tag": 1.0}}, {"watchNamespace": "Shop"}, {"crds": {"keep": "no"}},
                 {"networkPolicy": {"apiServerPorts": [0]}}, {"podMonitor": {"interval": "often"}},
                 {"rbac": {"scaleTargets": [{"apiGroup": "apps"}]}}, {"extraArgs": "--x"},
                 {"broker": {"version": "1/2"}}, {"test": {"timeoutSeconds": 1}}]
        for values in wrong:
            with self.subTest(values), self.assertRaises(Invalid):
                Rendered(values)


class Schema(unittest.TestCase):
    def test_no_map_of_ours_is_open(self):
        def look(schema, path):
            if "properties" in schema:
                self.assertIs(schema.get("additionalProperties"), False, path)
                for name, field in schema["properties"].items():
                    look(field, f"{path}.{name}")
        look(json.loads((CHART / "values.schema.json").read_text()), "")


class Chart(unittest.TestCase):
    def test_lint_finds_nothing(self):
        run("lint", "--strict", str(CHART))

    def test_versions_are_those_of_the_project(self):
        chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
        project = (ROOT / "CMakeLists.txt").read_text()
        self.assertIn(f"project(sluice VERSION {chart['appVersion']} ", project)
        self.assertEqual(chart["version"], chart["appVersion"])

    def test_the_definition_is_that_of_crds(self):
        ours = yaml.safe_load((ROOT / "crds" / "queues.sluice.dev.yaml").read_text())
        made = Rendered().one("CustomResourceDefinition")
        self.assertEqual(made["spec"], ours["spec"])
        self.assertEqual(made["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})

    def test_dashboards_and_alerts_are_those_of_dashboards(self):
        release = Rendered({"dashboards": {"enabled": True}, "prometheusRule": {"enabled": True}})
        folder = ROOT / "dashboards"
        pages = {f"sluice-{page.name}": json.loads(page.read_text())
                 for page in folder.glob("*.json")}
        self.assertGreaterEqual(len(pages), 3)
        made = {name: json.loads(text) for one in release.of("ConfigMap")
                for name, text in one["data"].items()}
        self.assertEqual(made, pages)
        groups = [group for path in sorted((folder / "alerts").glob("*.yaml"))
                  for group in yaml.safe_load(path.read_text())["groups"]]
        for rule in (rule for group in groups for rule in group["rules"]):
            del rule["annotations"]["runbook_url"]  # nobody has said where the pages are
        self.assertEqual(release.one("PrometheusRule")["spec"]["groups"], groups)

    def test_every_object_has_a_namespace_and_the_labels(self):
        everything = {"replicas": 2, **{name: {"enabled": True} for name in (
            "podMonitor", "serviceMonitor", "prometheusRule", "dashboards")}}
        for one in Rendered(everything).objects:
            with self.subTest(f"{one['kind']} {one['metadata']['name']}"):
                if one["kind"] not in ("ClusterRole", "ClusterRoleBinding",
                                       "CustomResourceDefinition"):
                    self.assertEqual(one["metadata"]["namespace"], "sluice-system")
                labels = one["metadata"]["labels"]
                self.assertEqual(labels["app.kubernetes.io/instance"], "sluice")
                self.assertEqual(labels["app.kubernetes.io/part-of"], "sluice")

    def test_a_release_of_another_name_has_other_names(self):
        names = Rendered(release="prod").names("Deployment")
        self.assertEqual(names, ["prod-sluice-operator"])

    def test_the_notes_name_what_was_installed(self):
        for values, word in (({}, "all namespaces"), ({"watchNamespace": "shop"}, "shop")):
            notes = run("install", "sluice", str(CHART), "--dry-run=client", "--namespace", "n",
                        *[f"--set={name}={value}" for name, value in values.items()])
            self.assertIn(word, notes.split("NOTES:")[1])


class Access(unittest.TestCase):
    def all_rules(self, values=None):
        release = Rendered(values)
        return [rule for one in release.of("ClusterRole") + release.of("Role")
                for rule in one["rules"]]

    def test_nothing_is_granted_in_general(self):
        for values in ({}, {"watchNamespace": "shop"}):
            for rule in self.all_rules(values):
                for words in (rule["apiGroups"], rule["resources"], rule["verbs"]):
                    self.assertNotIn("*", words)
                for verb in ("escalate", "bind", "impersonate"):
                    self.assertNotIn(verb, rule["verbs"])

    def test_secrets_are_not_listed(self):
        found = False
        for rule in self.all_rules():
            if "secrets" in rule["resources"]:
                found = True
                self.assertFalse({"list", "watch", "deletecollection"} & set(rule["verbs"]))
        self.assertTrue(found)

    def test_the_page_says_each_verb_and_why(self):
        documented = {"cluster": [], "one": [], "lease": []}
        page = (ROOT / "docs" / "operator.md").read_text()
        section = page.split("## What it may do\n")[1].split("\n## ")[0]
        for line in section.splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 4 or cells[0] in ("group", "---"):
                continue
            self.assertGreater(len(cells[3]), 3, line)
            row = ("" if cells[0] == "core" else cells[0], cells[1].split(", "),
                   cells[2].split(", "))
            if cells[0] == "coordination.k8s.io":
                documented["lease"].append(row)
                continue
            documented["cluster"].append(row)
            if not cells[3].startswith("*cluster*"):
                documented["one"].append(row)

        def granted(rules):
            return [(rule["apiGroups"][0], rule["resources"], rule["verbs"]) for rule in rules]

        release, one = Rendered(), Rendered({"watchNamespace": "shop"})
        self.assertEqual(documented["cluster"],
                         granted(release.rules("ClusterRole", "sluice-operator")))
        self.assertEqual(documented["one"], granted(one.rules("Role", "sluice-operator")))
        self.assertEqual(documented["lease"],
                         granted(release.rules("Role", "sluice-operator-election")))

    def test_in_one_namespace_no_cluster_role_is_left(self):
        release = Rendered({"watchNamespace": "shop"})
        self.assertEqual(release.of("ClusterRole") + release.of("ClusterRoleBinding"), [])

    def test_the_lease_is_the_operator_s_own(self):
        release = Rendered()
        rule = release.rules("Role", "sluice-operator-election")[1]
        self.assertEqual(rule["resourceNames"], ["sluice-operator"])
        self.assertIn("--lease-name=sluice-operator", release.container["args"])


class Restricted(unittest.TestCase):
    """The Pod Security Standard "restricted", for each pod."""

    def assert_restricted(self, spec):
        self.assertTrue(spec["securityContext"]["runAsNonRoot"])
        self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            self.assertFalse(context["allowPrivilegeEscalation"])
            self.assertTrue(context["readOnlyRootFilesystem"])
            self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        for volume in spec.get("volumes", []):
            self.assertNotIn("hostPath", volume)
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            self.assertNotIn(field, spec)

    def test_each_pod(self):
        release = Rendered()
        self.assert_restricted(release.pod["spec"])
        self.assert_restricted(release.one("Pod")["spec"])

    def test_probes_and_resources_are_there(self):
        container = Rendered().container
        self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/healthz")
        self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/readyz")
        self.assertIn("memory", container["resources"]["limits"])


if __name__ == "__main__":
    if helm() is None:
        print("SKIPPED: there is no helm; set SLUICE_CLUSTER_BIN to a folder that has it")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
