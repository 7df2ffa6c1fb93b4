"""Data folders that earlier versions wrote: opened, with everything that they held.

tests/golden/data/NAME.tar.xz is a folder as a kill -9 left it, NAME.json what a broker makes of it.
Files of a new feature level, or with records that came later, are added beside the old ones by

  SLUICE_WRITE_GOLDEN=1 python3 tests/integration/broker/test_golden.py --bin build/release/bin

under a new NAME; those that are there are never made again.
"""

import hashlib
import json
import os
import subprocess
import tarfile

import broker_test
import harness

FOLDER = broker_test.TESTS / "golden" / "data"
LEVELS = {"level-2": 2, "level-2-extents": 2}
SPEC = """  subscriptions: [{name: work}, {name: audit}]
"""
# Queues beside it, and what the first one takes more.
MORE = {"level-2-extents": (SPEC + "  limits: {messageBytes: 16Mi}\n", {
    "kept": {"retention": {"policy": "Size", "bytes": "1Mi"}},
    "parked": {"limits": {"messageBytes": "16Mi"}},
    "open": {"subscriptionPolicy": "AllowCreate", "createdSubscriptions": {"idleExpiry": "3650d"}},
    "small": {"limits": {"messages": 2, "overflow": "DeadLetterOldest"}},
})}
SEGMENT_BYTES = {"level-2": "512Ki", "level-2-extents": "1Mi"}
LARGE_BYTES = 270_000  # as little as makes two pieces


class Golden(broker_test.BrokerTest):
    def world_of_golden(self, name):
        spec, others = MORE.get(name, (SPEC, {}))
        arguments = ["--segment-bytes", SEGMENT_BYTES[name], "--snapshot-every", "1"]
        world = self.world(queue_name="golden", lease="60s", arguments=arguments, spec=spec)
        for other, settings in others.items():
            path = os.path.join(world.folder, f"{other}.yaml")
            with open(path, "w", encoding="utf-8") as out:
                out.write(harness.queue(other, **settings))
            world.arguments += ["-f", path]
        return world

    def sluice(self, world, *arguments, text_in=None):
        done = world.run(*arguments, text_in=text_in)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stderr}")
        return done.stdout

    def publish_lines(self, world, queue, first, last, *arguments):
        lines = "".join(f"message {i:06} " + "x" * 900 + "\n" for i in range(first, last))
        self.sluice(world, "pub", queue, "--lines", *arguments, text_in=lines)

    def write_level_2(self, world):
        """What the log of level 2 holds but for large messages, copies, retention and extents."""
        world.start_broker()
        work = ("--subscription", "work")

        def publish(first, last):
            self.publish_lines(world, world.queue, first, last)

        publish(1, 1_001)
        self.sluice(world, "pub", world.queue, "--body", "later", "--delay", "9999d")
        self.sluice(world, "pub", world.queue, "--body", "fleeting", "--ttl", "9999d",
                    "--header", "tenant=acme", "--key", "k")
        self.sluice(world, "sub", world.queue, *work, "--max", "20")
        self.sluice(world, "queue", "seek", world.queue, *work, "--to", "sequence:11")
        self.sluice(world, "sub", world.queue, *work, "--max", "3", "--settle", "fail",
                    "--error", "the service answered 503")
        self.sluice(world, "sub", world.queue, *work, "--max", "2", "--settle", "reject",
                    "--error", "never")
        self.sluice(world, "redrive", world.queue, *work)
        self.sluice(world, "sub", world.queue, *work, "--max", "4", "--settle", "reject",
                    "--error", "not at all")
        self.sluice(world, "purge", world.queue, "--subscription", "audit", "--sequence", "1-5",
                    "--yes")
        publish(1_001, 2_001)
        world.kill_broker()
        self.flip(world, b"message 000700")
        world.start_broker()
        # What lies before the snapshot is found when somebody wants it.
        self.sluice(world, "sub", world.queue, "--subscription", "audit", "--max", "800")
        self.assertGreater(self.counts(world)["audit"]["damaged"], 0)
        self.sluice(world, "queue", "discard-damaged", world.queue, "--subscription", "audit",
                    "--yes")
        holder = world.client("sub", world.queue, "--subscription", "audit", "--prefetch", "7",
                              "--exec", "sleep 60", stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL)
        harness.wait_until(lambda: self.counts(world)["audit"]["inFlight"] == 7, "leases are out")
        world.kill_broker()
        holder.kill()

    def write_level_2_extents(self, world):
        """The rest: messages in pieces (waiting, dead, moved, in an extent), what tasks carried to
        another queue, what retention keeps and has dropped, a subscription that was created, and
        dead letters whose deliver-at has not come (in a snapshot, and in the log behind it)."""
        world.start_broker()
        large = os.path.join(world.folder, "large")

        def publish_large(queue, number):
            with open(large, "w", encoding="utf-8") as out:
                out.write(f"large {number} " + "y" * LARGE_BYTES)
            self.sluice(world, "pub", queue, "--file", large, "--header", f"number={number}")

        self.sluice(world, "sub", "open", "--subscription", "mine", "--idle-exit", "100ms")
        self.publish_lines(world, "open", 1, 11)
        self.overflow(world, 1)
        publish_large(world.queue, 1)
        # Sparse segments: enough of them that their garbage is worth a compaction.
        for begin in range(1, 8_001, 1_000):
            self.publish_lines(world, world.queue, begin, begin + 1)
            self.publish_lines(world, world.queue, begin + 1, begin + 301, "--header", "kept=no")
            self.publish_lines(world, "kept", begin, begin + 700)
        publish_large(world.queue, 2)
        self.sluice(world, "sub", "kept", "--max", "600")
        self.sluice(world, "purge", world.queue, "--header", "kept=no", "--yes")
        # What the snapshots still need of the older segments they need no more when others follow.
        for part in range(30):
            if self.extents(world):
                break
            self.publish_lines(world, "kept", 10_001 + part * 600, 10_601 + part * 600)
        harness.wait_until(lambda: self.extents(world), "something was compacted")
        self.assertGreater(max(self.extents(world)), LARGE_BYTES, "no large message was moved")
        for number in (3, 4):
            publish_large(world.queue, number)
        self.sluice(world, "sub", world.queue, "--subscription", "work", "--max", "9", "--settle",
                    "reject", "--error", "too large")
        self.sluice(world, "copy", f"{world.queue}/work/dlq", "parked", "--header", "number=1")
        self.sluice(world, "move", world.queue, "parked", "--subscription", "audit", "--header",
                    "number=3")
        self.overflow(world, 3)
        world.kill_broker()

    def overflow(self, world, first):
        self.sluice(world, "pub", "small", "--body", "later", "--delay", "9999d")
        self.publish_lines(world, "small", first, first + 2)

    @staticmethod
    def extents(world):
        """Their sizes."""
        folder = os.path.join(world.data, "segments")
        return [os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder)
                if name.endswith(".ext")]

    def write(self, name):
        world = self.world_of_golden(name)
        getattr(self, "write_" + name.replace("-", "_"))(world)
        FOLDER.mkdir(exist_ok=True)
        with tarfile.open(FOLDER / f"{name}.tar.xz", "w:xz") as archive:
            for folder in ("segments", "snapshots", "index"):
                for file in sorted(os.listdir(os.path.join(world.data, folder))):
                    if file.startswith("free-") or file.endswith(".tmp"):
                        continue
                    archive.add(os.path.join(world.data, folder, file), f"{folder}/{file}",
                                filter=self.anonymous)
        found = self.start_on(world, name)
        with open(FOLDER / f"{name}.json", "w", encoding="utf-8") as out:
            json.dump(self.picture(world, name, found, {}), out, indent=1, sort_keys=True)
            out.write("\n")

    @staticmethod
    def anonymous(info):
        info.uid = info.gid = info.mtime = 0
        info.uname = info.gname = ""
        return info

    def flip(self, world, text):
        folder = os.path.join(world.data, "segments")
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "r+b") as file:
                content = file.read()
                if text in content:
                    file.seek(content.index(text))
                    file.write(b"M")
                    return
        raise AssertionError(f"no segment has {text}")

    def counts(self, world, queue=None):
        names = ("ready", "inFlight", "delayed", "deadLettered", "damaged")
        return {one["name"]: {name: one["messages"][name] for name in names}
                for one in world.stat(queue)["subscriptions"]}

    def types(self, world):
        dump = self.sluice(world, "log", "dump", world.data, "--json")
        return {json.loads(line)["type"] for line in dump.splitlines()}

    def start_on(self, world, name):
        """Returns the types of the records that it has."""
        world.data = os.path.join(world.folder, "golden")
        with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
            archive.extractall(world.data, filter="data")
        types = self.types(world)
        world.start_broker()
        harness.wait_until(
            lambda: all(one["inFlight"] == 0 for one in self.counts(world).values()),
            "what nobody came back for is released")
        return types

    def picture(self, world, name, types, expected):
        """All that can be seen from outside, as far as it does not depend on the time. Where it is
        known what is to come nobody waits for more."""
        verified = json.loads(world.run("log", "verify", world.data, "--json").stdout)
        picture = {"featureLevel": verified["featureLevel"],
                   "types": sorted(types | self.types(world)),
                   "counts": self.counts(world), "nextSequence": world.stat()["nextSequence"]}
        dead = [json.loads(line)
                for line in self.sluice(world, "peek", world.queue, "--dlq", "--subscription",
                                        "work", "--json").splitlines()]
        picture["dead"] = [{key: one[key] for key in ("sequence", "reason", "error")}
                           for one in dead]
        for subscription in ("work", "audit"):
            picture[subscription] = self.take(world, expected.get(subscription), world.queue,
                                              "--subscription", subscription)
        if expected:
            harness.wait_until(lambda: self.counts(world) == expected["left"], expected["left"])
        picture["left"] = self.counts(world)
        if name in MORE:
            picture["others"] = self.picture_of_others(world, expected.get("others", {}))
        return picture

    def take(self, world, expected, *arguments):
        end = ["--max", str(expected["messages"])] if expected else ["--idle-exit", "2s"]
        done = self.sluice(world, "sub", *arguments, "--json", *end)
        lines = [f"{one['sequence']} {one['attempt']} {one['body']}"
                 for one in map(json.loads, done.splitlines())]
        digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
        return {"messages": len(lines), "sha256": digest}

    def picture_of_others(self, world, expected):
        """Dead letters whole, and what the other queues have: kept for replay, carried there, or
        not due yet."""
        picture = {}

        def take(name, *arguments):
            picture[name] = self.take(world, expected.get(name), *arguments)

        take("letters", f"{world.queue}/work/dlq")
        take("parked", "parked")
        take("mine", "open", "--subscription", "mine")
        self.sluice(world, "queue", "seek", "kept", "--to", "first")
        take("kept", "kept")
        self.sluice(world, "redrive", "small")
        take("small", "small")

        def left():
            return {queue: self.counts(world, queue)
                    for queue in ("parked", "open", "kept", "small")}

        if expected:
            harness.wait_until(lambda: left() == expected["left"], expected["left"])
        picture["left"] = left()
        return picture

    def test_folders_are_as_they_were(self):
        for name, level in LEVELS.items():
            with self.subTest(name):
                if "SLUICE_WRITE_GOLDEN" in os.environ and not (FOLDER / f"{name}.json").exists():
                    self.write(name)
                world = self.world_of_golden(name)
                found = self.start_on(world, name)
                with open(FOLDER / f"{name}.json", encoding="utf-8") as text:
                    expected = json.load(text)
                picture = self.picture(world, name, found, expected)
                # Records that this version writes at its start may be new.
                self.assertLessEqual(set(expected.pop("types")), set(picture.pop("types")))
                self.assertEqual(picture, expected)
                self.assertEqual(picture["featureLevel"], level)


if __name__ == "__main__":
    broker_test.main()
