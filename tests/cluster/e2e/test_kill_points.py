"""The operator is killed after each of its API calls, and always ends up with the same objects.

For every N: a Queue is made, changed and deleted, and in each of these the operator leaves at once
after its N-th call (--exit-after-calls); then another one finishes. A run that nobody disturbed
says what must be there.
"""

import json
import re
import unittest
import uuid

from operator_process import ControlPlane, Operator, audit, wait_for, wait_quiet

GROUPS = {"statefulsets": "apis/apps/v1", "services": "api/v1", "configmaps": "api/v1",
          "secrets": "api/v1", "serviceaccounts": "api/v1", "persistentvolumeclaims": "api/v1",
          "poddisruptionbudgets": "apis/policy/v1",
          "networkpolicies": "apis/networking.k8s.io/v1"}
QUEUES = "apis/sluice.dev/v1alpha1"
# What differs between two makings of the same object.
VOLATILE = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields",
            "clusterIP", "clusterIPs", "deletionTimestamp", "status")
# More calls than a whole run makes: then it is not killed any more.
ENOUGH = 150
EXIT_TEST_HOOK = 70  # the exit code of one that left as it was told


def settled(value):
    """A copy without what is volatile."""
    if isinstance(value, dict):
        return {k: settled(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, list):
        return [settled(v) for v in value]
    return value


class KillPoints(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plane = ControlPlane()
        cls.plane.install()
        cls.run_id = uuid.uuid4().hex[:6]
        cls.kube = cls.plane.kube

    def namespace(self, name):
        name = f"{name}-{self.run_id}"
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        self.addCleanup(self.remove, name)
        wait_for("its account", lambda: self.kube.exists(
            f"/api/v1/namespaces/{name}/serviceaccounts/default"), 30)
        return name

    def remove(self, namespace):
        """No operator runs that could let the Queue of a failed run go."""
        if self.kube.exists(self.queue(namespace)):
            self.kube.merge(self.queue(namespace), {"metadata": {"finalizers": None}})
        self.kube.delete(f"/api/v1/namespaces/{namespace}")

    def objects(self, namespace):
        """All objects of the broker, comparable over namespaces and runs."""
        found = {}
        for plural, group in GROUPS.items():
            for item in self.kube.items(f"/{group}/namespaces/{namespace}/{plural}"
                                        "?labelSelector=sluice.dev%2Fbroker"):
                if plural == "secrets":  # keys are drawn anew: only what they are called
                    item["data"] = sorted(item.get("data", {}))
                text = json.dumps(settled(item), sort_keys=True).replace(namespace, "NAMESPACE")
                # Hashes of keys, which are drawn anew each time.
                found[f"{plural}/{item['metadata']['name']}"] = re.sub(
                    r'"[0-9a-f]{16,64}"', '"HASH"', text)
        return found

    def queue(self, namespace):
        return f"/{QUEUES}/namespaces/{namespace}/queues/orders"

    def create(self, namespace):
        self.kube.call("POST", f"/{QUEUES}/namespaces/{namespace}/queues", {
            "apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
            "metadata": {"name": "orders", "namespace": namespace},
            "spec": {"limits": {"messages": 1000, "bytes": "64Mi"},
                     "deadLetter": {"bytes": "16Mi"}, "deletionPolicy": "Delete",
                     "broker": {"storage": {"size": "1Gi"}}}})

    def change(self, namespace):
        self.kube.merge(self.queue(namespace), {"spec": {
            "limits": {"messages": 2000},
            "broker": {"storage": {"size": "2Gi"}, "resources": {"limits": {"memory": "1Gi"}}}}})

    def delete(self, namespace):
        self.kube.delete(self.queue(namespace))

    def run_to_the_end(self, namespace, gone=False):
        """An operator that nobody disturbs, until it writes nothing any more."""
        begin = audit.now()
        with Operator(self.plane, "--namespace", namespace) as operator:
            if gone:
                wait_for("the queue gone", lambda: not self.kube.exists(self.queue(namespace)),
                         60, operator.child)
            else:
                wait_for("its objects", lambda: "statefulsets/orders" in self.objects(namespace),
                         60, operator.child)
                # Its Queue has been looked at as it is now, by this one.
                wait_for("the generation", lambda: self.seen(namespace), 60, operator.child)
                operator.wait_until_idle()
            wait_quiet(self.plane, begin)
        return len(self.plane.requests(begin))

    def seen(self, namespace):
        queue = self.kube.get(self.queue(namespace))
        return queue.get("status", {}).get("observedGeneration") == queue["metadata"]["generation"]

    def run_and_kill(self, namespace, calls):
        """Runs an operator that leaves after so many calls; false when it had no more to do."""
        with Operator(self.plane, "--namespace", namespace,
                      "--exit-after-calls", str(calls)) as operator:
            begin = audit.now()
            while (code := operator.wait(0.2)) is None:
                idle = (audit.now() - max((r.at for r in self.plane.requests(begin)),
                                          default=begin)).total_seconds()
                if idle > 3:
                    return False
            self.assertEqual(code, EXIT_TEST_HOOK, operator.tail())
            return True

    def test_every_call_of_a_life(self):
        reference = self.namespace("kill-reference")
        steps = (self.create, self.change, self.delete)
        wanted = []
        for step in steps:
            step(reference)
            self.run_to_the_end(reference, gone=step == self.delete)
            wanted.append(self.objects(reference))
        # The collector looks for types that are new to the cluster every 30 seconds.
        wait_for("the collector knows Queues", lambda: not self.left(reference), 90)
        self.assertIn("statefulsets/orders", wanted[0])
        self.assertNotEqual(wanted[0], wanted[1])

        killed = 0
        for calls in range(1, ENOUGH):
            namespace = self.namespace(f"kill-{calls}")
            was_killed = False
            for step, objects in zip(steps, wanted):
                step(namespace)
                was_killed = self.run_and_kill(namespace, calls) or was_killed
                gone = step == self.delete
                if gone and not self.kube.exists(self.queue(namespace)):
                    pass  # the killed one was done already
                else:
                    self.run_to_the_end(namespace, gone)
                if gone:
                    wait_for("objects gone", lambda: not self.left(namespace), 30)
                else:
                    self.assert_same(self.objects(namespace), objects, f"{calls} {step.__name__}")
            self.remove(namespace)
            killed += was_killed
            if not was_killed:
                break
        print(f"killed after each of {killed} calls")
        self.assertGreater(killed, 10)

    def left(self, namespace):
        """What outlived its Queue; the collector of the control plane needs a moment for it."""
        return self.objects(namespace)

    def assert_same(self, found, wanted, what):
        self.assertEqual(sorted(found), sorted(wanted), what)
        for name, text in wanted.items():
            self.assertEqual(found[name], text, f"{what} {name}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
