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
LEVELS = {"level-2": 2}
SPEC = """  subscriptions: [{name: work}, {name: audit}]
"""
ARGUMENTS = ["--segment-bytes", "512Ki", "--snapshot-every", "1"]


class Golden(broker_test.BrokerTest):
    def world_of_golden(self):
        return self.world(queue_name="golden", lease="60s", arguments=ARGUMENTS, spec=SPEC)

    def sluice(self, world, *arguments, text_in=None):
        done = world.run(*arguments, text_in=text_in)
        self.assertEqual(done.returncode, 0, f"{arguments}\n{done.stderr}")
        return done.stdout

    def write(self, name):
        """What the log of level 2 holds but for large messages, copies and extents."""
        world = self.world_of_golden()
        world.start_broker()
        work = ("--subscription", "work")

        def publish(first, last):
            lines = "".join(f"message {i:06} " + "x" * 900 + "\n" for i in range(first, last))
            self.sluice(world, "pub", world.queue, "--lines", text_in=lines)

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
        FOLDER.mkdir(exist_ok=True)
        with tarfile.open(FOLDER / f"{name}.tar.xz", "w:xz") as archive:
            for folder in ("segments", "snapshots", "index"):
                for file in sorted(os.listdir(os.path.join(world.data, folder))):
                    if file.startswith("free-") or file.endswith(".tmp"):
                        continue
                    archive.add(os.path.join(world.data, folder, file), f"{folder}/{file}",
                                filter=self.anonymous)
        self.start_on(world, name)
        with open(FOLDER / f"{name}.json", "w", encoding="utf-8") as out:
            json.dump(self.picture(world), out, indent=1, sort_keys=True)
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

    def counts(self, world):
        names = ("ready", "inFlight", "delayed", "deadLettered", "damaged")
        return {one["name"]: {name: one["messages"][name] for name in names}
                for one in world.stat()["subscriptions"]}

    def start_on(self, world, name):
        world.data = os.path.join(world.folder, "golden")
        with tarfile.open(FOLDER / f"{name}.tar.xz") as archive:
            archive.extractall(world.data, filter="data")
        world.start_broker()
        harness.wait_until(
            lambda: all(one["inFlight"] == 0 for one in self.counts(world).values()),
            "what nobody came back for is released")

    def picture(self, world):
        """All that can be seen from outside, as far as it does not depend on the time."""
        verified = json.loads(world.run("log", "verify", world.data, "--json").stdout)
        types = {json.loads(line)["type"]
                 for line in self.sluice(world, "log", "dump", world.data, "--json").splitlines()}
        picture = {"featureLevel": verified["featureLevel"], "types": sorted(types),
                   "counts": self.counts(world), "nextSequence": world.stat()["nextSequence"]}
        dead = [json.loads(line)
                for line in self.sluice(world, "peek", world.queue, "--dlq", "--subscription",
                                        "work", "--json").splitlines()]
        picture["dead"] = [{key: one[key] for key in ("sequence", "reason", "error")}
                           for one in dead]
        for subscription in ("work", "audit"):
            got = self.drain(world, "--subscription", subscription)
            lines = [f"{one['sequence']} {one['attempt']} {one['body']}" for one in got]
            digest = hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
            picture[subscription] = {"messages": len(lines), "sha256": digest}
        picture["left"] = self.counts(world)
        return picture

    def test_folders_are_as_they_were(self):
        for name, level in LEVELS.items():
            with self.subTest(name):
                if "SLUICE_WRITE_GOLDEN" in os.environ and not (FOLDER / f"{name}.json").exists():
                    self.write(name)
                world = self.world_of_golden()
                self.start_on(world, name)
                with open(FOLDER / f"{name}.json", encoding="utf-8") as text:
                    expected = json.load(text)
                picture = self.picture(world)
                # Records that this version writes at its start may be new.
                self.assertLessEqual(set(expected.pop("types")), set(picture.pop("types")))
                self.assertEqual(picture, expected)
                self.assertEqual(picture["featureLevel"], level)


if __name__ == "__main__":
    broker_test.main()
