"""The client library's memory with a million messages that are outstanding."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS / "integration" / "cli"))
import harness  # noqa: E402  pylint: disable=wrong-import-position

PROGRAM = os.environ["SLUICE_CLIENT_MEMORY"]
SECONDS_MAX = 240
# MiB for a million messages with bodies of 100 bytes: entries of 108 bytes, and what stands for
# each of them (who waits for the answer; a Delivery).
LIMITS = {"producer": 240, "small_buffer_too": 260, "consumer": 330, "half_settled": 380,
          "settled": 380}


class MemoryTest(unittest.TestCase):
    def test_a_million_outstanding(self):
        folder = tempfile.mkdtemp(prefix="sluice-memory-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        broker = harness.Broker(folder, [harness.queue(
            "orders", delivery={"leaseDuration": "5m"}, limits={"messages": 2_000_000})])
        broker.start()
        self.addCleanup(broker.stop)
        done = subprocess.run([PROGRAM, broker.endpoint, "orders", str(broker.process.pid)],
                              text=True, capture_output=True, timeout=SECONDS_MAX, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        found = {name: float(value) for name, value in
                 (line.split() for line in done.stdout.splitlines())}
        self.assertEqual(set(found), set(LIMITS))
        for name, limit in LIMITS.items():
            self.assertLessEqual(found[name], limit, f"{name}: {found}")


if __name__ == "__main__":
    harness.main()
