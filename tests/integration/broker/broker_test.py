"""What the tests of this folder share: worlds of their own with a broker that is theirs to hurt."""

import json
import pathlib
import sys
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TESTS / "torture"), str(TESTS / "integration" / "cli")]
import harness  # noqa: E402  pylint: disable=wrong-import-position
from processes import World  # noqa: E402  pylint: disable=wrong-import-position

SECONDS_MAX = harness.SECONDS_MAX
main = harness.main
program = harness.program


class BrokerTest(unittest.TestCase):
    maxDiff = None

    def world(self, **options):
        """A folder with a queue; its processes end with the test. The broker is not started."""
        world = World(harness.BIN, **options)
        self.addCleanup(world.__exit__, None, None, None)
        return world

    def publish(self, world, bodies):
        done = world.run("pub", world.queue, "--lines", text_in="".join(f"{b}\n" for b in bodies))
        self.assertEqual(done.returncode, 0, done.stderr)

    def drain(self, world, *arguments):
        """The deliveries until nothing has come for a while."""
        done = world.run("sub", world.queue, "--json", "--idle-exit", "2s", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def dead_letters(self, world):
        done = world.run("peek", world.queue, "--dlq", "--json", "--max", "1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def wait_for_messages(self, world, **counts):
        """The statistics are taken about once a second."""
        harness.wait_until(lambda: all(world.messages()[k] == v for k, v in counts.items()),
                           f"{counts}, now {world.messages()}")
