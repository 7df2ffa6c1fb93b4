"""What a queue's `durability` means for syncs of the disk, and for messages under kill -9."""

import urllib.request

import harness


class Durability(harness.CliTest):
    MESSAGES = 20
    BODIES = [f"m{number}" for number in range(MESSAGES)]

    def metric(self, name):
        http = self.broker.ready["http"]
        with urllib.request.urlopen(f"{http}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines
                   if line.startswith(name) and not line.startswith("#"))

    def syncs(self):
        return self.metric("sluice_wal_fsync_total")

    def publish_singly(self):
        for body in self.BODIES:
            self.sluice("pub", "work", "--body", body)
        harness.wait_until(lambda: self.metric("sluice_messages_published_total") == self.MESSAGES,
                           "the statistics know all messages")

    def check_kill_9(self):
        """A process that dies loses nothing that was written."""
        self.broker.process.kill()
        self.broker.process.wait()
        self.broker.start()
        taken = self.sluice("sub", "work", "--max", self.MESSAGES).stdout.split()
        self.assertEqual(taken, self.BODIES)


class Always(Durability):
    MANIFESTS = [harness.queue("work")]

    def test_each_answer_waits_for_a_sync(self):
        before = self.syncs()
        self.publish_singly()
        self.assertGreaterEqual(self.syncs() - before, self.MESSAGES)
        self.check_kill_9()


class Interval(Durability):
    MANIFESTS = [harness.queue("work", durability={"fsync": "Interval", "interval": "2s"})]

    def test_the_disk_is_synced_now_and_then(self):
        before = self.syncs()
        self.publish_singly()
        synced = harness.wait_until(lambda: self.syncs() - before, "a sync")
        self.assertLess(synced, self.MESSAGES)
        self.check_kill_9()


class Never(Durability):
    MANIFESTS = [harness.queue("work", durability={"fsync": "Never"})]

    def test_the_disk_is_not_synced(self):
        before = self.syncs()
        self.publish_singly()
        self.assertEqual(self.syncs(), before)
        self.check_kill_9()


# The base has no test of its own.
del Durability

if __name__ == "__main__":
    harness.main()
