"""Queues on a real cluster: made, used, changed, shared, kept and found again."""

import time
import unittest

from stage import (QUEUES, SYSTEM, APPS, OPERATOR_USER, StageCase, audit, condition, is_true,
                   own_time, wait_for)

QUIET_S = 60


class QueueTest(StageCase):
    def test_a_queue_becomes_ready_and_carries_messages(self):
        self.make_queue("orders")
        found = self.get_queue("orders")
        self.assertEqual(found["status"]["endpoint"],
                         f"tcp://orders.{self.namespace}.svc:7650")
        access = self.access("orders")
        bodies = [f"order {i}" for i in range(100)]
        access.publish(bodies)
        self.assertEqual(sorted(access.take()), sorted(bodies))

    def test_numbers_of_the_status_follow_the_broker(self):
        self.make_queue("orders")
        self.access("orders").publish(["one", "two", "three"])
        wait_for("the number in the status", lambda: self.get_queue("orders")["status"].get(
            "messages", {}).get("ready") == 3, 45)

    def test_settings_reach_a_running_broker_within_a_second(self):
        self.make_queue("orders")
        access = self.access("orders")
        pod = self.broker_pods("orders")[0]
        access.run("pub", "orders", "--body", "x" * 5000)
        self.patch_queue("orders", {"spec": {"limits": {"messageBytes": "4Ki"}}})
        changed = time.monotonic()
        wait_for("the smaller limit", lambda: access.run(
            "pub", "orders", "--body", "x" * 5000, check=False).returncode != 0, 30)
        self.assertLess(time.monotonic() - changed, 1)
        self.assertEqual(self.broker_pods("orders")[0]["metadata"]["uid"], pod["metadata"]["uid"])

    def test_a_paused_queue_delivers_nothing(self):
        self.make_queue("orders", paused=True)
        access = self.access("orders")
        access.publish(["waits"])
        self.assertEqual(access.take("1s"), [])
        self.patch_queue("orders", {"spec": {"paused": False}})
        wait_for("the message", lambda: access.take("1s") == ["waits"], 30)

    def test_ten_queues_share_a_broker(self):
        names = [f"q{i}" for i in range(10)]
        shared = {"name": "hub", "storage": {"size": "4Gi"}}
        self.kube.apply(*(self.manifest(name, broker=shared, delivery={"maxAttempts": i + 1})
                          for i, name in enumerate(names)))
        for name in names:
            self.wait_ready(name, 120)
        self.assertEqual(len(self.broker_pods("hub")), 1)
        self.assertEqual(len(self.kube.items(self.path("persistentvolumeclaims"))), 1)
        for i, name in enumerate(names):
            access = self.access(name, "hub")
            access.publish([f"of {name}"])
            # Settings of each apply: failed so often, the message is a dead letter, and not before.
            for attempt in range(i + 1):
                wait_for(f"attempt {attempt + 1} of {name}",
                         lambda access=access: "of " in access.run(
                             "sub", access.queue, "--max", "1", "--settle", "fail",
                             "--idle-exit", "3s").stdout, 30)
                if attempt > 1:
                    break  # backoff doubles: the first ones say it
            if i <= 1:
                admin = self.access(name, "hub", "admin")
                wait_for("a dead letter",
                         lambda admin=admin: admin.counts()["deadLettered"] == 1, 10)

    def test_queues_that_disagree_about_their_broker_are_stalled_and_harm_nothing(self):
        shared = {"name": "hub", "storage": {"size": "2Gi"}}
        self.make_queue("first", broker=shared)
        uid = self.broker_pods("hub")[0]["metadata"]["uid"]
        self.kube.apply(self.manifest("second", broker=shared | {"storage": {"size": "3Gi"}}))
        wait_for("the conflict", lambda: condition(
            self.get_queue("second"), "Stalled").get("reason") == "BrokerConflict", 30)
        access = self.access("first", "hub")
        access.publish(["works"])
        self.assertEqual(access.take(), ["works"])
        self.assertEqual(self.broker_pods("hub")[0]["metadata"]["uid"], uid)

    def test_retained_messages_are_there_again_after_adopting_them(self):
        self.make_queue("orders", deletionPolicy="Retain")
        uid = self.get_queue("orders")["metadata"]["uid"]
        self.access("orders").publish(["kept"])
        self.kube.delete(self.path("queues/orders", QUEUES))
        wait_for("the queue gone", lambda: not self.kube.exists(
            self.path("queues/orders", QUEUES)), 60)
        wait_for("the pod gone", lambda: not self.broker_pods("orders"), 60)

        self.kube.apply(self.manifest("orders", deletionPolicy="Retain"))
        wait_for("the refusal", lambda: condition(
            self.get_queue("orders"), "Stalled").get("reason") == "RetainedDataExists", 30)
        self.assertFalse(self.broker_pods("orders"))

        self.patch_queue("orders", {"metadata": {"annotations": {"sluice.dev/adopt": uid}}})
        self.wait_ready("orders")
        self.assertEqual(self.access("orders").take(), ["kept"])

    def test_deleting_removes_everything(self):
        self.make_queue("orders", deletionPolicy="Delete")
        self.kube.delete(self.path("queues/orders", QUEUES))
        for what, group in (("statefulsets", APPS), ("services", "api/v1"), ("pods", "api/v1"),
                            ("persistentvolumeclaims", "api/v1"), ("secrets", "api/v1")):
            wait_for(f"{what} gone", lambda what=what, group=group: not self.kube.items(
                self.path(what, group)), 60)

    def test_a_volume_grows(self):
        self.make_queue("orders")
        self.patch_queue("orders", {"spec": {"broker": {"storage": {"size": "2Gi"}}}})
        claim = self.path("persistentvolumeclaims/data-orders-0")
        wait_for("the larger volume", lambda: self.kube.get(claim)["status"].get(
            "capacity", {}).get("storage") == "2Gi", 60)
        self.wait_ready("orders")

    def test_nothing_is_written_while_nothing_happens(self):
        self.make_queue("orders")
        access = self.access("orders")
        access.publish(["goes"])  # one that stays has an age, which the status tells
        self.assertEqual(access.take(), ["goes"])
        # Numbers of the status are written every 30 s at most, and rates are over as long.
        time.sleep(75)
        begin = audit.now()
        time.sleep(QUIET_S)
        written = [request for request in self.sluice.writes(begin)
                   if self.namespace in request.name]
        self.assertEqual([str(request) for request in written], [])

    def test_a_deleted_lease_does_not_lock_the_operator_out(self):
        lease = f"/apis/coordination.k8s.io/v1/namespaces/{SYSTEM}/leases/sluice-operator"
        self.make_queue("before")
        self.kube.delete(lease)
        wait_for("the lease again", lambda: self.kube.exists(lease), 60)
        self.make_queue("after")
        # Also a broker that knew an epoch of the older lease obeys.
        self.patch_queue("before", {"spec": {"paused": True}})
        wait_for("the change", lambda: self.metric(
            "before", "sluice_queue_paused", queue="before") == 1, 60)
        wait_for("readiness", lambda: is_true(self.get_queue("before"), "Ready"), 60)

    def test_a_stateful_set_is_sent_as_soon_as_the_api_server_allows(self):
        begin = audit.now()
        log = audit.Follower(self.sluice.cluster.logs / "audit.log", begin)
        sets = lambda: {r.name for r in log.more() if r.resource == "statefulsets" and
                        r.verb in audit.WRITES and r.user.startswith(OPERATOR_USER) and
                        r.name.startswith(self.namespace)}
        for i in range(9):  # one after the other: a burst would measure waiting
            self.kube.apply(self.manifest(f"t{i}"))
            wait_for("a stateful set", lambda i=i: len(sets()) > i, 30)
        found = own_time.sendings(
            [r for r in log.found if r.user == "sluice-test-admin" and
             r.name.startswith(self.namespace)],
            [r for r in log.found if r.user.startswith(OPERATOR_USER)])
        self.assertEqual(len(found), 9)
        self.assertEqual(own_time.late(found.values()), [], [str(one) for one in found.values()])


if __name__ == "__main__":
    unittest.main(verbosity=2)
