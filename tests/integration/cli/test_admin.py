"""peek, stat, queue, redrive, purge, task."""

import json

import harness


class Admin(harness.CliTest):
    MANIFESTS = [harness.queue(name) for name in
                 ("looked", "counted", "watched", "redriven", "chosen", "purged", "purged-dead",
                  "deleted", "tasked", "carried", "parked", "worked")]
    MANIFESTS.append(harness.queue("wide", shards=3))

    def kill(self, name, *bodies):
        """Makes dead letters of new messages."""
        self.publish(name, *bodies)
        self.sluice("sub", name, "--max", len(bodies), "--settle", "reject", "--error", "broken")

    def test_peek_takes_nothing(self):
        self.sluice("pub", "looked", "--body", "x", "--key", "k", "--header", "a=1")
        for _ in range(2):
            one = self.json_lines("peek", "looked", "--json")[0]
            self.assertEqual((one["body"], one["key"], one["headers"], one["attempts"]),
                             ("x", "k", {"a": "1"}, 0))
            self.assertRegex(one["acceptedAt"], r"^\d{4}-\d\d-\d\dT.*Z$")
        self.assertEqual(self.sluice("sub", "looked", "--max", 1).stdout, "x\n")

    def test_peek_pages_and_begins_anywhere(self):
        self.publish("wide", *(str(i) for i in range(1_000)))
        everything = self.json_lines("peek", "wide", "--json", "--max", 5_000)
        self.assertEqual(sorted(int(one["body"]) for one in everything), list(range(1_000)))
        self.assertEqual(len(self.json_lines("peek", "wide", "--json", "--max", 7)), 7)
        shard = everything[0]["shard"]
        last = max(one["sequence"] for one in everything if one["shard"] == shard)
        rest = self.json_lines("peek", "wide", "--json", "--from", last, "--max", 5_000)
        self.assertEqual([one["sequence"] for one in rest if one["shard"] == shard], [last])

    def test_stat_counts(self):
        self.publish("counted", "a", "b", "c")
        self.wait_for_messages("counted", ready=3)
        table = self.sluice("stat", "counted").stdout
        self.assertRegex(table, r"QUEUE +SUBSCRIPTION +READY")
        self.assertRegex(table, r"counted +default +3 +0 +0 +0")
        everything = json.loads(self.sluice("stat", "--json").stdout)
        self.assertIn("counted", [one["name"] for one in everything["queues"]])

    def test_stat_watches(self):
        process = self.start("stat", "watched", "--watch", "--json")
        for _ in range(2):
            self.assertEqual(json.loads(process.stdout.readline())["name"], "watched")
        process.terminate()
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)

    def test_queues_are_listed_and_described(self):
        names = self.sluice("queue", "list").stdout.splitlines()
        self.assertIn("looked", names)
        self.assertIn("looked", json.loads(self.sluice("queue", "list", "--json").stdout))
        described = json.loads(self.sluice("queue", "describe", "looked", "--json").stdout)
        self.assertEqual(described["name"], "looked")
        text = self.sluice("queue", "describe", "looked").stdout
        self.assertIn("subscription default", text)
        self.assertRegex(text, r"durability.fsync +Always")
        self.sluice("queue", "describe", "nothing", expect=1)

    def test_nothing_damaged_is_nothing_to_say_yes_to(self):
        done = self.sluice("queue", "discard-damaged", "looked")
        self.assertIn("0 damaged messages", done.stderr)
        self.assertNotIn("--yes", done.stderr)

    def test_redrive_gives_back_what_is_chosen(self):
        self.kill("chosen", *"abcd")
        dead = self.json_lines("peek", "chosen/dlq", "--json")
        first, second = dead[0]["sequence"], dead[1]["sequence"]
        self.sluice("pub", "chosen", "--body", "e", "--header", "kind=special")
        self.sluice("sub", "chosen", "--max", 1, "--settle", "reject")
        dry = json.loads(self.sluice("redrive", "chosen", "--dry-run", "--json", "--sequence",
                                     f"{first}-{second}").stdout)
        self.assertEqual(dry["matched"], 2)
        self.assertEqual(len(self.json_lines("peek", "chosen/dlq", "--json")), 5)
        done = json.loads(self.sluice("redrive", "chosen", "--json", "--sequence",
                                      f"{first}-{second}").stdout)
        self.assertEqual((done["state"], done["matched"], done["done"]), ("Completed", 2, 2))
        self.assertEqual(self.sluice("sub", "chosen", "--max", 2).stdout, "a\nb\n")
        done = json.loads(self.sluice("redrive", "chosen", "--json", "--header",
                                      "kind=special").stdout)
        self.assertEqual(done["done"], 1)
        self.assertEqual(self.sluice("sub", "chosen", "--max", 1).stdout, "e\n")
        done = json.loads(self.sluice("redrive", "chosen", "--json", "--reason", "Expired").stdout)
        self.assertEqual(done["done"], 0)
        done = json.loads(self.sluice("redrive", "chosen", "--json", "--older-than", "1h").stdout)
        self.assertEqual(done["done"], 0)

    def test_redriven_messages_count_anew(self):
        self.kill("redriven", "x")
        self.assertIn("redrove 1 message", self.sluice("redrive", "redriven", "--rate", 10).stdout)
        got = self.json_lines("sub", "redriven", "--json", "--max", 1)[0]
        self.assertEqual((got["body"], got["attempt"], got["stalls"]), ("x", 1, 0))

    def test_purge_asks_first(self):
        self.publish("purged", "a", "b")
        done = self.sluice("purge", "purged", expect=2)
        self.assertIn("--yes", done.stderr)
        self.assertEqual(len(self.json_lines("peek", "purged", "--json")), 2)
        self.assertIn("removed 2", self.sluice("purge", "purged", "--yes").stdout)
        self.assertEqual(self.sluice("sub", "purged", "--idle-exit", "200ms").stdout, "")

    def test_dead_letters_are_purged_apart(self):
        self.kill("purged-dead", "dead")
        self.publish("purged-dead", "alive")
        done = json.loads(self.sluice("purge", "purged-dead/dlq", "--yes", "--json").stdout)
        self.assertEqual((done["state"], done["done"]), ("Completed", 1))
        self.assertEqual(self.json_lines("peek", "purged-dead/dlq", "--json"), [])
        self.assertEqual(self.sluice("sub", "purged-dead", "--max", 1).stdout, "alive\n")

    def test_tasks_are_listed_shown_and_cancelled(self):
        self.kill("tasked", *"abcdefgh")
        begun = json.loads(self.sluice("redrive", "tasked", "--rate", 1, "--no-wait",
                                       "--json").stdout)
        self.assertEqual(begun["state"], "Running")
        refused = self.sluice("purge", "tasked/dlq", "--yes", expect=75)
        self.assertIn(begun["task"], refused.stderr)
        self.wait_for_task(begun["task"], "Running")
        cancelled = json.loads(self.sluice("task", "cancel", begun["task"], "--json").stdout)
        self.assertEqual(cancelled["state"], "Cancelled")
        shown = self.wait_for_task(begun["task"], "Cancelled")
        self.assertEqual((shown["kind"], shown["subscription"], shown["done"]),
                         ("Redrive", "default", cancelled["done"]))
        self.assertRegex(self.sluice("task", "list", "tasked").stdout,
                         begun["task"] + r" +tasked +Redrive +default/dlq +Cancelled")
        self.sluice("task", "show", "0" * 32, expect=1)
        before = self.broker.log().count("cancel task")
        self.sluice("task", "cancel", begun["task"], expect=1)
        self.assertEqual(self.broker.log().count("cancel task"), before + 1)

    def test_dead_letters_are_moved_and_messages_copied(self):
        self.kill("carried", "a", "b", "c")
        dry = json.loads(self.sluice("move", "carried/dlq", "parked", "--sequence", "1,3",
                                     "--dry-run", "--json").stdout)
        self.assertEqual((dry["matched"], dry["done"], len(dry["sample"])), (2, 0, 2))
        self.assertIn("would move 2 messages: 1,3",
                      self.sluice("move", "carried/dlq", "parked", "--sequence", "1,3",
                                  "--dry-run").stdout)
        moved = self.sluice("move", "carried/dlq", "parked", "--sequence", "1,3")
        self.assertEqual(moved.stdout, "moved 2 messages\n")
        self.assertEqual([one["body"] for one in self.json_lines("peek", "carried/dlq", "--json")],
                         ["b"])
        copied = json.loads(self.sluice("copy", "parked", "carried", "--json").stdout)
        self.assertEqual(copied["done"], 2)
        got = self.json_lines("sub", "parked", "--json", "--max", 2)
        self.assertEqual([one["body"] for one in got], ["a", "c"])
        self.assertEqual(got[0]["headers"]["sluice-source"], "carried/dlq")
        self.assertEqual(got[0]["headers"]["sluice-source-id"], "0-1")
        self.assertEqual(got[0]["headers"]["sluice-dead-reason"], "Rejected")
        self.assertEqual(self.sluice("sub", "carried", "--max", 2).stdout, "a\nc\n")
        self.sluice("move", "carried", "carried", expect=65)
        self.sluice("move", "carried", "nothing", expect=1)

    def test_dead_letters_are_worked_on(self):
        self.kill("worked", "a", "b", "c")
        given_back = self.json_lines("sub", "worked/dlq", "--json", "--max", 3, "--settle",
                                     "release")
        self.assertEqual([one["body"] for one in given_back], ["a", "b", "c"])
        self.assertEqual(given_back[0]["headers"]["sluice-dead-reason"], "Rejected")
        self.assertEqual(self.sluice("sub", "worked/default/dlq", "--max", 2).stdout, "a\nb\n")
        self.assertEqual([one["body"] for one in self.json_lines("peek", "worked/dlq", "--json")],
                         ["c"])

    def wait_for_task(self, task, state):
        """Statistics are taken once a second."""
        shown = []

        def reached():
            tasks = json.loads(self.sluice("task", "list", "--json").stdout)
            shown[:] = [one for one in tasks if one["task"] == task and one["state"] == state]
            return bool(shown)
        harness.wait_until(reached, f"task {task} is {state}")
        return shown[0]

    def test_a_queue_is_deleted_only_when_asked_twice(self):
        self.publish("deleted", "x")
        self.assertIn("--yes", self.sluice("queue", "delete", "deleted", expect=2).stderr)
        self.assertEqual(len(self.json_lines("peek", "deleted", "--json")), 1)
        self.sluice("queue", "delete", "deleted", "--yes")
        self.sluice("peek", "deleted", expect=1)


if __name__ == "__main__":
    harness.main()
