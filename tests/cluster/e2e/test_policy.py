"""Who gets at a broker, with NetworkPolicies enforced on the node: docs/access.md.

All pods here have the keys of the queue, so that it is the network that keeps some of them out.
"""

import subprocess
import unittest

from stage import TAGS, StageCase, wait_for
from enforcer import Enforcer  # pylint: disable=wrong-import-order

CLIENTS, CONTROL, HTTP = 7650, 7651, 7652
# Run with the network of a pod: says what became of a connection.
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print("open")
except TimeoutError:
    print("dropped")
except OSError as error:
    print(error)
"""


class PolicyTest(StageCase):
    def setUp(self):
        super().setUp()
        self.enforcer = Enforcer(self.sluice.cluster)
        possible, why = self.enforcer.is_possible()
        if not possible:
            print(f"SKIPPED: the kernel hands no packets to programs: {why}", flush=True)
            self.skipTest(why)
        self.addCleanup(self.enforcer.close)
        self.enforcer.start()
        self.runtime = self.sluice.cluster.runtime()

    def make_namespace(self, suffix):
        name = f"{self.namespace}-{suffix}"
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace",
                         "metadata": {"name": name, "labels": {"team": suffix}}})
        self.addCleanup(self.kube.delete, f"/api/v1/namespaces/{name}")
        return name

    def make_pod(self, namespace, name="client", labels=None):
        """One that does nothing; its network is what is wanted of it."""
        self.kube.apply({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{
                "name": "idle", "image": f"sluice:{TAGS[0]}", "imagePullPolicy": "Never",
                "command": ["/usr/bin/sleep", "3600"]}]}})
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        wait_for(f"pod {namespace}/{name}",
                 lambda: self.kube.get(path)["status"]["phase"] == "Running", 60)
        return Pod(self.runtime, self.kube.get(path))

    def queue_pods(self, **spec):
        """A Queue with what it says, and the address of its broker's pod."""
        self.make_queue("orders", **spec)
        pod = self.kube.get(self.path("pods/orders-0"))
        return pod["status"]["podIP"]

    def wait_until(self, pod, address, port, what):
        wait_for(f"{what} from {pod.name}", lambda: pod.connect(address, port) == what, 30)

    def test_a_namespace_that_is_not_named_does_not_reach_the_broker(self):
        named, other = self.make_namespace("payments"), self.make_namespace("other")
        broker = self.queue_pods(access={"from": [
            {"namespaceSelector": {"matchLabels": {"team": "payments"}}}]})
        inside, outside = self.make_pod(named), self.make_pod(other)
        self.wait_until(inside, broker, CLIENTS, "open")
        self.wait_until(outside, broker, CLIENTS, "dropped")
        access = self.access("orders")
        # Also by the address of the Service, and with the right keys.
        self.assertEqual(inside.publish(access, "a").returncode, 0)
        refused = outside.publish(access, "b")
        self.assertNotEqual(refused.returncode, 0, refused.stdout)
        # The queue's own namespace is not named either.
        self.assertEqual(self.make_pod(self.namespace).connect(broker, CLIENTS), "dropped")
        # Nobody but the operator gets at the control port; numbers are for everybody in here.
        for pod in (inside, outside):
            self.assertEqual(pod.connect(broker, CONTROL), "dropped")
            self.assertEqual(pod.connect(broker, HTTP), "open")
        # Named later, it is let in: nothing but the policy kept it out.
        self.patch_queue("orders", {"spec": {"access": {"from": [
            {"namespaceSelector": {"matchLabels": {"team": "other"}}}]}}})
        self.wait_until(outside, broker, CLIENTS, "open")
        self.wait_until(inside, broker, CLIENTS, "dropped")
        self.assertEqual(outside.publish(access, "c").returncode, 0)
        self.assertNotEqual(inside.publish(access, "d").returncode, 0)
        self.assertEqual(outside.take(access), ["a", "c"])
        # The operator still does: the change above went over it, and so does this one.
        self.patch_queue("orders", {"spec": {"paused": True}})
        self.wait_ready("orders")

    def test_without_access_the_namespace_is_let_in_and_nobody_else(self):
        other = self.make_namespace("other")
        broker = self.queue_pods()
        self.wait_until(self.make_pod(self.namespace), broker, CLIENTS, "open")
        self.wait_until(self.make_pod(other), broker, CLIENTS, "dropped")

    def test_a_selector_of_pods_lets_these_pods_in(self):
        broker = self.queue_pods(access={"from": [
            {"podSelector": {"matchLabels": {"app": "worker"}}}]})
        self.wait_until(self.make_pod(self.namespace, "one", {"app": "worker"}), broker, CLIENTS,
                        "open")
        self.wait_until(self.make_pod(self.namespace, "two", {"app": "web"}), broker, CLIENTS,
                        "dropped")

    def test_where_nobody_judges_nobody_is_kept_out(self):
        broker = self.queue_pods()
        outside = self.make_pod(self.make_namespace("other"))
        self.wait_until(outside, broker, CLIENTS, "dropped")
        self.enforcer.end_judge()
        self.wait_until(outside, broker, CLIENTS, "open")

    def test_a_broker_begins_no_connection(self):
        self.queue_pods()
        client = self.make_pod(self.make_namespace("other"))
        listener = subprocess.Popen(client.command("python3", "-m", "http.server", "8000"),
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(listener.wait)
        self.addCleanup(listener.kill)
        self.wait_until(self.make_pod(self.namespace), client.address, 8000, "open")
        broker = Pod(self.runtime, self.kube.get(self.path("pods/orders-0")))
        self.assertEqual(broker.connect(client.address, 8000), "dropped")


class Pod:
    """A pod's network, for programs of this machine."""

    def __init__(self, runtime, pod):
        self.inside = runtime.inside
        self.name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        self.address = pod["status"]["podIP"]
        container = pod["status"]["containerStatuses"][0]["containerID"].rsplit("/", 1)[1]
        tasks = [line.split() for line in runtime.ctr("tasks", "ls").stdout.splitlines()]
        self.process = next(task[1] for task in tasks if task[0] == container)

    def command(self, *command):
        return self.inside.command("nsenter", f"--target={self.process}", "--net", *command)

    def run(self, *command, text=None):
        return subprocess.run(self.command(*command), input=text or "", check=False,
                              capture_output=True, text=True, timeout=60)

    def connect(self, address, port):
        return self.run("python3", "-c", CONNECT, address, str(port)).stdout.strip()

    def publish(self, access, body):
        return self.run(*access.command("pub", access.queue, "--body", body))

    def take(self, access):
        said = self.run(*access.command("sub", access.queue, "--idle-exit", "3s"))
        return said.stdout.split()


if __name__ == "__main__":
    unittest.main(verbosity=2)
