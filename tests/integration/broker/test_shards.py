"""A queue with a shard at each of two brokers: real processes, and `sluice` that asks both."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import broker_test
import harness

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: %s}
spec: {shards: 2, limits: {messages: 1001}}
"""


def free_port():
    """One that is free at all addresses of this machine; whoever takes it first has it."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


class Shards(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-shards-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.queues = os.path.join(self.folder, "queues")
        os.mkdir(self.queues)
        for name in ("orders", "later"):
            with open(os.path.join(self.queues, name + ".yaml"), "w", encoding="utf-8") as file:
                file.write(MANIFEST % name)
        self.port = free_port()
        self.brokers = [None, None]
        for shard in (0, 1):
            self.start(shard)

    def arguments(self, shard):
        host = f"tcp://127.0.1.{shard}"
        return [os.path.join(harness.BIN, "sluice-sidecar"), "broker",
                "--data", os.path.join(self.folder, f"data-{shard}"), "-f", self.queues,
                "--listen", f"{host}:{self.port}", "--control", f"{host}:0", "--http", "",
                "--shards", "2", "--shard-endpoints", "tcp://127.0.1.{shard}:{port}",
                "--log-format", "json"]

    def start(self, shard):
        log = os.path.join(self.folder, f"log-{shard}")
        with open(log, "wb") as out:
            # The ordinal of the pod says which shard it is.
            process = subprocess.Popen(self.arguments(shard), stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=out, env={**os.environ, "POD_NAME": f"b-{shard}"})
        self.brokers[shard] = process
        self.addCleanup(self.end, process)

        def ready():
            with open(log, encoding="utf-8") as lines:
                return '"event":"ready"' in lines.read()
        harness.wait_until(ready, f"broker {shard} is ready")

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def sluice(self, *arguments, stdin="", broker=0):
        done = subprocess.run(
            [harness.program(), "--endpoint", f"tcp://127.0.1.{broker}:{self.port}",
             *map(str, arguments)], input=stdin, text=True, capture_output=True,
            timeout=broker_test.SECONDS_MAX, check=False)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def publish(self, first, last):
        for n in range(first, last + 1):
            self.sluice("pub", "orders", "--body", f"m{n}", "--key", f"k{n}")

    def stat(self, broker=0):
        return json.loads(self.sluice("stat", "orders", "--json", broker=broker))

    def test_one_command_reaches_both(self):
        self.publish(1, 40)
        for broker in (0, 1):
            self.assertEqual(self.stat(broker)["messages"], 40)
        peeked = [json.loads(line)
                  for line in self.sluice("peek", "orders", "--json", "--max", 500).splitlines()]
        self.assertEqual(len(peeked), 40)
        self.assertEqual({one["shard"] for one in peeked}, {0, 1})
        # Half of the limit each, rounded up.
        self.assertEqual(self.stat()["settings"]["limits"]["messages"], 501)

        self.sluice("sub", "orders", "--settle", "reject", "--max", 40, "--error", "no")
        self.assertEqual(self.stat()["subscriptions"][0]["messages"]["deadLettered"], 40)
        done = json.loads(self.sluice("redrive", "orders", "--json"))
        self.assertEqual((done["state"], done["matched"], done["done"]), ("Completed", 40, 40))
        self.assertEqual(self.stat()["subscriptions"][0]["messages"]["ready"], 40)
        moved = json.loads(self.sluice("move", "orders", "later", "--json"))
        self.assertEqual(moved["done"], 40)
        tasks = json.loads(self.sluice("task", "list", "--json", broker=1))
        self.assertEqual(sorted(task["kind"] for task in tasks),
                         ["Move", "Move", "Redrive", "Redrive"])
        got = self.sluice("sub", "later", "--max", 40).splitlines()
        self.assertEqual(sorted(got), sorted(f"m{n}" for n in range(1, 41)))

    def test_a_killed_broker_loses_nothing_and_the_other_goes_on(self):
        self.publish(1, 30)
        before = self.sluice("peek", "orders", "--json", "--max", 500).splitlines()
        here = {json.loads(line)["body"] for line in before if json.loads(line)["shard"] == 0}
        self.brokers[1].send_signal(signal.SIGKILL)
        self.brokers[1].wait()
        got = self.sluice("sub", "orders", "--max", len(here)).splitlines()
        self.assertEqual(set(got), here)
        self.start(1)
        rest = self.sluice("sub", "orders", "--max", 30 - len(here)).splitlines()
        self.assertEqual(set(got) | set(rest), {f"m{n}" for n in range(1, 31)})

    def test_what_cannot_be_is_refused_at_the_start(self):
        arguments = self.arguments(0)
        wrong = arguments + ["--shard", "2"]
        self.assertIn("there are only 0 to 1", self.refusal(wrong))
        at = arguments.index("--shard-endpoints")
        self.assertIn("--shard-endpoints", self.refusal(arguments[:at] + ["--shard", "0"]))
        self.assertIn("end in no number", self.refusal(arguments, POD_NAME="pod", HOSTNAME="host"))

    def refusal(self, arguments, **environment):
        done = subprocess.run(arguments, env={**os.environ, **environment}, text=True,
                              capture_output=True, timeout=broker_test.SECONDS_MAX, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        return done.stderr


if __name__ == "__main__":
    broker_test.main()
