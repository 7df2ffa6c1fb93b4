#!/usr/bin/env python3
"""Writes queues.sluice.dev.yaml, the CustomResourceDefinition, from the modules beside it.

    crds/generate.py            writes the file
    crds/generate.py --check    says whether the file is what would be written
"""

import pathlib
import sys

import yaml

from queue_spec import queue_spec
from queue_status import queue_status
from schema import fields, label, rule

FILE = pathlib.Path(__file__).resolve().parent / "queues.sluice.dev.yaml"
HEAD = "# Made by crds/generate.py: change it there.\n"
WIDTH = 100


def column(name, kind, path, description, wide=False):
    out = {"name": name, "type": kind, "jsonPath": path, "description": description}
    if wide:
        out["priority"] = 1
    return out


def columns():
    return [
        column("Ready", "string", '.status.conditions[?(@.type=="Ready")].status',
               "Whether the queue can be used as it was asked for."),
        column("Messages", "integer", ".status.messages.ready", "Messages that wait."),
        column("InFlight", "integer", ".status.messages.inFlight", "Messages that are leased."),
        column("Dead", "integer", ".status.messages.deadLettered", "Dead letters."),
        column("Oldest", "string", ".status.messages.oldestAge",
               "Age of the oldest message that waits."),
        column("Consumers", "integer", ".status.consumers.current",
               "Replicas that run the consumers."),
        column("Age", "date", ".metadata.creationTimestamp", "When the Queue was created."),
        column("Desired", "integer", ".status.consumers.desired",
               "Replicas that were decided on.", wide=True),
        column("Reason", "string", '.status.conditions[?(@.type=="Ready")].reason',
               "Why it is ready or not.", wide=True),
        column("Broker", "string", ".status.broker.name", "The broker that runs it.", wide=True),
        column("Endpoint", "string", ".status.endpoint", "Where clients connect.", wide=True),
    ]


def queue_schema():
    broker = ("(has({0}.spec.broker) && has({0}.spec.broker.name) ? {0}.spec.broker.name : "
              "self.metadata.name)")
    return fields(
        "A durable message queue: how durable it is, how its messages are delivered, what it may "
        "hold, who consumes it and how they are scaled. The same manifest runs on a laptop with "
        "`sluice up -f`.",
        {
            "apiVersion": {"description": "sluice.dev/v1alpha1", "type": "string"},
            "kind": {"description": "Queue", "type": "string"},
            "metadata": {"type": "object", "properties": {"name": {
                k: v for k, v in label("").items() if k != "description"}}},
            "spec": queue_spec(),
            "status": queue_status(),
        },
        rule(f"{broker.format('self')} == {broker.format('oldSelf')}",
             "is fixed once the queue exists", ".spec.broker.name"))


def definition():
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "queues.sluice.dev"},
        "spec": {
            "group": "sluice.dev",
            "names": {"kind": "Queue", "listKind": "QueueList", "plural": "queues",
                      "singular": "queue", "shortNames": ["sq"], "categories": ["sluice"]},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1", "served": True, "storage": True,
                "additionalPrinterColumns": columns(),
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": queue_schema()},
            }],
        },
    }


class Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data):
        return True


def text():
    return HEAD + yaml.dump(definition(), Dumper=Dumper, sort_keys=False, width=WIDTH,
                            allow_unicode=True)


def main(arguments):
    if arguments == ["--check"]:
        if FILE.read_text() == text():
            return 0
        print(f"{FILE.name} is not what generate.py makes: run it", file=sys.stderr)
        return 1
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
