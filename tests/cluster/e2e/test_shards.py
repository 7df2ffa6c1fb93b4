"""A queue of several shards on a real cluster: a broker pod each, and clients that find them."""

import json
import os
import subprocess
import tarfile
import tempfile
import time
import unittest

from continuous import Load
from mounted import MountedAccess
from stage import BIN, StageCase, binaries, condition, is_true, wait_for

NOT_FOUND = 1


class ShardsTest(StageCase):
    def mounted(self, kind="access"):
        made = MountedAccess(self.kube, self.namespace, "orders", "orders", kind)
        self.addCleanup(made.close)
        return made

    def kubectl_sluice(self, *arguments, text=None, seconds=90, check=True):
        """As somebody outside of the cluster types it: kubectl finds the plugin by PATH."""
        said = subprocess.run(
            [str(binaries.folder() / "kubectl"), "sluice", "--namespace", self.namespace,
             *arguments], input=text or "", capture_output=True, text=True, timeout=seconds,
            check=False, env=os.environ | {
                "KUBECONFIG": str(self.sluice.cluster.kubeconfig),
                "PATH": f"{BIN}:{binaries.folder()}:{os.environ['PATH']}"})
        if check:
            self.assertEqual(said.returncode, 0, f"{arguments}: {said.stderr}{said.stdout}")
        return said.stdout if check else said

    def lines(self, *arguments, **options):
        return [json.loads(line)
                for line in self.kubectl_sluice(*arguments, "--json", **options).splitlines()]

    def test_a_shard_that_dies_costs_no_message_and_holds_up_no_other(self):
        shards = 3
        self.make_queue("orders", shards=shards)
        self.assertEqual(len(self.broker_pods("orders")), shards)
        load = Load(self.mounted())
        wait_for("the first messages", lambda: load.acknowledged() > 300, 60)
        published = lambda: [self.metric("orders", "sluice_messages_published_total", shard=shard,
                                         queue="orders") for shard in range(shards)]
        # Numbers are up to a second old.
        wait_for("messages of each shard in metrics", lambda: min(published()) > 0, 10)
        uid = self.kube.get(self.path("pods/orders-1"))["metadata"]["uid"]
        self.kube.delete(self.path("pods/orders-1?gracePeriodSeconds=0"))
        wait_for("another pod", lambda: (self.kube.get(self.path("pods/orders-1"), missing=None) or
                                         {"metadata": {"uid": uid}})["metadata"]["uid"] != uid, 90)
        so_far = load.acknowledged()
        wait_for("messages again", lambda: load.acknowledged() > so_far + 300, 120)
        wait_for("readiness", lambda: is_true(self.get_queue("orders"), "Ready"), 120)
        lost, unexpected = load.finish()
        print(f"{len(load.producer.acknowledged)} acknowledged, "
              f"{len(load.consumer.received)} received, {len(lost)} lost")
        self.assertFalse(lost)
        self.assertFalse(unexpected)

    def test_the_status_adds_up_all_shards(self):
        shards, count = 3, 90
        self.make_queue("orders", shards=shards)
        access = self.mounted()
        for key in range(9):  # without a key, messages of one batch go to one shard
            access.run("pub", "orders", "--key", f"key-{key}", "--lines",
                       text="".join(f"order {key}-{i}\n" for i in range(count // 9)))
        ready = lambda: [self.metric("orders", "sluice_queue_messages_ready", shard=shard,
                                     queue="orders") for shard in range(shards)]
        wait_for("all of them in metrics", lambda: sum(ready()) == count, 10)
        self.assertGreater(min(ready()), 0)
        wait_for("the number in the status", lambda: self.get_queue("orders")["status"].get(
            "messages", {}).get("ready") == count, 60)
        broker = self.get_queue("orders")["status"]["broker"]
        self.assertEqual((broker["shards"], broker["readyShards"]), (shards, shards))
        # One that is away is told, and what is known of the others stays.
        self.kube.delete(self.path("pods/orders-2?gracePeriodSeconds=0"))
        wait_for("the loss", lambda: condition(
            self.get_queue("orders"), "MetricsAvailable").get("status") == "False" or
                 condition(self.get_queue("orders"), "BrokerAvailable").get("status") == "False",
                 30)
        wait_for("all again", lambda: is_true(self.get_queue("orders"), "Ready") and is_true(
            self.get_queue("orders"), "MetricsAvailable"), 120)
        self.assertEqual(self.get_queue("orders")["status"]["messages"]["ready"], count)
        self.assertEqual(len(self.mounted().take()), count)

    def test_the_plugin_works_on_all_shards_from_outside(self):
        count = 20
        self.make_worker("worker", "orders", "0.01")
        self.make_queue("orders", shards=2, consumers={
            "scaleTargetRef": {"name": "worker"}, "minReplicas": 0, "maxReplicas": 2},
            paused=True)
        begin = time.monotonic()
        bodies = [f"order {i}" for i in range(count)]
        for key in range(4):
            self.kubectl_sluice("pub", "orders", "--key", f"key-{key}", "--lines",
                                text="".join(f"{body}\n" for body in bodies[key::4]))
        print(f"four pubs through two port-forwards each: {time.monotonic() - begin:.1f} s")
        peeked = self.lines("peek", "orders", "--max", "100")
        self.assertEqual(len(peeked), count)
        self.assertEqual({one["shard"] for one in peeked}, {0, 1})
        stat = json.loads(self.kubectl_sluice("stat", "orders", "--json"))
        self.assertEqual(stat["subscriptions"][0]["messages"]["ready"], count)
        self.assertRegex(self.kubectl_sluice("list"), r"(?m)^orders ")
        self.assertIn("Paused", self.kubectl_sluice("describe", "orders") +
                      self.kubectl_sluice("explain", "orders"))
        missing = self.kubectl_sluice("describe", "order", check=False)
        self.assertEqual(missing.returncode, NOT_FOUND)
        self.assertIn("there are orders", missing.stderr)

        self.kube.delete(self.path("deployments/worker", "apis/apps/v1"))
        self.patch_queue("orders", {"spec": {"paused": False}})
        wait_for("deliveries", lambda: all(self.metric(
            "orders", "sluice_queue_paused", shard=shard, queue="orders") == 0
                                           for shard in range(2)), 30)
        rejected = self.lines("sub", "orders", "--max", str(count), "--settle", "reject",
                              "--idle-exit", "10s")
        self.assertEqual(sorted(one["body"] for one in rejected), sorted(bodies))
        self.assertEqual(len(self.lines("peek", "orders/dlq", "--max", "100")), count)
        self.assertIn(f"redrove {count}", self.kubectl_sluice("redrive", "orders"))
        self.assertIn(f"removed {count}", self.kubectl_sluice("purge", "orders", "--yes"))
        self.assertEqual(self.lines("peek", "orders"), [])
        self.check_bundle()

    def check_bundle(self):
        with tempfile.TemporaryDirectory(prefix="sluice-e2e-") as folder:
            path = f"{folder}/bundle.tar.gz"
            self.kubectl_sluice("support-bundle", "--out", path)
            with tarfile.open(path) as archive:
                names = archive.getnames()
        for name in ("queues/orders.json", "brokers/orders/orders-0.metrics.txt",
                     "brokers/orders/orders-1.metrics.txt", "brokers/orders/statistics.json"):
            self.assertIn(name, names)


if __name__ == "__main__":
    unittest.main(verbosity=2)
