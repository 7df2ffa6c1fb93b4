#!/usr/bin/env python3
"""A release on a cluster where pods run: installed, tested, upgraded and taken away.

Started by tests/cluster/with, on a cluster with a node. SLUICE_BIN is the folder of the programs.
"""

import os
import pathlib
import subprocess
import sys
import unittest
import uuid

from chart import CHART, ROOT, helm

sys.path.insert(0, str(ROOT / "tests" / "cluster"))
import cluster  # noqa: E402
import image  # noqa: E402
import daemons  # noqa: E402

BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build" / "release" / "bin"))
QUEUES = "/apis/sluice.dev/v1alpha1"
IMAGE = "sluice:helm"
VALUES = ["--set", "image.tag=helm", "--set", "image.pullPolicy=Never"]
READY_S = 120


def condition(queue, kind):
    found = [one for one in queue.get("status", {}).get("conditions", []) if one["type"] == kind]
    return found[0]["status"] if found else None


class Release(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster(os.environ["SLUICE_CLUSTER"])
        cls.kube = cls.cluster.kube()
        archive = cls.cluster.folder / "helm-image.tar"
        image.of_programs(archive, IMAGE, BIN)
        cls.cluster.runtime().load(archive)
        archive.unlink()

    def setUp(self):
        name = f"helm-{uuid.uuid4().hex[:8]}"
        self.system, self.shop = f"{name}-system", f"{name}-shop"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        for name in (self.system, self.shop):
            self.kube.apply({"apiVersion": "v1", "kind": "Namespace",
                             "metadata": {"name": name, "labels": labels}})
            self.addCleanup(self.kube.delete, f"/api/v1/namespaces/{name}")
        self.addCleanup(self.helm, "uninstall", "sluice", "--ignore-not-found", check=False)

    def helm(self, *arguments, check=True):
        done = subprocess.run(
            [helm(), "--kubeconfig", str(self.cluster.kubeconfig), "--namespace", self.system,
             *arguments], capture_output=True, text=True, timeout=2 * READY_S, check=False)
        if check and done.returncode != 0:
            self.fail(f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}\n"
                      f"{self.cluster.diagnosis()}")
        return done.stdout

    def install(self, *more):
        # The definition stays when a release goes, and then belongs to none.
        self.helm("upgrade", "--install", "sluice", str(CHART), "--take-ownership", "--wait",
                  "--timeout", f"{READY_S}s", *VALUES, *more)

    def names(self, path):
        return sorted(one["metadata"]["name"] for one in self.kube.items(path))

    def queue(self):
        return self.kube.get(f"{QUEUES}/namespaces/{self.shop}/queues/orders")

    def is_available(self):
        return condition(self.queue(), "BrokerAvailable") == "True"

    def make_queue(self):
        self.kube.apply({
            "apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
            "metadata": {"name": "orders", "namespace": self.shop},
            "spec": {"limits": {"bytes": "64Mi"}, "deadLetter": {"bytes": "16Mi"},
                     "broker": {"storage": {"size": "1Gi"}}, "deletionPolicy": "Delete"}})
        daemons.wait_for("the broker", self.is_available, READY_S)

    def broker(self):
        pod = self.kube.get(f"/api/v1/namespaces/{self.shop}/pods/orders-0")
        started = pod["status"]["containerStatuses"][0]
        return pod["metadata"]["uid"], started["restartCount"], started["ready"]

    def remove_queue(self):
        path = f"{QUEUES}/namespaces/{self.shop}/queues/orders"
        self.kube.delete(path)
        daemons.wait_for("the queue to go", lambda: not self.kube.exists(path), READY_S)

    def test_from_install_to_uninstall(self):
        self.install()
        self.assertIn("Phase:          Succeeded",
                      said := self.helm("test", "sluice", "--logs", "--timeout", f"{READY_S}s"))
        self.assertIn("published by helm test", said)
        # Nothing of the test is left but the pod that tells of it.
        self.assertEqual(self.names(f"{QUEUES}/namespaces/{self.system}/queues"), [])
        claims = f"/api/v1/namespaces/{self.system}/persistentvolumeclaims"
        daemons.wait_for("the test's volume to go", lambda: not self.names(claims), READY_S)

        self.make_queue()
        before = self.broker()
        operator = f"/api/v1/namespaces/{self.system}/pods?labelSelector=" \
                   "app.kubernetes.io%2Fname%3Dsluice-operator"
        pods = self.names(operator)
        # An upgrade moves the operator and no broker.
        self.install("--set", "workers=2", "--set", "logLevel=debug")
        daemons.wait_for("the other operator", lambda: not set(self.names(operator)) & set(pods),
                           READY_S)
        self.assertEqual(self.broker(), before)
        self.assertTrue(self.is_available())

        # Brokers go on without an operator, and a later one takes them up again.
        self.helm("uninstall", "sluice", "--wait")
        self.assertEqual(self.broker(), before)
        self.install()
        self.assertEqual(self.broker(), before)
        self.remove_queue()
        self.helm("uninstall", "sluice", "--wait")
        daemons.wait_for("the broker's objects to go", lambda: not self.kube.kubectl(
            "get", "all,secret,configmap,pvc,networkpolicy,pdb", "-n", self.shop, "-l",
            "sluice.dev/broker", "-o", "name").stdout, READY_S)

    def test_in_one_namespace_with_nothing_but_a_role(self):
        self.install("--set", f"watchNamespace={self.shop}")
        self.make_queue()
        said = self.helm("test", "sluice", "--timeout", f"{READY_S}s")
        self.assertIn("Phase:          Succeeded", said)
        self.remove_queue()


if __name__ == "__main__":
    unittest.main(verbosity=2)
