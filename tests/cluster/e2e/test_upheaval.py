"""Whatever happens to the cluster, no acknowledged message is lost: each under continuous load."""

import os
import signal
import time
import unittest

from continuous import Load
from stage import TAGS, StageCase, is_true, wait_for

from daemons import marked


class UpheavalTest(StageCase):
    def setUp(self):
        super().setUp()
        self.make_queue("orders")
        self.load = Load(self.access("orders"))
        wait_for("the first messages", lambda: self.load.acknowledged() > 100, 30)

    def assert_goes_on(self):
        """Messages are acknowledged again, the queue is ready, and in the end none is missing."""
        so_far = self.load.acknowledged()
        wait_for("messages again", lambda: self.load.acknowledged() > so_far + 100, 120)
        wait_for("readiness", lambda: is_true(self.get_queue("orders"), "Ready"), 120)
        lost, unexpected = self.load.finish()
        print(f"{len(self.load.producer.acknowledged)} acknowledged, "
              f"{len(self.load.consumer.received)} received, {len(lost)} lost")
        self.assertFalse(lost)
        self.assertFalse(unexpected)

    def uid(self):
        pods = self.broker_pods("orders")
        return pods[0]["metadata"]["uid"] if pods else None

    def test_the_broker_pod_is_deleted(self):
        uid = self.uid()
        self.kube.delete(self.path("pods/orders-0"))
        wait_for("another pod", lambda: self.uid() not in (None, uid), 90)
        self.assert_goes_on()

    def test_the_broker_is_killed(self):
        self.kube.delete(self.path("pods/orders-0?gracePeriodSeconds=0"))
        self.assert_goes_on()

    def test_the_container_runtime_is_restarted(self):
        uid = self.uid()
        restart_containerd(self.sluice.cluster)
        time.sleep(2)
        self.assert_goes_on()
        self.assertEqual(self.uid(), uid)

    def test_the_operator_goes_away_and_comes_back(self):
        uid = self.uid()
        self.sluice.scale_operator(0)
        self.addCleanup(self.sluice.scale_operator, 1)
        so_far = self.load.acknowledged()
        wait_for("messages without it", lambda: self.load.acknowledged() > so_far + 100, 60)
        self.sluice.scale_operator(1)
        self.assert_goes_on()
        self.assertEqual(self.uid(), uid)

    def test_an_upgrade_of_the_operator_restarts_no_broker(self):
        pod = self.broker_pods("orders")[0]
        self.sluice.install(TAGS[1])
        self.addCleanup(self.sluice.install, TAGS[0])
        image = self.sluice.operator()["spec"]["template"]["spec"]["containers"][0]["image"]
        self.assertTrue(image.endswith(TAGS[1]), image)
        time.sleep(5)  # what it might do it would have begun
        after = self.broker_pods("orders")[0]
        self.assertEqual(after["metadata"]["uid"], pod["metadata"]["uid"])
        self.assertEqual(after["status"]["containerStatuses"][0]["restartCount"], 0)
        self.assertEqual(after["spec"]["containers"][0]["image"],
                         pod["spec"]["containers"][0]["image"])
        self.assert_goes_on()

    def test_a_broker_moves_to_another_version_when_told(self):
        uid = self.uid()
        self.patch_queue("orders", {"spec": {"broker": {"version": TAGS[1]}}})
        wait_for("the other version", lambda: self.uid() not in (None, uid) and any(
            TAGS[1] in c["image"] for p in self.broker_pods("orders")
            for c in p["spec"]["containers"]), 120)
        self.assert_goes_on()


def restart_containerd(made):
    """Ends the runtime of the node and starts it again; its pods go on meanwhile."""
    for pid in marked(made.folder):
        try:
            program = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if program.endswith("/containerd"):
            os.kill(pid, signal.SIGKILL)
    made.runtime().start()


if __name__ == "__main__":
    unittest.main(verbosity=2)
