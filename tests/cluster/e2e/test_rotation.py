"""Another key for a broker, asked for by annotation: clients go on, and the older key is refused.

Producer and consumer run on this machine as they would in a pod; a Deployment, whose folder the
kubelet swaps, consumes the same messages in another subscription.
"""

import time
import unittest

from continuous import Load
from mounted import MountedAccess
from stage import StageCase, is_true, wait_for

ROTATE = "sluice.dev/rotate-broker-key"
# The kubelet brings a Secret, clients move, and the older port is quiet for a minute.
ROTATION_S_MAX = 420
# Nobody listens there any more; the broker's key is another one.
NO_BROKER, NOT_PERMITTED = 69, 77


class RotationTest(StageCase):
    def mounted(self, **options):
        made = MountedAccess(self.kube, self.namespace, "orders", "orders", **options)
        self.addCleanup(made.close)
        return made

    def secret(self, kind):
        return self.kube.get(self.path(f"secrets/orders-{kind}"))["data"]

    def steps(self):
        """Reasons of the Queue's events about keys."""
        events = self.kube.items(self.path("events", "apis/events.k8s.io/v1"))
        return [e["reason"] for e in sorted(
            events, key=lambda e: (e.get("eventTime") or "", e["metadata"]["creationTimestamp"]))
                if e["reason"].startswith("KeyRotation")]

    def rotate(self, token, load):
        """Asks for another key and waits for its end; at every step messages flow."""
        before = self.secret("broker")
        begin, told = time.monotonic(), self.steps()
        self.patch_queue("orders", {"metadata": {"annotations": {ROTATE: token}}})
        while "next.key" in (now := self.secret("broker")) or \
                now["server.key"] == before["server.key"]:
            self.assertLess(time.monotonic() - begin, ROTATION_S_MAX, self.steps())
            for step in self.steps()[len(told):]:
                told.append(step)
                print(f"{token}: {step} after {time.monotonic() - begin:.0f} s, "
                      f"{load.acknowledged()} acknowledged", flush=True)
            time.sleep(1)
        print(f"{token}: done after {time.monotonic() - begin:.0f} s", flush=True)
        so_far = load.acknowledged()
        wait_for("messages again", lambda: load.acknowledged() > so_far + 200, 60)
        return before

    def run_rotations(self, shards, tokens):
        self.make_queue("orders", shards=shards,
                        subscriptions=[{"name": "outside"}, {"name": "pods"}])
        self.make_worker("worker", "orders", None, replicas=1, subscription="pods")
        pods = {pod["metadata"]["uid"] for pod in self.broker_pods("orders")}
        access, older = self.mounted(), self.mounted(frozen=True)
        load = Load(access, "--subscription", "outside")
        wait_for("the first messages", lambda: load.acknowledged() > 200, 60)
        for token in tokens:
            self.rotate(token, load)
        # The API server counts an event that comes again; it is not told twice.
        self.assertEqual(list(dict.fromkeys(self.steps())),
                         ["KeyRotationBegun", "KeyRotationMoving", "KeyRotationDone"])
        if len(tokens) % 2:
            refused = older.run("stat", "orders", check=False)
            self.assertEqual(refused.returncode, NO_BROKER, refused.stderr)
        refused = older.run("--endpoint", access.endpoint, "stat", "orders", check=False)
        self.assertEqual(refused.returncode, NOT_PERMITTED, refused.stderr)

        lost, unexpected = load.finish()
        print(f"{len(load.producer.acknowledged)} acknowledged, "
              f"{len(load.consumer.received)} received, {len(lost)} lost")
        self.assertFalse(lost)
        self.assertFalse(unexpected)
        # The Deployment has moved as well, and has had everything.
        self.wait_settled("pods", len(load.producer.acknowledged), shards)
        self.assertEqual({p["metadata"]["uid"] for p in self.broker_pods("orders")}, pods)
        for pod in self.broker_pods("orders"):
            self.assertEqual(pod["status"]["containerStatuses"][0]["restartCount"], 0)
        self.assertTrue(is_true(self.get_queue("orders"), "Ready"))

    def wait_settled(self, subscription, count, shards):
        wait_for(f"all settled by {subscription}", lambda: sum(
            self.metric("orders", "sluice_messages_acked_total", shard=shard, queue="orders",
                        subscription=subscription) for shard in range(shards)) >= count, 120)

    def test_clients_go_on_there_and_back(self):
        """Two of them: the second one goes back to the first pair of ports."""
        self.run_rotations(1, ("one", "two"))

    def test_all_shards_change_their_key(self):
        self.run_rotations(2, ("one",))


if __name__ == "__main__":
    unittest.main(verbosity=2)
