"""The load of load.py in a cluster: its queues on one broker, a worker Deployment that the operator
scales, and whom Prometheus has to scrape. kubectl is the one in PATH, for KUBECONFIG's cluster."""

import base64
import json
import pathlib
import subprocess

import load
from prometheus import Target

BROKER = "load"
SECONDS_MAX = 120
CLIENT_PORT = 7650
WORK_SECONDS = 0.04  # for each order
PORTS = {"sluice-broker": 7652, "sluice-operator": 8080}


def kubectl(*arguments, stdin=None):
    done = subprocess.run(["kubectl", *arguments], input=stdin, text=True, capture_output=True,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def queues(namespace):
    """The queues of the load; `billing` is consumed by the Deployment, which wants more than it
    may have when much comes, and less than that when little does."""
    for text in load.MANIFESTS:
        queue = json.loads(text)
        queue["metadata"]["namespace"] = namespace
        queue["spec"]["broker"] = {"name": BROKER, "storage": {"size": "100Gi"}}
        queue["spec"]["deletionPolicy"] = "Delete"
        for subscription in queue["spec"].get("subscriptions", []):
            if subscription["name"] == "billing":
                subscription["consumers"] = {
                    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment",
                                       "name": "worker"},
                    "minReplicas": 0, "maxReplicas": 3, "target": {"backlogPerReplica": 10},
                    "scaleIn": {"stabilization": "10s", "idleBeforeZero": "10s"}}
        yield queue


def worker(namespace, image):
    """An ordinary Deployment without replicas: how many there are is the operator's affair."""
    labels = {"app": "worker"}
    container = {
        "name": "worker", "image": image, "imagePullPolicy": "IfNotPresent",
        "command": ["sluice", "sub", "orders", "--subscription", "billing",
                    "--exec", f"sleep {WORK_SECONDS}"],
        "env": [{"name": "SLUICE_KEYS_DIR", "value": "/keys"},
                {"name": "POD_NAME",
                 "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "volumeMounts": [{"name": "keys", "mountPath": "/keys", "readOnly": True}]}
    pod = {"containers": [container],
           "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532},
           "volumes": [{"name": "keys", "secret": {"secretName": f"{BROKER}-access",
                                                   "defaultMode": 0o440}}]}
    return {"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "worker", "namespace": namespace},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels},
                     "template": {"metadata": {"labels": labels}, "spec": pod}}}


def targets():
    """Brokers and operators that run in the cluster."""
    found = []
    for name, port in PORTS.items():
        pods = json.loads(kubectl("get", "pods", "--all-namespaces", "--output=json",
                                  f"--selector=app.kubernetes.io/name={name}"))
        for pod in pods["items"]:
            address = pod["status"].get("podIP")
            if address:
                found.append(Target(name, f"{address}:{port}",
                                    {"namespace": pod["metadata"]["namespace"],
                                     "pod": pod["metadata"]["name"]},
                                    honor_labels=name == "sluice-operator"))
    return found


class Scene:
    """Made by `with`, in a namespace of its own that goes with it."""

    def __init__(self, folder, programs, image, namespace="dashboards"):
        self.folder, self.namespace, self.image = pathlib.Path(folder), namespace, image
        self.sluice = str(pathlib.Path(programs) / "sluice")
        self.address = None

    def __enter__(self):
        kubectl("create", "namespace", self.namespace)
        try:
            objects = [*queues(self.namespace), worker(self.namespace, self.image)]
            kubectl("apply", "--filename=-",
                    stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
            kubectl("--namespace", self.namespace, "wait", "queues", "--all",
                    "--for=condition=Ready", f"--timeout={SECONDS_MAX}s")
            pod = json.loads(kubectl("--namespace", self.namespace, "get", "pod", f"{BROKER}-0",
                                     "--output=json"))
            self.address = pod["status"]["podIP"], CLIENT_PORT
            self._write_keys()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        kubectl("delete", "namespace", self.namespace, f"--timeout={SECONDS_MAX}s")

    def _write_keys(self):
        secret = json.loads(kubectl("--namespace", self.namespace, "get", "secret",
                                    f"{BROKER}-admin", "--output=json"))
        for name, value in secret["data"].items():
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_bytes(base64.b64decode(value))

    @property
    def command(self):
        host, port = self.address
        return [self.sluice, "--endpoint", f"tcp://{host}:{port}", "--keys", str(self.folder)]
