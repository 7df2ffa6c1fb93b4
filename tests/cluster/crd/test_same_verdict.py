#!/usr/bin/env python3
"""The API server with our CRD and the reader in operator/api judge thousands of specs alike.

    test_same_verdict.py KUBECONFIG

SLUICE_JUDGE is the program judge_manifest; SLUICE_SEED (a number) chooses other specs,
SLUICE_ALL=1 sends every one.
"""

import json
import os
import random
import subprocess
import sys
import unittest

import yaml

import mutations
from api_server import Refused, queues_path
from crd_case import CRD, CrdCase, main

SINGLE, COMBINED = 3_000, 1_500
SHOWN = 10


class SameVerdict(CrdCase):
    def setUp(self):
        self.judge = subprocess.Popen([os.environ["SLUICE_JUDGE"]], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.judge.wait)
        self.addCleanup(self.judge.stdin.close)
        self.addCleanup(self.judge.stdout.close)
        definition = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
        self.schema = definition["schema"]["openAPIV3Schema"]["properties"]["spec"]
        self.random = random.Random(int(os.environ.get("SLUICE_SEED", "1")))

    def of_reader(self, manifest):
        self.judge.stdin.write(json.dumps(manifest) + "\n")
        self.judge.stdin.flush()
        return self.judge.stdout.readline().strip()

    def of_server(self, manifest):
        try:
            self.server.request("POST", queues_path(self.namespace), manifest, dryRun="All",
                                fieldValidation="Strict")
        except Refused as refused:
            self.assertLess(refused.status, 500, refused)
            return refused.text
        return ""

    def compare(self, specs):
        taken, differences = 0, []
        for spec in specs:
            manifest = {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                        "metadata": {"name": "orders"}, "spec": spec}
            reader, server = self.of_reader(manifest), self.of_server(manifest)
            taken += not reader
            if bool(reader) != bool(server):
                differences.append(f"{json.dumps(spec)[:600]}\n  reader: {reader or 'takes it'}\n"
                                   f"  server: {server or 'takes it'}")
        self.assertFalse(differences, f"{len(differences)} of {len(specs)} differ:\n"
                                      + "\n".join(differences[:SHOWN]))
        return taken

    def test_each_field_set_to_many_values(self):
        specs = list(mutations.single(self.schema))
        if not os.environ.get("SLUICE_ALL"):
            specs = self.random.sample(specs, SINGLE)
        taken = self.compare(specs)
        self.assertTrue(len(specs) // 100 < taken < len(specs), taken)

    def test_several_fields_at_once(self):
        specs = list(mutations.combined(self.schema, self.random, COMBINED))
        self.compare(specs)


if __name__ == "__main__":
    sys.exit(main(unittest))
