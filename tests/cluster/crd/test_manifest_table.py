#!/usr/bin/env python3
"""A real API server with our CRD takes and refuses what the reader in operator/api does.

    test_manifest_table.py KUBECONFIG
"""

import sys
import unittest

import yaml

from api_server import Refused, queues_path
from crd_case import CrdCase, main
from manifest_table import manifests

BAD_LEAST = 130


class ManifestTable(CrdCase):
    def send(self, document, content_type):
        """None, or what the server says against it."""
        try:
            namespace = (yaml.safe_load(document).get("metadata") or {}).get("namespace")
        except (yaml.YAMLError, AttributeError, ValueError):
            namespace = None
        if content_type == "application/json":
            document = yaml.safe_load(document)
        try:
            self.server.request("POST", queues_path(namespace or self.namespace), document,
                                content_type, dryRun="All", fieldValidation="Strict")
        except Refused as refused:
            return refused.text
        return None

    def answers(self, manifest, content_type="application/yaml"):
        answers = (self.send(one, content_type) for one in manifest.documents())
        return [one for one in answers if one is not None]

    def test_good_ones_are_taken(self):
        for manifest in manifests("good"):
            with self.subTest(manifest.name):
                self.assertGreater(len(manifest.documents()), 0)
                self.assertEqual(self.answers(manifest), [])

    def test_bad_ones_are_refused_by_field_and_rule(self):
        refused = 0
        for manifest in manifests("bad"):
            with self.subTest(manifest.name):
                if manifest.is_marked_here_only():
                    continue
                expected = manifest.expected()
                self.assertIsNotNone(expected, "does not say what the API server answers")
                answers = self.answers(manifest)
                self.assertEqual(len(answers), 1, answers)
                for part in expected:
                    self.assertIn(part, answers[0])
                refused += 1
        self.assertGreaterEqual(refused, BAD_LEAST)

    def test_here_only_are_those_that_the_server_cannot_judge(self):
        for manifest in manifests("bad"):
            with self.subTest(manifest.name):
                why = manifest.why_here_only()
                self.assertEqual(manifest.is_marked_here_only(), why is not None)
                if why is None or manifest.is_of_another_kind():
                    continue
                # As it stands, or as kubectl makes JSON of it.
                taken = not self.answers(manifest)
                self.assertTrue(taken or not self.answers(manifest, "application/json"),
                                "is refused: take the mark away")


class Explained(CrdCase):
    """kubectl explain shows what the server publishes."""

    def schema(self, *steps):
        found = self.server.request("GET", "/openapi/v3/apis/sluice.dev/v1alpha1")
        found = found["components"]["schemas"]["dev.sluice.v1alpha1.Queue"]
        for step in steps:
            found = found["properties"][step]
        return found

    def test_the_description_of_a_field_is_published(self):
        self.assertIn("A durable message queue", self.schema()["description"])
        self.assertIn("Fixed once the queue exists", self.schema("spec", "shards")["description"])
        lease = self.schema("spec", "delivery", "leaseDuration")
        self.assertIn("So long a message belongs to the consumer", lease["description"])
        self.assertEqual(lease["default"], "30s")


if __name__ == "__main__":
    sys.exit(main(unittest))
