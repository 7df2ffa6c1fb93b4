"""The test cluster itself: pods run, volumes bind and grow, names of services lead to pods."""

import json
import os
import pathlib
import socket
import unittest
import uuid

import cluster
import daemons

PAUSE = "localhost/pause:1"


def pod_spec(**more):
    return {"securityContext": {"runAsUser": 65532, "runAsNonRoot": True, "fsGroup": 65532},
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": PAUSE, "imagePullPolicy": "Never",
                            "securityContext": {"readOnlyRootFilesystem": True},
                            **more}]}


class NodeTest(unittest.TestCase):
    def setUp(self):
        self.cluster = cluster.Cluster(os.environ["SLUICE_CLUSTER"])
        self.kube = self.cluster.kube()
        self.namespace = f"test-{uuid.uuid4().hex[:8]}"
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace",
                         "metadata": {"name": self.namespace}})
        self.addCleanup(self.kube.delete, f"/api/v1/namespaces/{self.namespace}")

    def path(self, rest, group="api/v1"):
        return f"/{group}/namespaces/{self.namespace}/{rest}"

    def wait(self, what, ready, seconds=60):
        daemons.wait_for(what, ready, seconds)

    def run_stateful_set(self):
        labels = {"app": "sample"}
        self.kube.apply({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "sample", "namespace": self.namespace},
            "spec": {"serviceName": "sample", "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod_spec(
                         volumeMounts=[{"name": "data", "mountPath": "/data"}])},
                     "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                         "accessModes": ["ReadWriteOnce"],
                         "resources": {"requests": {"storage": "1Gi"}}}}]},
        }, {
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "sample", "namespace": self.namespace},
            "spec": {"selector": labels, "ports": [{"port": 80}]}})
        self.wait("a pod", lambda: self.kube.get(self.path(
            "statefulsets/sample", "apis/apps/v1"))["status"].get("readyReplicas") == 1)

    def test_a_pod_runs_on_a_volume_that_grows(self):
        self.run_stateful_set()
        claim = self.path("persistentvolumeclaims/data-sample-0")
        self.kube.merge(claim, {"spec": {"resources": {"requests": {"storage": "3Gi"}}}})
        self.wait("the larger volume",
                  lambda: self.kube.get(claim)["status"]["capacity"]["storage"] == "3Gi")

    def test_the_name_of_a_service_is_known(self):
        self.run_stateful_set()
        address = self.kube.get(self.path("services/sample"))["spec"]["clusterIP"]
        server = json.loads((self.cluster.folder / "kubelet.json").read_text(encoding="utf-8"))
        name = f"sample.{self.namespace}.svc.cluster.local"
        self.wait("the name", lambda: lookup(server["clusterDNS"][0], name) == address)

    def test_the_memory_of_a_pod_is_bounded_by_its_control_group(self):
        self.run_stateful_set()
        group = self.cluster.state()["cgroup"]
        found = [path for path in pathlib.Path("/sys/fs/cgroup").rglob("pod*")
                 if group in str(path)]
        self.assertTrue(found)


def lookup(server, name):
    """The first IPv4 address of a name, or None: no library asks a server of one's choice."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        try:
            asking.sendto(b"\x12\x34\x01\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1", (server, 53))
            answer = asking.recv(512)
        except OSError:
            return None
    return ".".join(map(str, answer[-4:])) if answer[7] else None


if __name__ == "__main__":
    unittest.main(verbosity=2)
