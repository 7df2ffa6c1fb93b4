"""Consumers scaled by the operator on a real cluster; it costs no redelivery."""

import datetime
import time
import unittest

from stage import StageCase, audit, condition, wait_for

BACKLOG = 5000
MAX = 5
# What the operator sees of KEDA, which is not there itself.
SCALED_OBJECTS_NAME = "scaledobjects.keda.sh"
SCALED_OBJECTS = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": SCALED_OBJECTS_NAME},
    "spec": {"group": "keda.sh", "scope": "Namespaced",
             "names": {"plural": "scaledobjects", "singular": "scaledobject",
                       "kind": "ScaledObject"},
             "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {
                 "openAPIV3Schema": {"type": "object",
                                     "x-kubernetes-preserve-unknown-fields": True}}}]}}
IDLE = {"stabilization": "3s", "idleBeforeZero": "3s", "drainTimeout": "60s"}


def consumers(target, maximum, backlog, **scale_in):
    return {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicas": 0, "maxReplicas": maximum, "target": {"backlogPerReplica": backlog},
            "scaleIn": IDLE | scale_in}


class ScalingTest(StageCase):
    def scale_requests(self, since):
        return [r for r in self.sluice.writes(since)
                if r.resource == "deployments/scale" and r.name.startswith(self.namespace)]

    def test_the_first_message_wakes_a_worker_within_a_second(self):
        self.make_worker("worker", "orders", "0.01")
        self.make_queue("orders", consumers=consumers("worker", 3, 100))
        access = self.access("orders")
        wait_for("zero", lambda: self.replicas("worker") == (0, 0), 30)
        begin = audit.now()
        access.publish(["wake up"])
        stored = audit.now()
        wait_for("a scale request", lambda: self.scale_requests(begin), 30)
        took = self.scale_requests(begin)[0].at - stored
        print(f"first message to scale request: {took.total_seconds():.3f} s")
        self.assertLess(took, datetime.timedelta(seconds=1))
        wait_for("the message done", lambda: self.metric(
            "orders", "sluice_messages_acked_total", queue="orders") == 1, 60)
        wait_for("zero again", lambda: self.replicas("worker") == (0, 0), 60)

    def test_a_backlog_scales_to_the_maximum_and_back_without_a_redelivery(self):
        self.make_worker("worker", "orders", "0.01")
        self.make_queue("orders", consumers=consumers("worker", MAX, 100))
        begin = time.monotonic()
        self.access("orders").publish([f"order {i}" for i in range(BACKLOG)])
        wait_for("the maximum", lambda: self.replicas("worker")[0] == MAX, 30)
        print(f"backlog to {MAX} replicas wanted: {time.monotonic() - begin:.1f} s")
        wait_for("all done", lambda: self.metric(
            "orders", "sluice_messages_acked_total", queue="orders") == BACKLOG, 300)
        print(f"{BACKLOG} done: {time.monotonic() - begin:.1f} s")
        wait_for("zero", lambda: self.replicas("worker") == (0, 0), 120)
        print(f"back at zero: {time.monotonic() - begin:.1f} s")
        for counter in ("redelivered", "stalled", "failed", "dead_lettered"):
            self.assertEqual(self.metric("orders", f"sluice_messages_{counter}_total",
                                         queue="orders"), 0, counter)

    def test_scaling_in_while_messages_come_redelivers_none(self):
        """Work goes down, not out: pods are drained while others go on."""
        self.make_worker("worker", "orders", "0.05")
        self.make_queue("orders", consumers=consumers("worker", 4, 50, maxPercent=100))
        access = self.access("orders")
        access.publish([f"many {i}" for i in range(600)])
        wait_for("the maximum", lambda: self.replicas("worker")[0] == 4, 30)
        sent = 600
        deadline = time.monotonic() + 120
        while self.replicas("worker")[0] > 1:
            self.assertLess(time.monotonic(), deadline, "never scaled in")
            access.publish(["trickle"])
            sent += 1
            time.sleep(0.3)
        wait_for("all done", lambda: self.metric(
            "orders", "sluice_messages_acked_total", queue="orders") == sent, 120)
        self.assertEqual(self.metric(
            "orders", "sluice_messages_redelivered_total", queue="orders"), 0)

    def test_each_change_is_told(self):
        self.make_worker("worker", "orders", "0.01")
        self.make_queue("orders", consumers=consumers("worker", 2, 100))
        self.access("orders").publish(["one"])
        wait_for("an event", lambda: [
            e for e in self.kube.items(self.path("events", "apis/events.k8s.io/v1"))
            if "worker" in str(e.get("note")) or e.get("regarding", {}).get("kind") == "Queue"], 60)

    def check_conflict(self, rival, path):
        """While `rival` scales the target nobody else does; after it the operator goes on."""
        self.make_queue("orders", consumers=consumers("worker", 2, 100))
        begin = audit.now()
        self.access("orders").publish(["one"])
        scaling = lambda: condition(self.get_queue("orders"), "ScalingActive")
        wait_for("the conflict", lambda: scaling().get("reason") == "Conflict", 60)
        self.assertEqual(scaling()["status"], "False")
        self.assertIn(rival, scaling()["message"])
        wait_for("an event", lambda: [
            event for event in self.kube.items(self.path("events", "apis/events.k8s.io/v1"))
            if event["reason"] == "Conflict" and event["type"] == "Warning" and
            event["regarding"]["kind"] == "Queue" and event["regarding"]["name"] == "orders" and
            rival in event["note"]], 30)
        self.assertEqual(self.scale_requests(begin), [])
        self.kube.delete(path)
        # Rivals are listed twice a minute.
        wait_for("the operator scales", lambda: self.scale_requests(begin), 90)
        wait_for("the condition", lambda: scaling()["status"] == "True", 30)

    def test_an_hpa_on_the_same_target_is_a_conflict(self):
        self.make_worker("worker", "orders", "0.01")
        self.kube.apply({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "theirs", "namespace": self.namespace},
            "spec": {"minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"},
                     "metrics": [{"type": "Resource", "resource": {
                         "name": "cpu", "target": {"type": "Utilization",
                                                   "averageUtilization": 80}}}]}})
        self.check_conflict("HorizontalPodAutoscaler theirs", self.path(
            "horizontalpodautoscalers/theirs", "apis/autoscaling/v2"))

    def test_a_scaled_object_of_keda_on_the_same_target_is_a_conflict(self):
        self.kube.apply(SCALED_OBJECTS)
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{SCALED_OBJECTS_NAME}"
        self.addCleanup(self.kube.delete, path)
        wait_for("the resource ScaledObject", lambda: any(
            c["type"] == "Established" and c["status"] == "True"
            for c in self.kube.get(path)["status"].get("conditions", [])), 30)
        # An operator that has found none in a cluster looks again after minutes.
        self.sluice.scale_operator(0)
        self.sluice.scale_operator(1)
        self.make_worker("worker", "orders", "0.01")
        # apiVersion and kind of the target have KEDA's defaults.
        self.kube.apply({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                         "metadata": {"name": "theirs", "namespace": self.namespace},
                         "spec": {"scaleTargetRef": {"name": "worker"},
                                  "triggers": [{"type": "cron", "metadata": {}}]}})
        self.check_conflict("ScaledObject theirs", self.path(
            "scaledobjects/theirs", "apis/keda.sh/v1alpha1"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
