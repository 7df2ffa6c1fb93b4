#!/usr/bin/env python3
"""The chart and a real API server: it takes every object, and a release lives and ends well.

Nothing runs here: pods are another cluster's matter. Started by tests/cluster/with.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import uuid

import yaml

from chart import CHART, ROOT, Rendered, helm, text

sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import cluster  # noqa: E402
import daemons  # noqa: E402
import openapi_schemas  # noqa: E402

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/queues.sluice.dev"
# Their definitions come with prometheus-operator, which no API server has by itself.
NOT_SERVED = ["PodMonitor", "ServiceMonitor", "PrometheusRule"]
EVERYTHING = {"replicas": 2, **{name: {"enabled": True} for name in (
    "podMonitor", "serviceMonitor", "prometheusRule", "dashboards")}}
TIMEOUT_S = 120


class ServerCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster(os.environ["SLUICE_CLUSTER"])
        cls.kube = cls.cluster.kube()

    def setUp(self):
        self.namespace = f"helm-{uuid.uuid4().hex[:8]}"
        self.make_namespace(self.namespace)

    def make_namespace(self, name):
        labels = {"pod-security.kubernetes.io/enforce": "restricted",
                  "pod-security.kubernetes.io/warn": "restricted"}
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace",
                         "metadata": {"name": name, "labels": labels}})
        self.addCleanup(self.kube.delete, f"/api/v1/namespaces/{name}")

    def helm(self, *arguments, check=True):
        done = subprocess.run(
            [helm(), "--kubeconfig", str(self.cluster.kubeconfig), "--namespace", self.namespace,
             *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if check and done.returncode != 0:
            self.fail(f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done

    def definition(self):
        return self.kube.get(CRD_PATH, missing=None)

    def wait(self, what, ready):
        return daemons.wait_for(what, ready, TIMEOUT_S)


class Objects(ServerCase):
    def setUp(self):
        super().setUp()
        self.kube.kubectl("apply", "--server-side", "--force-conflicts", "-f",
                          str(ROOT / "crds" / "queues.sluice.dev.yaml"))
        self.wait("Queues to be served", lambda: "dev.sluice.v1alpha1.Queue" in json.dumps(
            self.kube.get("/openapi/v3/apis/sluice.dev/v1alpha1", missing={})))

    def test_kubeconform_finds_nothing(self):
        kubeconform = shutil.which("kubeconform", path=str(pathlib.Path(helm()).parent))
        with tempfile.TemporaryDirectory() as folder:
            location = openapi_schemas.write(self.kube, pathlib.Path(folder))

            def answer(manifests):
                done = subprocess.run(
                    [kubeconform, "-strict", "-output", "json", "-summary", "-skip",
                     ",".join(NOT_SERVED), "-schema-location", location, "-"],
                    input=manifests, capture_output=True, text=True, timeout=TIMEOUT_S,
                    check=False)
                return done.returncode, json.loads(done.stdout)

            for values in ({}, EVERYTHING, {"watchNamespace": "shop"}):
                code, found = answer(text(values))
                self.assertEqual(code, 0, found.get("resources"))
                self.assertGreaterEqual(found["summary"]["valid"], 10)
            # That it would find something.
            code, found = answer(text().replace("automountServiceAccountToken", "automountToken"))
            self.assertEqual((code, found["summary"]["invalid"]), (1, 3), found)

    def test_the_api_server_takes_every_object_without_a_warning(self):
        for values in (EVERYTHING, {**EVERYTHING, "watchNamespace": self.namespace}):
            for one in Rendered(values, namespace=self.namespace).objects:
                if one["kind"] in NOT_SERVED:
                    continue
                with self.subTest(f"{one['kind']} {one['metadata']['name']}"):
                    said = self.kube.kubectl(
                        "apply", "--server-side", "--force-conflicts", "--dry-run=server",
                        "--validate=strict", "-f", "-", text=json.dumps(one), check=False)
                    self.assertEqual((said.returncode, said.stderr), (0, ""))


class Release(ServerCase):
    def setUp(self):
        super().setUp()
        self.remove_definition()
        self.addCleanup(self.remove_definition)

    def remove_definition(self):
        if self.definition():
            self.kube.delete(CRD_PATH)
            self.wait("the definition to go", lambda: not self.definition())

    def install(self, *arguments, folder=CHART):
        self.helm("install", "sluice", str(folder), *arguments)
        self.addCleanup(self.helm, "uninstall", "sluice", "--ignore-not-found", check=False)

    def queue(self, name):
        return f"/apis/sluice.dev/v1alpha1/namespaces/{self.namespace}/queues/{name}"

    def make_queue(self, name):
        self.wait("Queues to be served", lambda: self.kube.kubectl(
            "apply", "-f", "-", check=False, text=yaml.safe_dump({
                "apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                "metadata": {"name": name, "namespace": self.namespace}})).returncode == 0)

    def chart_with(self, change):
        """A copy of the chart whose definition `change` has changed."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        copy = pathlib.Path(folder.name) / "sluice"
        shutil.copytree(CHART, copy)
        file = copy / "files" / "queues.sluice.dev.yaml"
        file.write_text(change(file.read_text()))
        return copy

    def test_the_definition_upgrades_with_the_release(self):
        older = self.chart_with(lambda text: text.replace("name: Endpoint", "name: Address"))
        self.install(folder=older)

        def columns():
            version = self.definition()["spec"]["versions"][0]
            return [one["name"] for one in version["additionalPrinterColumns"]]

        self.assertIn("Address", columns())
        self.make_queue("kept")
        self.helm("upgrade", "sluice", str(CHART))
        self.assertIn("Endpoint", columns())
        self.assertTrue(self.kube.exists(self.queue("kept")))

    def test_an_upgrade_without_a_change_changes_nothing(self):
        self.install()
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/sluice-operator"
        before = self.kube.get(path)["metadata"]["generation"]
        self.helm("upgrade", "sluice", str(CHART))
        self.assertEqual(self.kube.get(path)["metadata"]["generation"], before)

    def test_uninstalling_keeps_queues_and_their_definition(self):
        self.install()
        self.make_queue("kept")
        self.helm("uninstall", "sluice")
        self.assertTrue(self.kube.exists(self.queue("kept")))
        left = self.kube.kubectl("get", "all,configmap,networkpolicy,role,rolebinding,pdb", "-n",
                                 self.namespace, "-l", "app.kubernetes.io/part-of=sluice",
                                 "-o", "name").stdout
        self.assertEqual(left, "")
        roles = self.kube.kubectl("get", "clusterrole,clusterrolebinding", "-l",
                                  "app.kubernetes.io/part-of=sluice", "-o", "name").stdout
        self.assertEqual(roles, "")
        # And a later release takes the definition over again.
        self.install()

    def test_uninstalling_takes_the_definition_where_that_is_wanted(self):
        self.install("--set", "crds.keep=false")
        self.helm("uninstall", "sluice")
        self.wait("the definition to go", lambda: not self.definition())

    def test_a_definition_that_is_there_already_can_be_taken_over(self):
        self.kube.kubectl("apply", "--server-side", "-f",
                          str(ROOT / "crds" / "queues.sluice.dev.yaml"))
        refused = self.helm("install", "sluice", str(CHART), check=False)
        self.assertIn("invalid ownership metadata", refused.stderr)
        self.install("--take-ownership")
        self.assertEqual(self.definition()["metadata"]["labels"]["app.kubernetes.io/managed-by"],
                         "Helm")


class Granted(ServerCase):
    """What the roles come to, as the API server judges it."""

    def may(self, account, verb, resource, namespace=None, group="", name=None, subresource=None):
        asked = {"verb": verb, "resource": resource, "group": group,
                 "namespace": namespace or self.namespace}
        if name:
            asked["name"] = name
        if subresource:
            asked["subresource"] = subresource
        answer = self.kube.call(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
             "spec": {"user": f"system:serviceaccount:{self.namespace}:{account}",
                      "resourceAttributes": asked}})
        return answer["status"]["allowed"]

    def grant(self, *arguments):
        self.helm("install", "sluice", str(CHART), "--set", "crds.install=false", *arguments)
        self.addCleanup(self.helm, "uninstall", "sluice", check=False)

    def test_everywhere(self):
        self.grant()
        other = f"{self.namespace}-x"
        self.make_namespace(other)
        operator = "sluice-operator"

        def settled():
            return self.may(operator, "patch", "queues", other, "sluice.dev")

        self.wait("the roles to hold", settled)
        self.assertTrue(self.may(operator, "get", "secrets", other, name="orders-broker"))
        for verb in ("list", "watch", "deletecollection"):
            self.assertFalse(self.may(operator, verb, "secrets", other), verb)
        self.assertTrue(self.may(operator, "patch", "deployments", other, "apps",
                                 subresource="scale"))
        self.assertFalse(self.may(operator, "patch", "deployments", other, "apps"))
        self.assertFalse(self.may(operator, "create", "pods", other))
        self.assertFalse(self.may(operator, "create", "pods", other, subresource="exec"))
        self.assertFalse(self.may(operator, "create", "roles", other, "rbac.authorization.k8s.io"))
        lease = {"group": "coordination.k8s.io", "name": "sluice-operator"}
        self.assertTrue(self.may(operator, "update", "leases", **lease))
        self.assertFalse(self.may(operator, "update", "leases", other, **lease))

    def test_in_one_namespace(self):
        watched = f"{self.namespace}-x"
        self.make_namespace(watched)
        self.grant("--set", f"watchNamespace={watched}")
        operator = "sluice-operator"
        self.wait("the roles to hold", lambda: self.may(operator, "list", "queues", watched,
                                                        "sluice.dev"))
        self.assertTrue(self.may(operator, "create", "statefulsets", watched, "apps"))
        for namespace in (self.namespace, "default"):
            self.assertFalse(self.may(operator, "list", "queues", namespace, "sluice.dev"))
            self.assertFalse(self.may(operator, "get", "secrets", namespace, name="a"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
