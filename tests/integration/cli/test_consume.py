"""`sluice sub`: printing, settling, running commands."""

import os
import signal
import tempfile

import harness

QUICK = {"maxAttempts": 2, "backoff": {"initial": "10ms", "max": "20ms", "jitter": "0"}}


class Consume(harness.CliTest):
    MANIFESTS = [harness.queue(name, delivery=QUICK) for name in
                 ("plain", "many", "max", "released", "failed", "rejected", "none",
                  "piped")] + [
        harness.queue("once"), harness.queue("sought"),
        harness.queue("replayed", subscriptions=[{"name": "one"}, {"name": "two"}]),
        harness.queue("small", limits={"messages": 3, "overflow": "DropOldest"}),
        harness.queue("leased", delivery={"leaseDuration": "1s"}),
        harness.queue("news", subscriptions=[{"name": "mail"}, {"name": "audit"}]),
    ]

    def test_bodies_are_lines(self):
        self.publish("plain", "a", "b")
        self.assertEqual(self.sluice("sub", "plain", "--idle-exit", "500ms").stdout, "a\nb\n")
        self.wait_for_messages("plain", ready=0, inFlight=0)

    def test_many_messages_come_once_and_in_order(self):
        count = 50_000
        self.publish("many", *(str(i) for i in range(count)))
        got = self.json_lines("sub", "many", "--json", "--max", count)
        self.assertEqual([one["body"] for one in got], [str(i) for i in range(count)])
        self.wait_for_messages("many", ready=0, inFlight=0)

    def test_no_more_than_max_are_taken(self):
        self.publish("max", *"abcdef")
        self.assertEqual(self.sluice("sub", "max", "--max", 4).stdout, "a\nb\nc\nd\n")
        self.assertEqual(self.sluice("sub", "max", "--max", 2).stdout, "e\nf\n")

    def test_at_most_once_a_message_never_comes_again(self):
        self.publish("once", *"abc")
        self.assertEqual(self.sluice("sub", "once", "--at-most-once", "--max", 2).stdout, "a\nb\n")
        self.assertEqual(self.sluice("sub", "once", "--idle-exit", "500ms").stdout, "c\n")
        self.wait_for_messages("once", ready=0, inFlight=0)

    def test_a_subscription_is_put_elsewhere(self):
        self.publish("sought", *"abcd")
        self.sluice("queue", "seek", "sought", "--to", "sequence:3")
        self.assertEqual(self.sluice("sub", "sought", "--max", 1).stdout, "c\n")
        self.sluice("queue", "seek", "sought", "--to", "end")
        self.wait_for_messages("sought", ready=0, inFlight=0)
        self.sluice("queue", "seek", "sought", "--to", "yesterday", expect=2)
        # A place behind the end is the end, and told.
        ahead = self.sluice("queue", "seek", "sought", "--to", "sequence:1000")
        self.assertIn("its end: there is no sequence 1000 yet", ahead.stderr)
        later = self.sluice("queue", "seek", "sought", "--to", "time:2999-01-01T00:00:00Z")
        self.assertIn("its end: that time is still to come", later.stderr)
        self.assertNotIn("its end", self.sluice("queue", "seek", "sought", "--to", "end").stderr)

    def test_going_back_brings_what_another_subscription_still_has(self):
        take = ("sub", "replayed", "--subscription", "one", "--max", 3)
        self.publish("replayed", *"abc")
        self.assertEqual(self.sluice(*take).stdout, "a\nb\nc\n")
        self.sluice("queue", "seek", "replayed", "--subscription", "one", "--to", "first")
        self.assertEqual(self.sluice(*take).stdout, "a\nb\nc\n")

    def test_a_full_queue_drops_its_oldest(self):
        self.publish("small", *"abc")
        self.publish("small", "d", "e")
        self.assertEqual(self.sluice("sub", "small", "--max", 3).stdout, "c\nd\ne\n")

    def test_released_messages_come_again_uncounted(self):
        self.publish("released", "x")
        for _ in range(3):
            got = self.json_lines("sub", "released", "--json", "--max", 1, "--settle", "release")
            self.assertEqual((got[0]["attempt"], got[0]["stalls"]), (1, 0))

    def test_failed_messages_come_again_until_they_are_dead(self):
        self.publish("failed", "x")
        for attempt in (1, 2):
            got = self.json_lines("sub", "failed", "--json", "--max", 1, "--settle", "fail",
                                  "--error", f"attempt {attempt}")
            self.assertEqual(got[0]["attempt"], attempt)
        dead = self.json_lines("peek", "failed", "--dlq", "--json")[0]
        self.assertEqual((dead["reason"], dead["attempts"], dead["error"]),
                         ("AttemptsExceeded", 2, "attempt 2"))

    def test_rejected_messages_are_dead_at_once(self):
        self.publish("rejected", "x")
        self.sluice("sub", "rejected", "--max", 1, "--settle", "reject", "--error", "no")
        dead = self.json_lines("peek", "rejected/dlq", "--json")[0]
        self.assertEqual((dead["reason"], dead["error"]), ("Rejected", "no"))

    def test_unsettled_messages_go_back_at_the_end(self):
        self.publish("none", "x")
        for _ in range(2):
            got = self.json_lines("sub", "none", "--json", "--max", 1, "--settle", "none")
            self.assertEqual((got[0]["attempt"], got[0]["stalls"]), (1, 0))

    def test_each_subscription_has_all_messages(self):
        self.publish("news", "x")
        for name in ("mail", "audit"):
            self.assertEqual(
                self.sluice("sub", "news", "--subscription", name, "--max", 1).stdout, "x\n")
        done = self.sluice("sub", "news", "--subscription", "typo", "--max", 1, expect=1)
        self.assertIn("typo", done.stderr)

    def test_a_message_that_nobody_read_is_not_consumed(self):
        self.publish("piped", *(f"{i} " + "x" * 1_000 for i in range(2_000)))
        process = self.start("sub", "piped")
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)
        left = self.json_lines("sub", "piped", "--json", "--idle-exit", "1s")
        self.assertEqual(left[-1]["body"].split()[0], "1999")
        self.assertEqual({one["attempt"] for one in left}, {1})

    def test_a_slow_reader_keeps_its_messages(self):
        # More than a pipe holds, read only when twice the lease is over.
        self.publish("leased", *(f"{i} " + "x" * 1_000 for i in range(500)))
        process = self.start("sub", "leased", "--max", 500)
        process.stdout.read(1)
        waiter = self.start("sub", "leased", "--idle-exit", "2500ms")
        self.assertEqual(waiter.communicate(timeout=harness.SECONDS_MAX)[0], "")
        self.assertEqual(len(process.stdout.read().splitlines()), 500)
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)
        self.wait_for_messages("leased", ready=0, inFlight=0)


class Exec(harness.CliTest):
    MANIFESTS = [harness.queue(name, delivery=QUICK) for name in
                 ("ok", "env", "again", "missing", "stopped", "unread",
                  "late", "named")] + [
        harness.queue("long", delivery={"leaseDuration": "1s"}),
    ]

    def test_exit_code_0_acknowledges(self):
        self.publish("ok", "a", "b")
        done = self.sluice("sub", "ok", "--max", 2, "--exec", "echo got $(cat)")
        self.assertEqual(done.stdout, "got a\ngot b\n")
        self.wait_for_messages("ok", ready=0, inFlight=0)

    def test_the_command_knows_its_message(self):
        self.sluice("pub", "env", "--body", "the body", "--key", "the key")
        done = self.sluice(
            "sub", "env", "--max", 1, "--exec",
            "echo $SLUICE_QUEUE/$SLUICE_SHARD/$SLUICE_ATTEMPT/$SLUICE_KEY/$(cat);"
            "test $SLUICE_SEQUENCE -ge 1")
        self.assertEqual(done.stdout, "env/0/1/the key/the body\n")
        self.wait_for_messages("env", ready=0, inFlight=0)

    def test_exit_code_75_gives_back_uncounted(self):
        self.publish("again", "x")
        self.sluice("sub", "again", "--max", 3, "--exec", "exit 75")
        self.assertEqual(self.json_lines("sub", "again", "--json", "--max", 1)[0]["attempt"], 1)

    def test_a_missing_command_is_a_failure_with_a_reason(self):
        self.publish("missing", "x")
        self.sluice("sub", "missing", "--max", 2, "--exec", "no-such-command-here")
        dead = self.json_lines("peek", "missing/dlq", "--json")[0]
        self.assertIn("no-such-command-here", dead["error"])

    def test_a_command_may_leave_its_input_unread(self):
        self.publish("unread", "x" * 200_000)
        self.sluice("sub", "unread", "--max", 1, "--exec", "true")
        self.wait_for_messages("unread", ready=0, inFlight=0)

    def test_the_lease_lives_as_long_as_the_command(self):
        self.publish("long", "x")
        process = self.start("sub", "long", "--max", 1, "--exec", "echo begin; sleep 3; echo end")
        self.assertEqual(process.stdout.readline(), "begin\n")
        other = self.start("sub", "long", "--idle-exit", "2s")
        self.assertEqual(other.communicate(timeout=harness.SECONDS_MAX)[0], "")
        self.assertEqual(process.communicate(timeout=harness.SECONDS_MAX)[0], "end\n")
        self.wait_for_messages("long", ready=0, inFlight=0)

    def test_a_stop_signal_lets_the_command_finish_and_releases_the_rest(self):
        self.publish("stopped", "a", "b", "c")
        process = self.start("sub", "stopped", "--prefetch", 10, "--exec",
                             "echo begin; cat; read -r go < fifo",
                             cwd=self.make_fifo())
        self.assertEqual(process.stdout.readline(), "begin\n")
        process.send_signal(signal.SIGTERM)
        with open(self.fifo, "w", encoding="utf-8") as go:
            go.write("go\n")
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)
        got = self.json_lines("sub", "stopped", "--json", "--max", 2)
        self.assertEqual([(one["body"], one["attempt"], one["stalls"]) for one in got],
                         [("b", 1, 0), ("c", 1, 0)])

    def test_a_command_that_does_not_end_in_time_is_stopped_and_gives_its_message_back(self):
        self.publish("late", "a")
        process = self.start("sub", "late", "--grace", "300ms", "--exec",
                             "trap '' TERM; echo begin; while :; do sleep 0.1; done")
        self.assertEqual(process.stdout.readline(), "begin\n")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)
        got = self.json_lines("sub", "late", "--json", "--max", 1)
        self.assertEqual([(one["body"], one["attempt"], one["stalls"]) for one in got],
                         [("a", 1, 0)])

    def test_a_consumer_is_named_after_its_pod(self):
        process = self.start("sub", "named", env={"POD_NAME": "worker-7", "POD_UID": "abc"})
        harness.wait_until(lambda: self.consumers("named") == ["worker-7/abc"], "it is named")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)

    def make_fifo(self):
        folder = tempfile.mkdtemp(dir=self.folder)
        self.fifo = os.path.join(folder, "fifo")
        os.mkfifo(self.fifo)
        return folder


if __name__ == "__main__":
    harness.main()
