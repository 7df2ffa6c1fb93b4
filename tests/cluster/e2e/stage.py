"""What the tests on a real cluster share: Sluice installed on it, and queues in a namespace.

Clients run on this machine, which reaches the services of the cluster by routes; their keys are
those that the operator has put into Secrets.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path[:0] = [str(HERE.parent), str(ROOT / "tests/torture")]

import audit  # pylint: disable=wrong-import-position
import binaries  # pylint: disable=wrong-import-position
import cluster  # pylint: disable=wrong-import-position
import image  # pylint: disable=wrong-import-position
import own_time  # pylint: disable=wrong-import-position
from daemons import wait_for  # pylint: disable=wrong-import-position

BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/release/bin"))
SYSTEM = "sluice-system"
OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:"
# One build under two tags: what an upgrade does to versions needs no second build.
TAGS = ("e2e-1", "e2e-2")
# For workers that take their time: `sluice sub --exec` wants a shell.
SHELL = {"/bin/sh": "/bin/sh", "/usr/bin/sleep": "/bin/sleep"}
QUEUES = "apis/sluice.dev/v1alpha1"
APPS = "apis/apps/v1"
OPERATOR = f"/{APPS}/namespaces/{SYSTEM}/deployments/sluice-operator"
SPEC = {"limits": {"messages": 100000, "bytes": "256Mi"}, "deadLetter": {"bytes": "64Mi"},
        "broker": {"storage": {"size": "1Gi"}}, "deletionPolicy": "Delete"}


def condition(thing, kind):
    """The condition of a kind as a dictionary; empty when there is none."""
    found = [c for c in thing.get("status", {}).get("conditions", []) if c["type"] == kind]
    return found[0] if found else {}


def is_true(thing, kind):
    """A condition holds, and was made of what is written in the object now."""
    one = condition(thing, kind)
    generation = thing["metadata"].get("generation")
    return one.get("status") == "True" and \
        one.get("observedGeneration", thing["status"].get("observedGeneration")) == generation


class Installation:
    """Sluice on the cluster of $SLUICE_CLUSTER, installed as a user does: with helm."""

    def __init__(self):
        self.cluster = cluster.Cluster(os.environ["SLUICE_CLUSTER"])
        self.kube = self.cluster.kube()

    def load_images(self):
        """Once a cluster, and again when the programs have changed."""
        mark = self.cluster.folder / "images.loaded"
        newest = max((BIN / program).stat().st_mtime for program in image.PROGRAMS)
        if mark.exists() and mark.stat().st_mtime > newest:
            return
        for tag in TAGS:
            archive = self.cluster.folder / "sluice.tar"
            image.of_programs(archive, f"sluice:{tag}", BIN, extra=SHELL)
            self.cluster.runtime().load(archive)
            archive.unlink()
        mark.touch()

    def helm(self, *arguments, seconds=180):
        said = subprocess.run(
            [str(binaries.folder() / "helm"), *arguments, "--namespace", SYSTEM, "--kubeconfig",
             str(self.cluster.kubeconfig)],
            check=False, timeout=seconds, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if said.returncode != 0:
            raise RuntimeError(f"helm {' '.join(arguments)}: {said.stderr}{said.stdout}")
        return said.stdout

    def install(self, tag=TAGS[0], *values):
        """Installs or upgrades, and waits for the operator."""
        self.load_images()
        if not values and self.is_installed(tag):
            return None
        return self.helm("upgrade", "--install", "sluice", str(ROOT / "helm/sluice"),
                         "--create-namespace", "--set", f"image.tag={tag}", "--wait",
                         "--timeout", "120s", *(part for value in values
                                                for part in ("--set", value)))

    def is_installed(self, tag):
        deployment = self.kube.get(OPERATOR, missing=None)
        return deployment is not None and \
            deployment["status"].get("readyReplicas") == 1 and \
            deployment["spec"]["template"]["spec"]["containers"][0]["image"].endswith(f":{tag}")

    def operator(self, patch=None):
        return self.kube.merge(OPERATOR, patch) if patch else self.kube.get(OPERATOR)

    def scale_operator(self, replicas):
        self.operator({"spec": {"replicas": replicas}})
        wait_for(f"{replicas} operators", lambda: len(self.kube.items(
            f"/api/v1/namespaces/{SYSTEM}/pods")) == replicas and (
                replicas == 0 or self.operator()["status"].get("readyReplicas") == replicas), 90)

    def writes(self, since):
        """What the operator has written, without the Lease by which it leads."""
        return [request for request in audit.requests(
            self.cluster.logs / "audit.log", since, OPERATOR_USER, writes=True)
                if request.resource != "leases"]


class Access:
    """Clients of one queue, with the keys of one of its Secrets. A `world` for tests/torture."""

    def __init__(self, kube, namespace, broker, queue, kind="access"):
        self.queue = queue
        self.children = []
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
        secret = kube.get(f"/api/v1/namespaces/{namespace}/secrets/{broker}-{kind}")
        for name in ("client.key", "broker.pub"):
            with open(self.folder / name, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as out:
                out.write(base64.b64decode(secret["data"][name]))
        # The endpoint in the Secret is a name that only pods can resolve.
        service = kube.get(f"/api/v1/namespaces/{namespace}/services/{broker}")
        self.endpoint = f"tcp://{service['spec']['clusterIP']}:7650"

    def command(self, *arguments):
        return [str(BIN / "sluice"), "--endpoint", self.endpoint, "--keys", str(self.folder),
                *arguments]

    def client(self, *arguments, **options):
        child = subprocess.Popen(self.command(*arguments), **options)
        self.children.append(child)
        return child

    def run(self, *arguments, text=None, seconds=60, check=True):
        said = subprocess.run(self.command(*arguments), input=text or "", check=False,
                              capture_output=True, text=True, timeout=seconds)
        if check and said.returncode != 0:
            raise RuntimeError(f"sluice {' '.join(arguments)}: {said.stderr}")
        return said

    def publish(self, bodies):
        """All of them are stored when this returns."""
        self.run("pub", self.queue, "--lines", text="".join(f"{body}\n" for body in bodies))

    def take(self, idle="3s"):
        """Everything that waits, acknowledged; returns when nothing has come for `idle`."""
        lines = self.run("sub", self.queue, "--json", "--idle-exit", idle).stdout.splitlines()
        return [json.loads(line)["body"] for line in lines]

    def stat(self):
        document = json.loads(self.run("stat", self.queue, "--json").stdout)
        return document["queues"][0] if "queues" in document else document

    def counts(self):
        return self.stat()["subscriptions"][0]["messages"]

    def close(self):
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class StageCase(unittest.TestCase):
    """A test on a cluster with Sluice, in a namespace of its own that is deleted afterwards."""

    @classmethod
    def setUpClass(cls):
        cls.sluice = Installation()
        cls.kube = cls.sluice.kube
        cls.sluice.install()

    def setUp(self):
        self.namespace = f"e2e-{uuid.uuid4().hex[:8]}"
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace",
                         "metadata": {"name": self.namespace}})
        self.addCleanup(self.kube.delete, f"/api/v1/namespaces/{self.namespace}")
        self.addCleanup(self._tell_if_failed)

    def _tell_if_failed(self):
        """While the namespace is still there: what can be seen of the failure."""
        result = self._outcome.result
        if any(test is self for test, _ in result.failures + result.errors):
            print(f"==== {self.id()} failed; the cluster:", file=sys.stderr)
            print(self.sluice.cluster.diagnosis(), file=sys.stderr, flush=True)

    # Objects.

    def path(self, rest, group="api/v1"):
        return f"/{group}/namespaces/{self.namespace}/{rest}"

    def get_queue(self, name):
        return self.kube.get(self.path(f"queues/{name}", QUEUES))

    def patch_queue(self, name, patch):
        return self.kube.merge(self.path(f"queues/{name}", QUEUES), patch)

    def manifest(self, name, annotations=None, **spec):
        return {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                "metadata": {"name": name, "namespace": self.namespace,
                             "annotations": annotations or {}},
                "spec": SPEC | spec}

    def make_queue(self, name, **more):
        """Applies a Queue and waits until it is ready."""
        self.kube.apply(self.manifest(name, **more))
        self.wait_ready(name)

    def wait_ready(self, name, seconds=90):
        wait_for(f"queue {name}", lambda: is_true(self.get_queue(name), "Ready"), seconds)

    def access(self, queue, broker=None, kind="access"):
        made = Access(self.kube, self.namespace, broker or queue, queue, kind)
        self.addCleanup(made.close)
        return made

    def pods(self, labels):
        return self.kube.items(self.path(f"pods?labelSelector={labels}"))

    def broker_pods(self, broker):
        return self.pods(f"sluice.dev/broker={broker}")

    def metric(self, broker, name, shard=0, **labels):
        """One number of a broker's pod, or 0 where the series does not exist."""
        address = self.kube.get(self.path(f"pods/{broker}-{shard}"))["status"]["podIP"]
        with urllib.request.urlopen(f"http://{address}:7652/metrics", timeout=5) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith((name + "{", name + " ")) and all(
                        f'{label}="{value}"' in line for label, value in labels.items()):
                    return float(line.rsplit(" ", 1)[1])
        return 0.0

    def make_worker(self, name, queue, seconds, replicas=0, subscription="default"):
        """A Deployment that takes `seconds` for each message; None: no longer than a print."""
        work = [] if seconds is None else ["--exec", f"sleep {seconds}"]
        labels = {"app": name}
        self.kube.apply({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels}, "spec": {
                    "terminationGracePeriodSeconds": 20, "enableServiceLinks": False,
                    "securityContext": {"runAsUser": 65532, "runAsGroup": 65532,
                                        "fsGroup": 65532, "runAsNonRoot": True},
                    "containers": [{
                        "name": "worker", "image": f"sluice:{TAGS[0]}",
                        "imagePullPolicy": "Never",
                        "command": ["sluice", "sub", queue, "--subscription", subscription,
                                    *work],
                        "env": [{"name": "SLUICE_KEYS_DIR", "value": "/keys"}],
                        "volumeMounts": [{"name": "keys", "mountPath": "/keys"}]}],
                    "volumes": [{"name": "keys", "secret": {
                        "secretName": f"{queue}-access", "defaultMode": 0o440}}]}}}})

    def replicas(self, deployment):
        """(wanted, running)"""
        found = self.kube.get(self.path(f"deployments/{deployment}", APPS))
        return found["spec"]["replicas"], found["status"].get("readyReplicas", 0)
