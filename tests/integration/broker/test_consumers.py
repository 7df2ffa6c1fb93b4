"""Consumers that die: what they held comes again, is counted, and ends as a dead letter."""

import json
import shutil
import subprocess

import broker_test


class Consumers(broker_test.BrokerTest):
    def hold(self, world, count):
        """A consumer that has taken `count` messages and settles none."""
        child = world.client("sub", world.queue, "--json", "--settle", "none", "--prefetch",
                             str(count), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                             text=True)
        self.addCleanup(child.stdout.close)
        return child, [json.loads(child.stdout.readline()) for _ in range(count)]

    def kill(self, child):
        child.kill()
        child.wait()

    def test_what_a_killed_consumer_held_comes_again_as_a_stall(self):
        world = self.world(lease="30s", session_ttl="1s")
        world.start_broker()
        self.publish(world, "abc")
        child, held = self.hold(world, 3)
        self.assertEqual([(one["body"], one["attempt"], one["stalls"]) for one in held],
                         [("a", 1, 0), ("b", 1, 0), ("c", 1, 0)])
        self.kill(child)
        # All three were in its hands, so all three are suspects: they come one at a time.
        again = self.drain(world, "--max", "3")
        self.assertEqual({(one["body"], one["attempt"]) for one in again},
                         {("a", 1), ("b", 1), ("c", 1)})
        self.assertEqual({one["stalls"] for one in again}, {1})
        self.wait_for_messages(world, ready=0, inFlight=0, deadLettered=0)

    def test_the_lease_ends_also_where_the_session_lives(self):
        world = self.world(lease="1s", session_ttl="30s")
        world.start_broker()
        self.publish(world, ["slow"])
        child, _ = self.hold(world, 1)
        again = self.drain(world, "--max", "1")
        self.assertEqual([(one["body"], one["stalls"]) for one in again], [("slow", 1)])
        self.kill(child)

    def test_too_many_stalls_make_a_dead_letter(self):
        world = self.world(lease="30s", session_ttl="1s", stalls=2)
        world.start_broker()
        self.publish(world, ["killer"])
        for _ in range(2):
            child, _ = self.hold(world, 1)
            self.kill(child)
        dead = self.broker_dead(world)
        self.assertEqual((dead["body"], dead["reason"], dead["stalls"], dead["attempts"]),
                         ("killer", "StallsExceeded", 2, 0))

    def test_too_many_failures_make_a_dead_letter(self):
        world = self.world(attempts=3)
        world.start_broker()
        self.publish(world, ["wrong"])
        got = self.drain(world, "--settle", "fail", "--error", "no such customer")
        self.assertEqual([one["attempt"] for one in got], [1, 2, 3])
        dead = self.broker_dead(world)
        self.assertEqual((dead["body"], dead["reason"], dead["attempts"], dead["stalls"],
                          dead["error"]), ("wrong", "AttemptsExceeded", 3, 0, "no such customer"))

    def test_settles_that_nobody_confirmed_are_told(self):
        world = self.world()
        world.start_broker()
        self.publish(world, ["lost"])
        # The broker dies while the message is worked on, and the next one knows no such session.
        child = world.client("sub", world.queue, "--max", "1", "--exec",
                             f"kill -9 {world.broker.pid}; while [ -e {world.data} ]; do :; done",
                             stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        world.broker.wait(broker_test.SECONDS_MAX)
        shutil.rmtree(world.data)
        world.start_broker()
        told = child.communicate(timeout=broker_test.SECONDS_MAX)[1]
        self.assertIn("messages whose settle was never confirmed: 1", told)

    def broker_dead(self, world):
        self.wait_for_messages(world, ready=0, inFlight=0, delayed=0, deadLettered=1)
        return self.dead_letters(world)[0]


if __name__ == "__main__":
    broker_test.main()
