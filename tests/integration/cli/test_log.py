"""`sluice log`: beside a running broker, after it, and on a damaged folder."""

import json
import os

import harness


class Log(harness.CliTest):
    MANIFESTS = [harness.queue("orders")]

    def test_a_log_is_read_and_not_changed(self):
        self.publish("orders", *(f"message {i}" for i in range(1_000)))
        self.sluice("sub", "orders", "--max", 10)
        self.assertIn("good:", self.sluice("log", "verify", self.broker.data).stdout)
        self.assertEqual(self.broker.stop(), 0)

        report = json.loads(self.sluice("log", "verify", self.broker.data, "--json").stdout)
        self.assertTrue(report["ok"])
        self.assertEqual(report["corrupt"], [])
        self.assertGreater(sum(one["records"] for one in report["segments"]), 3)

        records = self.json_lines("log", "dump", self.broker.data, "--json")
        kinds = [one["type"] for one in records]
        for kind in ("Incarnation", "QueueConfigured", "Messages", "Leased", "Settled"):
            self.assertIn(kind, kinds)
        stored = sum(one["fact"]["count"] for one in records if one["type"] == "Messages")
        self.assertEqual(stored, 1_000)
        self.assertIn("name=orders", self.sluice("log", "dump", self.broker.data).stdout)

        self.damage()
        done = self.sluice("log", "verify", self.broker.data, expect=1)
        self.assertIn("corrupt:", done.stdout)
        self.salvage()

    def salvage(self):
        """What is left of the damaged folder, in a new one that a broker starts on."""
        folder = os.path.join(self.folder, "salvage")
        os.mkdir(folder)
        broker = harness.Broker(folder, self.MANIFESTS)
        done = self.sluice("log", "salvage", self.broker.data, "--to", broker.data, "--json",
                           expect=1)
        report = json.loads(done.stdout)
        self.assertEqual([(one["queue"], one["shard"], one["partly"]) for one in report["lost"]],
                         [("orders", 0, True)])
        lost = report["lost"][0]
        self.assertTrue(lost["first"] <= 501 <= lost["last"])
        again = self.sluice("log", "salvage", self.broker.data, "--to", broker.data, expect=75)
        self.assertIn("not empty", again.stderr)
        self.sluice("log", "salvage", folder, "--to", os.path.join(folder, "x"), expect=1)
        type(self).broker = broker.start()
        self.addCleanup(broker.stop)
        self.assertIn('"restored":true', broker.log())
        got = self.json_lines("sub", "orders", "--json", "--idle-exit", "1s")
        bodies = [one["body"] for one in got]
        self.assertIn("message 999", bodies)
        self.assertNotIn("message 500", bodies)
        # Ten were settled before; what shares a block with the bad bit is damaged.
        damaged = self.messages("orders")["damaged"]
        self.assertEqual(len(bodies) + damaged, 990)

    def damage(self):
        """Turns a bit in the middle of the first batch."""
        folder = os.path.join(self.broker.data, "segments")
        first = os.path.join(folder, sorted(name for name in os.listdir(folder)
                                            if name.endswith(".log"))[0])
        with open(first, "r+b") as file:
            content = file.read()
            at = content.index(b"message 500")
            file.seek(at)
            file.write(b"massage 500")

    def test_a_folder_without_a_log_is_told(self):
        self.assertIn("no log", self.sluice("log", "verify", self.folder, expect=1).stderr)
        self.sluice("log", "dump", self.folder, expect=1)


if __name__ == "__main__":
    harness.main()
