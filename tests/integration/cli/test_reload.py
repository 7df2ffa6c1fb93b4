"""Configuration changes of a running broker: new manifests and SIGHUP."""

import json
import os
import signal

import harness


class Reload(harness.CliTest):
    MANIFESTS = [harness.queue("first"), harness.queue("second", shards=2)]

    def write(self, number, manifest):
        path = os.path.join(self.folder, f"queue-{number}.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(manifest)

    def reload(self, event):
        """Returns the event that answers this signal."""
        def answers():
            return [one for one in map(json.loads, self.broker.log().splitlines())
                    if one.get("event") == event]
        before = len(answers())
        self.broker.process.send_signal(signal.SIGHUP)
        return harness.wait_until(lambda: answers()[before:], event)[0]

    def settings(self, name):
        return json.loads(self.sluice("queue", "describe", name, "--json").stdout)["settings"]

    def wait_for_settings(self, name, key, value):
        """The statistics are published about once a second."""
        harness.wait_until(lambda: self.settings(name)[key] == value, f"{name}: {key} {value}")

    def test_a_change_is_taken_without_a_restart(self):
        self.publish("first", "a")
        self.write(0, harness.queue("first", paused=True, limits={"messages": 2}))
        self.reload("manifests_applied")
        self.wait_for_settings("first", "paused", True)
        self.assertEqual(self.sluice("sub", "first", "--idle-exit", "300ms").stdout, "")
        self.write(0, harness.queue("first"))
        self.reload("manifests_applied")
        self.assertEqual(self.sluice("sub", "first", "--max", 1).stdout, "a\n")

    def test_what_cannot_be_applied_leaves_all_as_it_was(self):
        self.write(0, harness.queue("first", ttl="1h"))
        self.write(1, harness.queue("second", shards=3))
        self.assertIn("shards", self.reload("manifest_refused")["error"])
        self.assertEqual(self.settings("first")["ttl"], "0s")
        self.write(1, "spec: nonsense")
        self.assertIn("queue-1.yaml:1", self.reload("manifest_refused")["error"])
        self.write(0, harness.queue("first"))
        self.write(1, harness.queue("second", shards=2))

    def test_subscriptions_come_and_a_full_one_does_not_go(self):
        two = [{"name": "default"}, {"name": "audit"}]
        self.write(1, harness.queue("second", shards=2, subscriptions=two))
        self.reload("manifests_applied")
        self.publish("second", "a")
        self.write(1, harness.queue("second", shards=2))
        error = self.reload("manifest_refused")["error"]
        self.assertIn("audit still has 1 messages", error)
        self.sluice("queue", "seek", "second", "--subscription", "audit", "--to", "end")
        self.reload("manifests_applied")


if __name__ == "__main__":
    harness.main()
