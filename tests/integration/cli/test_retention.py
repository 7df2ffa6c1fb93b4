"""Queues that keep their messages for replay, and subscriptions that consumers create."""

import json
import os
import signal

import harness


class Retention(harness.CliTest):
    MANIFESTS = [
        harness.queue("events", retention={"policy": "TimeAndSize", "time": "1h", "bytes": "1Gi"}),
        harness.queue("kept", retention={"policy": "Size", "bytes": "1Gi"}),
        harness.queue("short", retention={"policy": "Time", "time": "1s"},
                      subscriptions=[{"name": "quick"}, {"name": "slow"}]),
        harness.queue("open", subscriptionPolicy="AllowCreate",
                      createdSubscriptions={"idleExpiry": "1s", "max": 1}),
    ]

    def stat(self, name):
        return json.loads(self.sluice("stat", name, "--json").stdout)

    def take(self, name, count, *arguments):
        return self.sluice("sub", name, "--max", count, *arguments).stdout.split()

    def test_settled_messages_come_again_after_a_seek_and_a_restart(self):
        self.publish("kept", *"abc")
        self.assertEqual(self.take("kept", 3), list("abc"))
        harness.wait_until(lambda: self.stat("kept")["retained"]["messages"] == 3, "3 are kept")
        self.wait_for_messages("kept", ready=0, inFlight=0)
        self.broker.stop()
        self.broker.start()
        self.sluice("queue", "seek", "kept", "--to", "sequence:2")
        self.assertEqual(self.take("kept", 2), list("bc"))

    def test_a_new_subscription_replays_what_is_kept(self):
        path = os.path.join(self.folder, "queue-0.yaml")
        with open(path, encoding="utf-8") as file:
            manifest = json.load(file)
        self.publish("events", "x", "y")
        self.sluice("queue", "seek", "events", "--to", "end")
        first = self.stat("events")["nextSequence"] - 2
        manifest["spec"]["subscriptions"] = [
            {"name": "default"}, {"name": "late", "start": "Sequence", "startSequence": first}]
        with open(path, "w", encoding="utf-8") as out:
            json.dump(manifest, out)
        self.broker.process.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: len(self.stat("events")["subscriptions"]) == 2, "it is there")
        self.assertEqual(self.take("events", 2, "--subscription", "late"), ["x", "y"])

    def test_what_is_too_old_goes_and_is_counted(self):
        self.publish("short", *"ab")
        self.assertEqual(self.take("short", 2, "--subscription", "quick"), list("ab"))
        harness.wait_until(lambda: self.stat("short")["retained"]["messages"] == 0, "all are gone")
        quick, slow = (one["sinceStart"]["removed"] for one in self.stat("short")["subscriptions"])
        self.assertEqual(quick.get("Retention", 0), 0)
        self.assertEqual(slow["Retention"], 2)
        self.assertEqual(self.messages("short", "slow")["ready"], 0)

    def test_a_consumer_creates_its_subscription_which_goes_when_it_is_idle(self):
        self.publish("open", "a")
        self.assertEqual(self.take("open", 1, "--subscription", "mine"), ["a"])
        one = harness.wait_until(
            lambda: [s for s in self.stat("open")["subscriptions"] if s["name"] == "mine"],
            "it is seen")[0]
        self.assertTrue(one["created"])
        harness.wait_until(lambda: len(self.stat("open")["subscriptions"]) == 1, "it went")


if __name__ == "__main__":
    harness.main()
