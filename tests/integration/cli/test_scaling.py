"""`sluice simulate-scaling` on the examples as the documentation has them, and `sluice explain` on
a broker and on a Queue object."""

import json
import os
import subprocess
import tempfile
import unittest
import xml.dom.minidom

import harness

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../examples")
POLICY = os.path.join(EXAMPLES, "orders.yaml")


def run(*arguments, stdin=None):
    return subprocess.run([harness.program(), *arguments], text=True, capture_output=True,
                          input=stdin, timeout=harness.SECONDS_MAX, check=False)


def trace(name):
    return os.path.join(EXAMPLES, "scaling", name)


class Simulation(unittest.TestCase):
    def test_a_burst_goes_up_at_once_and_down_in_steps(self):
        done = run("simulate-scaling", "--trace", trace("burst.csv"), "--policy", POLICY, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        told = json.loads(done.stdout)
        decided = [(one["time"], one["decided"]) for one in told["decisions"]]
        self.assertIn((11.0, 50), decided)
        self.assertEqual(decided[-1][1], 0)
        self.assertLess(decided[-1][0], 120)
        self.assertEqual(told["summary"]["scaleOuts"], 1)

    def test_the_table_and_the_picture(self):
        with tempfile.TemporaryDirectory() as folder:
            svg = os.path.join(folder, "day.svg")
            done = run("simulate-scaling", "--trace", trace("day.csv"), "--policy", POLICY,
                       "--svg", svg)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("REASON", done.stdout)
            picture = xml.dom.minidom.parse(svg)
            self.assertEqual(picture.documentElement.tagName, "svg")
            self.assertEqual(len(picture.getElementsByTagName("polyline")), 4)

    def test_a_silent_broker_is_not_an_empty_one(self):
        done = run("simulate-scaling", "--trace", trace("silence.jsonl"), "--policy", POLICY,
                   "--json")
        silent = [one for one in json.loads(done.stdout)["decisions"]
                  if one["reason"] == "MetricsUnknown"]
        self.assertTrue(silent)
        for one in silent:
            self.assertEqual(one["decided"], one["replicas"])

    def test_errors_name_line_and_field(self):
        with tempfile.TemporaryDirectory() as folder:
            bad = os.path.join(folder, "bad.csv")
            with open(bad, "w", encoding="utf-8") as out:
                out.write("time,ready\n0,1\n1,many\n")
            done = run("simulate-scaling", "--trace", bad, "--policy", POLICY)
            self.assertEqual(done.returncode, 65)
            self.assertIn("bad.csv:3: ready: \"many\"", done.stderr)
            done = run("simulate-scaling", "--trace", trace("burst.csv"), "--policy", bad)
            self.assertEqual(done.returncode, 65)
            self.assertIn("bad.csv:", done.stderr)
        for flags in (["--start-delay", "soon"], ["--rate", "0"], ["--replicas", "-1"]):
            done = run("simulate-scaling", "--trace", trace("burst.csv"), "--policy", POLICY,
                       *flags)
            self.assertEqual(done.returncode, 2, flags)


class Explanation(unittest.TestCase):
    def test_of_a_queue_object(self):
        queue = {"kind": "Queue", "metadata": {"name": "orders", "namespace": "shop"},
                 "spec": {"consumers": {"scaleTargetRef": {"name": "worker"}}},
                 "status": {"subscriptions": [
                     {"name": "default",
                      "consumers": {"current": 3, "desired": 3, "reason": "Idle",
                                    "limitedBy": "Stabilization", "message": "ready 0"}}]}}
        done = run("explain", "--object", "-", stdin=json.dumps(queue))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Deployment worker has 3 replicas, as it should", done.stdout)
        self.assertIn("Limited by Stabilization: ", done.stdout)
        done = run("explain", "--object", "-", "--json", stdin=json.dumps(queue))
        self.assertEqual(json.loads(done.stdout)["subscriptions"][0]["reason"], "Idle")
        self.assertEqual(run("explain", "--object", "-", stdin="[]").returncode, 65)


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class ExplanationOfABroker(harness.CliTest):
    MANIFESTS = [text_of(POLICY)]

    def test_tells_what_would_be_decided_now(self):
        self.publish("orders", *["x"] * 250)
        self.wait_for_messages("orders", ready=250)
        done = self.sluice("explain", "orders", "-f", POLICY, "--replicas", "1")
        self.assertIn("with 1 replica should have 3\n", done.stdout)
        self.assertIn("backlogPerReplica 100 asks for 3 (250 messages, 100 each)", done.stdout)
        self.sluice("explain", expect=2)


if __name__ == "__main__":
    harness.main()
