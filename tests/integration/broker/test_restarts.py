"""Restarts of the broker: nothing is lost, and no one is blamed for them."""

import os
import signal
import subprocess

import broker_test

RESTARTS = 20


class Restarts(broker_test.BrokerTest):
    def restart(self, world):
        world.kill_broker()
        world.start_broker()

    def test_leases_and_receipts_live_through_restarts(self):
        """A worker holds one message over twenty deaths of the broker, and then acknowledges it."""
        world = self.world(lease="60s", session_ttl="30s", attempts=1, stalls=1)
        world.start_broker()
        self.publish(world, ["long", "other"])
        mark = os.path.join(world.folder, "go-on")
        script = (f"read -r body; printf '%s %s\\n' \"$body\" \"$SLUICE_ATTEMPT\"; "
                  f"while [ ! -e {mark} ]; do sleep 0.05; done")
        worker = world.client("sub", world.queue, "--exec", script, "--max", "2",
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.assertEqual(worker.stdout.readline(), "long 1\n")
        for _ in range(RESTARTS):
            self.restart(world)
        with open(mark, "w", encoding="utf-8"):
            pass
        rest, _ = worker.communicate(timeout=broker_test.SECONDS_MAX)
        self.assertEqual((rest, worker.returncode), ("other 1\n", 0))
        # One more attempt or stall would have made a dead letter of either.
        self.wait_for_messages(world, ready=0, inFlight=0, delayed=0, deadLettered=0)
        self.assertEqual(self.drain(world), [])

    def test_what_was_out_at_restarts_comes_again_uncounted(self):
        """A consumer dies together with the broker: its messages come again, as if never seen."""
        world = self.world(lease="60s", session_ttl="1s", attempts=1, stalls=1)
        world.start_broker()
        self.publish(world, [f"m{i}" for i in range(100)])
        worker = world.client("sub", world.queue, "--settle", "none", "--prefetch", "100",
                              stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for _ in range(100):
            worker.stdout.readline()
        worker.stdout.close()
        worker.send_signal(signal.SIGSTOP)
        for _ in range(RESTARTS):
            self.restart(world)
        worker.kill()
        worker.wait()
        got = self.drain(world)
        self.assertEqual(sorted(one["body"] for one in got), sorted(f"m{i}" for i in range(100)))
        self.assertEqual({(one["attempt"], one["stalls"]) for one in got}, {(1, 0)})
        self.wait_for_messages(world, ready=0, inFlight=0, deadLettered=0)

    def test_dead_letters_delays_and_attempts_live_through_a_restart(self):
        world = self.world(attempts=2)
        world.start_broker()
        self.publish(world, ["dead"])
        self.assertEqual(len(self.drain(world, "--settle", "fail", "--error", "why")), 2)
        self.publish(world, ["once"])
        self.assertEqual(len(self.drain(world, "--settle", "fail", "--max", "1")), 1)
        done = world.run("pub", world.queue, "--body", "later", "--delay", "1h")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.restart(world)
        self.wait_for_messages(world, deadLettered=1)
        dead = self.dead_letters(world)
        self.assertEqual([(one["body"], one["error"]) for one in dead], [("dead", "why")])
        got = self.drain(world)
        self.assertEqual([(one["body"], one["attempt"]) for one in got], [("once", 2)])
        self.wait_for_messages(world, ready=0, delayed=1)


if __name__ == "__main__":
    broker_test.main()
