"""What the README shows, from an empty folder on."""

import json
import urllib.request

import harness


class FirstSession(harness.CliTest):
    MANIFESTS = [harness.queue("orders", delivery={"maxAttempts": 2, "backoff": {
        "initial": "10ms", "max": "20ms"}})]

    def test_the_whole_of_it(self):
        self.sluice("pub", "orders", "--lines", stdin="hello\nworld\n")
        self.wait_for_messages("orders", ready=2)
        self.assertIn("hello", self.sluice("peek", "orders").stdout)
        self.assertEqual(self.sluice("sub", "orders", "--max", 1).stdout, "hello\n")
        self.assertEqual(self.sluice("sub", "orders", "--max", 1).stdout, "world\n")
        self.wait_for_messages("orders", ready=0, inFlight=0)

        self.sluice("pub", "orders", "--body", "poison", "--header", "kind=bad")
        self.sluice("sub", "orders", "--exec", "echo cannot do that >&2; exit 1", "--max", 2)
        dead = self.json_lines("peek", "orders/dlq", "--json")
        self.assertEqual([one["body"] for one in dead], ["poison"])
        self.assertEqual(dead[0]["reason"], "AttemptsExceeded")
        self.assertEqual(dead[0]["error"], "cannot do that")

        self.assertIn("would redrive 1", self.sluice("redrive", "orders", "--dry-run").stdout)
        self.assertIn("redrove 1", self.sluice("redrive", "orders").stdout)
        self.assertEqual(self.sluice("sub", "orders", "--max", 1).stdout, "poison\n")

    def test_the_broker_tells_where_it_is(self):
        ready = self.broker.ready
        self.assertTrue(ready["endpoint"].startswith("tcp://127.0.0.1:"))
        http = ready["http"].removeprefix("http://")
        with urllib.request.urlopen(f"http://{http}/readyz", timeout=30) as answer:
            self.assertEqual(answer.status, 200)
        with urllib.request.urlopen(f"http://{http}/api/v1/queues", timeout=30) as answer:
            queues = json.load(answer)["queues"]
        self.assertEqual([one["name"] for one in queues], ["orders"])


class Restart(harness.CliTest):
    MANIFESTS = [harness.queue("orders")]

    def test_messages_outlive_the_broker(self):
        self.publish("orders", "kept")
        self.assertEqual(self.broker.stop(), 0)
        self.broker.start()
        self.assertEqual(self.sluice("sub", "orders", "--max", 1).stdout, "kept\n")


if __name__ == "__main__":
    harness.main()
