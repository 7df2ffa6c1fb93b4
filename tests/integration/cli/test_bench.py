"""`sluice bench`: small loads of each kind; every message is checked, and nothing stays."""

import json
import os
import signal
import subprocess
import tempfile
import unittest

import harness

KEYS = {"messages", "size_bytes", "producers", "consumers", "fsync", "publish_per_second",
        "end_to_end_per_second", "megabytes_per_second", "publish_ack_us", "end_to_end_us",
        "broker_rss_bytes", "broker_cpu_seconds", "lost", "duplicated"}


class Bench(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sluice-bench-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def bench(self, *arguments):
        done = subprocess.run([harness.program(), "bench", "--json", "--data", self.folder,
                               *map(str, arguments)], text=True, capture_output=True,
                              timeout=harness.SECONDS_MAX, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(os.listdir(self.folder), [])
        result = json.loads(done.stdout)
        self.assertLessEqual(KEYS, set(result))
        self.assertEqual((result["lost"], result["duplicated"], result["refused"]), (0, 0, 0))
        self.assertGreater(result["end_to_end_per_second"], 0)
        return result

    def test_one_producer_and_one_consumer(self):
        result = self.bench("--messages", 200_000)
        self.assertEqual((result["messages"], result["size_bytes"], result["fsync"]),
                         (200_000, 128, "Always"))
        for latency in (result["publish_ack_us"], result["end_to_end_us"]):
            self.assertGreater(latency["p50"], 0)
            self.assertLessEqual(latency["p50"], latency["p99"])
            self.assertLessEqual(latency["p99"], latency["p999"])

    def test_several_of_both(self):
        self.bench("--messages", 100_003, "--producers", 3, "--consumers", 2, "--size", 64)

    def test_a_drain(self):
        result = self.bench("--messages", 100_000, "--phase", "publish-then-consume", "--fsync",
                            "Never")
        self.assertEqual(result["phase"], "publish-then-consume")

    def test_a_rate(self):
        result = self.bench("--messages", 1_000, "--rate", 2_000)
        self.assertLess(result["publish_per_second"], 2_100)

    def test_messages_that_wait(self):
        result = self.bench("--messages", 10_000, "--waiting", 50_000)
        self.assertEqual(result["waiting"], 50_000)
        self.assertGreater(result["broker_rss_waiting_bytes"], 0)

    def test_plain_text_beside_encryption(self):
        result = self.bench("--messages", 20_000, "--encryption", "curve")
        self.assertEqual(result["encryption"], "curve")
        done = subprocess.run([harness.program(), "bench", "--json", "--data", self.folder,
                               "--messages", "20000", "--encryption", "compare"], text=True,
                              capture_output=True, timeout=harness.SECONDS_MAX, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        both = json.loads(done.stdout)
        self.assertLessEqual(KEYS, set(both["plain"]))
        self.assertEqual(both["curve"]["encryption"], "curve")
        self.assertGreater(both["curve_share"], 0)

    def test_it_stops_in_order(self):
        process = subprocess.Popen([harness.program(), "bench", "--messages", "1000000000",
                                    "--rate", "1000", "--data", self.folder],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            harness.wait_until(lambda: os.listdir(self.folder), "it has begun")
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=harness.SECONDS_MAX)
        finally:
            process.kill()
        self.assertEqual(process.returncode, 128 + signal.SIGINT)
        self.assertEqual(os.listdir(self.folder), [])


if __name__ == "__main__":
    harness.main()
