#!/usr/bin/env python3
"""What may change once a Queue exists, as a real API server with our CRD sees it.

    test_transitions.py KUBECONFIG
"""

import sys
import unittest

from api_server import Refused, queues_path
from crd_case import CrdCase, main

MERGE = "application/merge-patch+json"
# How kubectl get asks.
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


class Transitions(CrdCase):
    def queue(self, **spec):
        """The name of a new Queue that goes with the test."""
        name = self.id().rsplit(".", 1)[1].replace("_", "-")[:63].rstrip("-")
        body = {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue", "metadata": {"name": name},
                "spec": spec}
        self.server.request("POST", queues_path(self.namespace), body, fieldValidation="Strict")
        self.addCleanup(self.server.request, "DELETE", queues_path(self.namespace, name))
        return name

    def change(self, name, **spec):
        return self.server.request("PATCH", queues_path(self.namespace, name), {"spec": spec},
                                   MERGE, fieldValidation="Strict")

    def assert_refused(self, name, field, rule, **spec):
        with self.assertRaises(Refused) as caught:
            self.change(name, **spec)
        self.assertIn(f"{field}: Invalid value", caught.exception.text)
        self.assertIn(rule, caught.exception.text)

    def test_shards_are_fixed(self):
        name = self.queue(shards=2)
        for other in (1, 3):
            self.assert_refused(name, "spec.shards", "is fixed once the queue exists",
                                shards=other)
        # Taking the field away is asking for the default.
        self.assert_refused(name, "spec.shards", "is fixed", shards=None)
        self.change(name, shards=2)

    def test_shards_by_default_are_fixed_too(self):
        name = self.queue()
        self.assert_refused(name, "spec.shards", "is fixed", shards=2)
        self.change(name, shards=1)

    def test_the_broker_is_fixed(self):
        name = self.queue(broker={"name": "shared"})
        self.assert_refused(name, "spec.broker.name", "is fixed", broker={"name": "other"})
        self.assert_refused(name, "spec.broker.name", "is fixed", broker={"name": None})
        self.assert_refused(name, "spec.broker.name", "is fixed", broker=None)

    def test_the_broker_by_default_is_that_of_its_name(self):
        name = self.queue()
        self.assert_refused(name, "spec.broker.name", "is fixed", broker={"name": "other"})
        self.change(name, broker={"name": name})
        self.change(name, broker=None)

    def test_the_storage_class_is_fixed(self):
        name = self.queue(broker={"storage": {"storageClassName": "fast"}})
        field = "spec.broker.storage.storageClassName"
        for other in ("slow", None):
            self.assert_refused(name, field, "is fixed",
                                broker={"storage": {"storageClassName": other}})

    def test_the_storage_class_of_the_cluster_is_fixed_too(self):
        name = self.queue()
        self.assert_refused(name, "spec.broker.storage.storageClassName", "is fixed",
                            broker={"storage": {"storageClassName": "fast"}})

    def test_a_volume_may_grow_and_not_shrink(self):
        name = self.queue(broker={"storage": {"size": "20Gi"}})
        self.change(name, broker={"storage": {"size": "20.5Gi"}})
        self.change(name, broker={"storage": {"size": 22011707392}})
        for less in ("20.25Gi", "20479Mi", 21474836480):
            self.assert_refused(name, "spec.broker.storage.size", "may only grow",
                                broker={"storage": {"size": less}})
        # Without a size it is what the queue needs; the volume stays as large as it is.
        self.change(name, broker={"storage": {"size": None}})

    def test_a_size_that_is_said_later_is_not_less_than_the_one_that_was_derived(self):
        name = self.queue(limits={"bytes": "12Gi"})
        # (12Gi + 1Gi) / 0.8 = 16.25Gi, rounded up.
        self.assert_refused(name, "spec.broker.storage.size", "may only grow",
                            broker={"storage": {"size": "16.5Gi"}})
        self.change(name, broker={"storage": {"size": "17Gi"}})

    def test_a_derived_size_is_at_least_ten_gibibytes(self):
        name = self.queue(limits={"bytes": "1Gi"})
        self.assert_refused(name, "spec.broker.storage.size", "may only grow",
                            broker={"storage": {"size": "9Gi"}})
        self.change(name, broker={"storage": {"size": "10Gi"}})

    def test_limits_may_not_outgrow_the_volume(self):
        name = self.queue(broker={"storage": {"size": "10Gi"}})
        self.assert_refused(name, "spec.broker.storage.size", "is too little",
                            limits={"bytes": "8Gi"})
        self.change(name, limits={"bytes": "8Gi"}, broker={"storage": {"size": "12Gi"}})

    def test_settings_may_change(self):
        name = self.queue()
        self.change(name, delivery={"leaseDuration": "1m", "maxAttempts": 0},
                    limits={"messages": 5}, ttl="1d", paused=True,
                    subscriptions=[{"name": "a"}, {"name": "b", "start": "New"}],
                    broker={"version": "0.2.0"}, deletionPolicy="Delete")

    def test_defaults_stand_in_the_object(self):
        name = self.queue(limits={"messages": 5})
        spec = self.server.request("GET", queues_path(self.namespace, name))["spec"]
        self.assertEqual(spec["limits"], {"messages": 5, "bytes": "6Gi", "messageBytes": "1Mi",
                                          "overflow": "Reject"})
        self.assertEqual(spec["delivery"]["backoff"]["multiplier"], 2)
        self.assertNotIn("consumers", spec)

    def test_the_status_is_written_on_its_own_path_only(self):
        name = self.queue()
        path = queues_path(self.namespace, name)
        ready = {"type": "Ready", "status": "True", "reason": "AllShardsReady", "message": "",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"observedGeneration": 1, "conditions": [ready], "messages": {"ready": 3}}
        self.server.request("PATCH", path, {"status": status}, MERGE)
        self.assertNotIn("status", self.server.request("GET", path))
        written = self.server.request("PATCH", path + "/status", {"status": status}, MERGE,
                                      fieldValidation="Strict")
        self.assertEqual(written["status"], status)
        self.assertEqual(written["metadata"]["generation"], 1)

    def test_kubectl_get_shows_the_numbers(self):
        name = self.queue()
        path = queues_path(self.namespace, name)
        ready = {"type": "Ready", "status": "True", "reason": "QueueReady", "message": "",
                 "lastTransitionTime": "2026-01-01T00:00:00Z"}
        status = {"conditions": [ready], "consumers": {"current": 3, "desired": 5},
                  "broker": {"name": name}, "endpoint": "tcp://orders.shop.svc:7650",
                  "messages": {"ready": 120, "inFlight": 14, "deadLettered": 2, "oldestAge": "4s"}}
        self.server.request("PATCH", path + "/status", {"status": status}, MERGE)
        table = self.server.request("GET", path, accept=TABLE)
        shown = {column["name"]: cell for column, cell in zip(table["columnDefinitions"],
                                                              table["rows"][0]["cells"])}
        age = shown.pop("Age")
        self.assertRegex(age, r"^\d+s$")
        self.assertEqual(shown, {
            "Name": name, "Ready": "True", "Messages": 120, "InFlight": 14, "Dead": 2,
            "Oldest": "4s", "Consumers": 3, "Desired": 5, "Reason": "QueueReady", "Broker": name,
            "Endpoint": "tcp://orders.shop.svc:7650"})

    def test_there_is_no_scale(self):
        name = self.queue()
        with self.assertRaises(Refused) as caught:
            self.server.request("GET", queues_path(self.namespace, name) + "/scale")
        self.assertEqual(caught.exception.status, 404)


class Columns(CrdCase):
    def test_the_table_shows_what_people_ask_first(self):
        names = self.server.request(
            "GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/queues.sluice.dev")
        version = names["spec"]["versions"][0]
        shown = [c["name"] for c in version["additionalPrinterColumns"] if not c.get("priority")]
        self.assertEqual([c.upper() for c in shown], ["READY", "MESSAGES", "INFLIGHT", "DEAD",
                                                      "OLDEST", "CONSUMERS", "AGE"])
        self.assertEqual(names["spec"]["names"]["shortNames"], ["sq"])
        self.assertEqual(names["spec"]["names"]["categories"], ["sluice"])
        self.assertEqual(list(version["subresources"]), ["status"])


if __name__ == "__main__":
    sys.exit(main(unittest))
