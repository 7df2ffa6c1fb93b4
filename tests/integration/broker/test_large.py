"""Messages that travel and lie in pieces, through real processes that are killed in the middle."""

import hashlib
import json
import os
import random
import subprocess

import broker_test

MIB = 1 << 20
SPEC = "  limits: {messageBytes: 16Mi, bytes: 1Gi}\n"


class Large(broker_test.BrokerTest):
    def files(self, world, count, size):
        """Bodies of readable bytes that differ from each other."""
        dice = random.Random(count + size)
        alphabet = bytes(range(97, 123))
        names = []
        for number in range(count):
            names.append(os.path.join(world.folder, f"body-{number}"))
            with open(names[-1], "wb") as out:
                body = bytes(dice.choices(alphabet, k=4096)) * (size // 4096 + 1)
                out.write((f"{number}-".encode() + body)[:size])
        return names

    @staticmethod
    def digest(text):
        return hashlib.sha256(text.encode()).hexdigest()

    def digests(self, names):
        found = []
        for name in names:
            with open(name, encoding="ascii") as file:
                found.append(self.digest(file.read()))
        return found

    def publish_files(self, world, names, *arguments):
        files = [argument for name in names for argument in ("--file", name)]
        return world.client("pub", world.queue, "--json", *arguments, *files,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def test_16_mib_arrive_whole_beside_small_ones(self):
        world = self.world(spec=SPEC, lease="60s", session_ttl="60s")
        world.start_broker()
        names = self.files(world, 2, 16 * MIB)
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        child = self.publish_files(world, names, "--header", f"traceparent={trace}",
                                   "--header", "tracestate=congo=t61rcWkgMzE,rojo=1")
        self.addCleanup(child.stdout.close)
        self.assertEqual(child.wait(broker_test.SECONDS_MAX), 0)
        self.publish(world, ["small"])
        peeked = world.run("peek", world.queue, "--json")
        first = json.loads(peeked.stdout.splitlines()[0])
        self.assertEqual(first["wholeBodyBytes"], 16 * MIB)
        self.assertLess(len(first["body"]), MIB)
        got = self.drain(world)
        self.assertEqual([self.digest(one["body"]) for one in got],
                         self.digests(names) + [self.digest("small")])
        self.assertEqual(got[1]["headers"], {"traceparent": trace,
                                             "tracestate": "congo=t61rcWkgMzE,rojo=1"})
        self.wait_for_messages(world, ready=0, inFlight=0, deadLettered=0)

    def test_tasks_and_dead_letters_carry_them_whole(self):
        # Nothing is killed here, and a busy machine needs seconds to print 16 MiB.
        world = self.world(spec=SPEC, lease="60s", session_ttl="60s")
        parked = os.path.join(world.folder, "parked.yaml")
        with open(parked, "w", encoding="utf-8") as out:
            out.write(broker_test.harness.queue("parked", limits={"messageBytes": "16Mi"}))
        world.arguments += ["-f", parked]
        world.start_broker()
        names = self.files(world, 2, 16 * MIB) + self.files(world, 1, 300_000)
        child = self.publish_files(world, names)
        self.addCleanup(child.stdout.close)
        self.assertEqual(child.wait(broker_test.SECONDS_MAX), 0)
        # All of them die, are looked at as letters, and go elsewhere.
        self.assertEqual(len(self.drain(world, "--max", "3", "--settle", "reject", "--error",
                                        "broken")), 3)
        letters = world.run("sub", f"{world.queue}/dlq", "--json", "--settle", "none", "--max",
                            "3")
        self.assertEqual(letters.returncode, 0, letters.stderr)
        got = [json.loads(line) for line in letters.stdout.splitlines()]
        self.assertEqual([self.digest(one["body"]) for one in got], self.digests(names))
        self.assertEqual({one["headers"]["sluice-dead-error"] for one in got}, {"broken"})
        for command in ("copy", "move"):
            done = world.run(command, f"{world.queue}/dlq", "parked")
            self.assertEqual(done.returncode, 0, done.stderr)
            done = world.run("sub", "parked", "--json", "--max", "3")
            got = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual([self.digest(one["body"]) for one in got], self.digests(names))
            self.assertEqual(got[0]["headers"]["sluice-source"], f"{world.queue}/dlq")
        self.wait_for_messages(world, ready=0, inFlight=0, deadLettered=0)

    def test_nothing_is_lost_or_doubled_when_the_broker_is_killed(self):
        world = self.world(spec=SPEC)
        world.start_broker()
        names = self.files(world, 24, 5 * MIB)
        child = self.publish_files(world, names)
        self.addCleanup(child.stdout.close)
        consumer = world.client("sub", world.queue, "--json", "--idle-exit", "6s",
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(consumer.stdout.close)
        received = []
        for number in range(4):
            # In the middle: some were received, and others are under way both ways.
            for _ in range(2):
                received.append(json.loads(consumer.stdout.readline()))
            world.kill_broker()
            world.start_broker()
            self.assertLess(number, 4)
        received += [json.loads(line) for line in consumer.stdout]
        stored = [json.loads(line)["sequence"] for line in child.stdout]
        self.assertEqual(child.wait(broker_test.SECONDS_MAX), 0)
        self.assertEqual(consumer.wait(broker_test.SECONDS_MAX), 0)
        self.assertEqual(len(stored), len(names))
        bodies = {}
        for one in received:
            # The same sequence twice is a redelivery; two sequences would be a message twice.
            digest = self.digest(one["body"])
            self.assertEqual(bodies.setdefault(one["sequence"], digest), digest)
        self.assertEqual(sorted(bodies.values()), sorted(self.digests(names)))
        self.wait_for_messages(world, ready=0, inFlight=0, deadLettered=0)
        verified = subprocess.run([broker_test.program(), "log", "verify", world.data],
                                  capture_output=True, text=True, check=False,
                                  timeout=broker_test.SECONDS_MAX)
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)

    def test_an_older_folder_refuses_them_and_says_what_to_do(self):
        world = self.world(spec=SPEC, arguments=["--log-feature-level", "1"])
        world.start_broker()
        names = self.files(world, 1, MIB)
        refused = world.run("pub", world.queue, "--file", names[0])
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("the queue takes 261112", refused.stderr)
        self.assertEqual(world.messages()["ready"], 0)


if __name__ == "__main__":
    broker_test.main()
