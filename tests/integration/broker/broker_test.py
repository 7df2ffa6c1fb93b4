"""What the tests of this folder share: worlds of their own, and the folder of the programs."""

import json
import os
import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "torture"))
from processes import World  # noqa: E402  pylint: disable=wrong-import-position

SECONDS_MAX = 60
BIN = None


def main():
    """`test_x.py --bin FOLDER [unittest's arguments]`"""
    global BIN
    if "--bin" not in sys.argv:
        sys.exit("usage: --bin FOLDER of sluice and sluice-sidecar")
    at = sys.argv.index("--bin")
    BIN = os.path.abspath(sys.argv[at + 1])
    # The test files import this module by name; as __main__ there would be two of it.
    unittest.main(module="__main__", argv=sys.argv[:at] + sys.argv[at + 2:], verbosity=2)


class BrokerTest(unittest.TestCase):
    maxDiff = None

    def world(self, **options):
        """A folder with a queue; its processes end with the test. The broker is not started."""
        world = World(BIN, **options)
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

    def wait_until(self, condition, what, seconds=SECONDS_MAX):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            result = condition()
            if result:
                return result
            time.sleep(0.02)
        return self.fail(f"not within {seconds} s: {what}")

    def wait_for_messages(self, world, **counts):
        """The statistics are taken about once a second."""
        self.wait_until(lambda: all(world.messages()[k] == v for k, v in counts.items()),
                        f"{counts}, now {world.messages()}")
