#!/usr/bin/env python3
"""A disk that fills, twice: by what is published, then by a file of somebody else.

The data folder lies on a small tmpfs, which needs root; without it the script says so and ends
with exit code 77. Each round publishes until the broker refuses with DiskLow, (in the second round)
takes every byte that is left, lets one consumer fail a part of the messages and another one settle
all of them, frees the disk, and waits until a publish is taken again. Nothing acknowledged may be
missing, no settle may fail, and the broker must be the same process throughout.

  full_disk.py --bin build/release/bin --disk-mib 160 --check
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.request

from processes import Consumer, World

SKIPPED = 77
PART = 20_000
RESUME_SECONDS_MAX = 30


class Disk:
    """A tmpfs of its own, mounted while it is used."""

    def __init__(self, folder, mib):
        self.folder = folder
        self.mib = mib
        os.makedirs(folder)

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.mib}m", "tmpfs", self.folder],
                       check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.folder], check=False)

    def free_bytes(self):
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    @property
    def foreign(self):
        return os.path.join(self.folder, "foreign")

    def fill(self):
        """Takes what is left, and goes on while anything becomes free."""
        file = os.open(self.foreign, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        size = 1 << 20
        while size >= 1:
            try:
                os.write(file, b"x" * size)
            except OSError:
                size //= 2
        os.close(file)


class Publisher:
    """Publishes parts of numbered lines; what was acknowledged is remembered."""

    def __init__(self, world, body_bytes):
        self.world = world
        self.body_bytes = body_bytes
        self.next = 0
        self.acknowledged = set()
        self.refusals = set()

    def publish(self, count):
        """True when all were taken."""
        bodies = [f"{self.next + i} ".ljust(self.body_bytes, "x") for i in range(count)]
        self.next += count
        done = self.world.run("pub", self.world.queue, "--lines", "--json",
                              text_in="".join(body + "\n" for body in bodies))
        for line in done.stdout.splitlines():
            self.acknowledged.add(int(bodies[json.loads(line)["line"] - 1].split()[0]))
        if done.returncode == 0:
            return True
        self.refusals.update(re.findall(r"DiskLow|no room[^\n]*", done.stderr) or [done.stderr])
        if done.returncode != 75:
            raise RuntimeError(f"pub ended with {done.returncode}: {done.stderr}")
        return False


def metric(world, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{world.http}/metrics", timeout=10) as page:
        text = page.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def drain(world, disk, with_foreign):
    """The numbers that were settled. A foreign file takes every byte that becomes free."""
    failing = world.run("sub", world.queue, "--max", "2000", "--settle", "fail", "--error",
                        "the service answered 503", "--prefetch", "500", "--idle-exit", "1s")
    if failing.returncode != 0:
        raise RuntimeError(f"a settle failed: {failing.stderr}")
    consumer = Consumer(world, "--idle-exit", "2s")
    while consumer.child.poll() is None:
        if with_foreign:
            disk.fill()
        time.sleep(0.05)
    consumer.stop()
    if consumer.child.returncode != 0:
        raise RuntimeError(f"the consumer ended with {consumer.child.returncode}")
    return {int(one["body"].split()[0]) for one in consumer.received}


def resume(publisher):
    begin = time.monotonic()
    while not publisher.publish(1):
        if time.monotonic() > begin + RESUME_SECONDS_MAX:
            raise RuntimeError("publishing did not resume")
        time.sleep(0.1)
    return round(time.monotonic() - begin, 1)


def one_round(world, disk, publisher, with_foreign):
    publisher.acknowledged.clear()
    publisher.refusals.clear()
    begin = time.monotonic()
    while publisher.publish(PART):
        pass
    report = {"foreign_file": with_foreign, "published": len(publisher.acknowledged),
              "refused_with": sorted(publisher.refusals),
              "fill_seconds": round(time.monotonic() - begin, 1),
              "free_mib_when_refused": disk.free_bytes() >> 20,
              "reserve_mib": int(metric(world, 'sluice_storage_bytes{kind="reserve"}')) >> 20}
    if with_foreign:
        disk.fill()
        report["free_bytes_when_full"] = disk.free_bytes()
    begin = time.monotonic()
    settled = drain(world, disk, with_foreign)
    report["drain_seconds"] = round(time.monotonic() - begin, 1)
    report["missing"] = len(publisher.acknowledged - settled)
    if with_foreign:
        report["free_bytes_after_drain"] = disk.free_bytes()
        os.remove(disk.foreign)
    report["resume_seconds"] = resume(publisher)
    drain(world, disk, False)
    return report


def run(options):
    if os.geteuid() != 0:
        print("skipped: mounting a tmpfs needs root", file=sys.stderr)
        return SKIPPED
    arguments = ["--segment-bytes", options.segment_bytes]
    with World(options.bin, arguments=arguments, session_ttl="10s",
               spec="  limits: {messages: 1000000000, bytes: 100Gi}\n") as world:
        try:
            disk = Disk(os.path.join(world.folder, "disk"), options.disk_mib).__enter__()
        except subprocess.CalledProcessError:
            print("skipped: this root may not mount a tmpfs", file=sys.stderr)
            return SKIPPED
        try:
            return checked(world, disk, options)
        finally:
            if world.broker is not None and world.broker.poll() is None:
                world.kill_broker()
            disk.__exit__()


def checked(world, disk, options):
    world.data = os.path.join(disk.folder, "data")
    world.start_broker()
    pid = world.broker.pid
    publisher = Publisher(world, options.body_bytes)
    rounds = []
    for with_foreign in (False, True):
        rounds.append(one_round(world, disk, publisher, with_foreign))
        if world.broker.poll() is not None:
            raise RuntimeError(f"the broker ended:\n{world.log_tail()}")
    same = world.broker.pid == pid and len(world.events("recovered")) == 1
    print(json.dumps({"same_process": same, "rounds": rounds}))
    good = same and all(
        one["missing"] == 0 and one["refused_with"] == ["DiskLow"] and one["published"] > 0
        for one in rounds)
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--disk-mib", type=int, default=160)
    parser.add_argument("--segment-bytes", default="4Mi")
    parser.add_argument("--body-bytes", type=int, default=500)
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
