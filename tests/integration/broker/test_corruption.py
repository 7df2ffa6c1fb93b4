"""Damage on the disk: told with place and file, the rest served, nothing cut off."""

import json
import os
import urllib.request

import broker_test
import harness

MESSAGES = 3_000


class Corruption(broker_test.BrokerTest):
    def segments(self, world):
        folder = os.path.join(world.data, "segments")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
                if name.endswith(".log")]

    def metrics(self, world):
        with urllib.request.urlopen(f"http://127.0.0.1:{world.http}/metrics", timeout=10) as page:
            return page.read().decode()

    def filled(self):
        """A broker with several segments, killed."""
        world = self.world(arguments=["--segment-bytes", "1Mi"])
        world.start_broker()
        self.publish(world, [f"message {i:06} " + "x" * 1_000 for i in range(MESSAGES)])
        world.kill_broker()
        return world

    def flip(self, path, text):
        """Turns one bit of the first place with `text`; what the file held."""
        with open(path, "r+b") as file:
            content = bytearray(file.read())
            content[content.index(text)] ^= 0x10
            file.seek(0)
            file.write(content)
        return bytes(content)

    def test_a_flipped_bit_in_a_sealed_segment(self):
        world = self.filled()
        sealed = self.segments(world)[1]
        damaged = self.flip(sealed, b"message 001")
        world.start_broker()

        told = world.events("log_corrupt")
        self.assertEqual([os.path.basename(one["file"]) for one in told],
                         [os.path.basename(sealed)])
        self.assertLess(told[0]["begin"], told[0]["end"])

        got = [int(one["body"].split()[1]) for one in self.drain(world)]
        missing = sorted(set(range(MESSAGES)) - set(got))
        self.assertEqual(len(got), len(set(got)))
        self.assertTrue(missing)
        # What is lost is one batch: a run of messages around the bit.
        self.assertEqual(missing, list(range(missing[0], missing[-1] + 1)))
        self.assertLess(len(missing), MESSAGES // 3)

        if sealed in self.segments(world):
            with open(sealed, "rb") as file:
                self.assertEqual(file.read(), damaged)
        done = world.run("log", "verify", world.data, "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual([one["begin"] for one in report["corrupt"]], [told[0]["begin"]])

    def test_damaged_messages_are_counted_until_a_command_gives_them_up(self):
        world = self.filled()
        self.flip(self.segments(world)[1], b"message 001")
        world.start_broker()
        # What recovery missed is counted before anybody asks for it.
        harness.wait_until(lambda: world.messages()["damaged"] > 0, "damaged messages are counted")
        lost = world.messages()["damaged"]
        got = self.drain(world)
        self.assertEqual(len(got) + lost, MESSAGES)
        for kill in (True, False):
            if kill:
                world.kill_broker()
            else:
                world.broker.terminate()
                self.assertEqual(world.broker.wait(60), 0)
            world.start_broker()
            counts = world.messages()
            self.assertEqual((counts["damaged"], counts["ready"]), (lost, 0))
        stat = world.stat()
        self.assertEqual(stat["conditions"][0]["type"], "NeedsRepair")
        self.assertEqual(stat["conditions"][0]["status"], "True")
        self.assertIn("needs repair", world.run("stat").stdout)
        # The broker is up, and purges leave them alone.
        world.run("purge", world.queue, "--yes")
        self.assertEqual(world.messages()["damaged"], lost)
        done = world.run("queue", "discard-damaged", world.queue, "--json")
        self.assertEqual(done.returncode, 2)
        self.assertEqual(json.loads(done.stdout), {"messages": lost, "discarded": False})
        done = world.run("queue", "discard-damaged", world.queue, "--yes", "--json")
        self.assertEqual(json.loads(done.stdout), {"messages": lost, "discarded": True})
        self.assertEqual(world.messages()["damaged"], 0)
        self.assertEqual(world.stat()["messages"], 0)
        self.assertEqual(world.stat()["conditions"][0]["status"], "False")
        self.assertEqual([one["command"] for one in world.events("audit")][-1], "discard damaged")

    def test_damage_of_a_running_broker_is_told_when_it_is_met(self):
        world = self.world(arguments=["--segment-bytes", "1Mi"])
        world.start_broker()
        # More than is kept in memory, which the disk's damage would not be seen in.
        messages = 10 * MESSAGES
        self.publish(world, [f"message {i:06} " + "x" * 1_000 for i in range(messages)])
        sealed = self.segments(world)[1]
        self.flip(sealed, b"message 001")
        self.assertEqual(world.events("log_corrupt"), [])
        got = self.drain(world)
        self.assertLess(len(got), messages)
        harness.wait_until(lambda: world.events("log_corrupt"), "the damage is told")
        (told,) = world.events("log_corrupt")
        self.assertEqual(os.path.basename(told["file"]), os.path.basename(sealed))
        self.assertLess(told["begin"], told["end"])
        self.assertEqual(told["found_by"], "read")
        harness.wait_until(lambda: "\nsluice_wal_corrupt_ranges 1\n" in self.metrics(world),
                           "it is counted")
        self.assertEqual(world.messages()["damaged"], messages - len(got))
        self.assertEqual(world.stat()["conditions"][0]["status"], "True")

    def test_a_segment_that_is_put_back_is_readable_again(self):
        world = self.filled()
        sealed = self.segments(world)[1]
        with open(sealed, "rb") as file:
            whole = file.read()
        self.flip(sealed, b"message 001")
        world.start_broker()
        harness.wait_until(lambda: world.messages()["damaged"] > 0, "damaged messages are counted")
        world.kill_broker()
        with open(sealed, "wb") as file:
            file.write(whole)
        world.start_broker()
        self.assertEqual(world.messages()["damaged"], 0)
        self.assertEqual(len(self.drain(world)), MESSAGES)

    def test_a_damaged_log_still_takes_messages(self):
        world = self.filled()
        self.flip(self.segments(world)[1], b"message 001")
        for _ in range(2):
            world.start_broker()
            self.publish(world, ["new"])
            world.kill_broker()
        world.start_broker()
        bodies = [one["body"] for one in self.drain(world)]
        self.assertEqual(bodies.count("new"), 2)

    def test_a_torn_tail_costs_nothing_that_was_acknowledged(self):
        """Bytes behind the last group, as a write that never was synced leaves them."""
        world = self.filled()
        last = self.segments(world)[-1]
        with open(last, "r+b") as file:
            content = file.read()
            end = len(content.rstrip(b"\0"))
            file.seek(end + (-end % 8))
            file.write(bytes(range(1, 200)))
        world.start_broker()
        self.assertEqual(world.events("log_corrupt"), [])
        self.assertTrue(world.events("recovered")[-1]["unclean"])
        got = [int(one["body"].split()[1]) for one in self.drain(world)]
        self.assertEqual(got, list(range(MESSAGES)))

    def test_a_destroyed_segment_header_costs_no_message(self):
        world = self.filled()
        sealed = self.segments(world)[1]
        with open(sealed, "r+b") as file:
            for copy_at in (0, 2048):
                file.seek(copy_at)
                file.write(b"no header at all")
        world.start_broker()
        self.assertEqual([os.path.basename(one["file"]) for one in world.events("log_corrupt")],
                         [os.path.basename(sealed)])
        got = [int(one["body"].split()[1]) for one in self.drain(world)]
        self.assertEqual(got, list(range(MESSAGES)))


if __name__ == "__main__":
    broker_test.main()
