#!/usr/bin/env python3
"""A disk that fills, twice: by what is published, then by a file of somebody else.

The data folder lies on a small tmpfs, which needs root; without it the script says so and ends
with exit code 77. Each round publishes until the broker refuses with DiskLow, (in the second round)
takes every byte that is left, lets one consumer fail a part of the messages and another one settle
all of them, frees the disk, and waits until a publish is taken again. No settle may fail, the
broker must be the same process throughout, and what was published and consumed is judged by
judge.py: nothing acknowledged may be missing, nothing refused may come.

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

import judge
from history import Recorder
from processes import SKIPPED, Consumer, World

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
    """Publishes parts of numbered lines, and writes down what became of them."""

    def __init__(self, world, ops, body_bytes):
        self.world = world
        self.body_bytes = body_bytes
        self.next = 0
        self.acknowledged = 0
        self.refusals = set()
        self.history = Recorder(ops, f"produce.{world.queue}.p")

    def publish(self, count):
        """True when all were taken."""
        bodies = [f"{self.next + i} ".ljust(self.body_bytes, "x") for i in range(count)]
        ids = [str(self.next + i) for i in range(count)]
        self.next += count
        for one in ids:
            self.history.write("invoke", "enqueue", one)
        done = self.world.run("pub", self.world.queue, "--lines", "--json",
                              text_in="".join(body + "\n" for body in bodies))
        unknown = set(ids)
        for answer in map(json.loads, done.stdout.splitlines()):
            one = ids[answer["line"] - 1]
            unknown.discard(one)
            self.history.write("ok", "enqueue", one, seq=answer["sequence"])
        self.acknowledged += count - len(unknown)
        if done.returncode == 0:
            return True
        self.refusals.update(re.findall(r"DiskLow|no room[^\n]*", done.stderr) or [done.stderr])
        if done.returncode != 75:
            raise RuntimeError(f"pub ended with {done.returncode}: {done.stderr}")
        # 75: each of the others was refused.
        for one in sorted(unknown):
            self.history.write("fail", "enqueue", one)
        return False


def metric(world, name):
    with urllib.request.urlopen(f"http://127.0.0.1:{world.http}/metrics", timeout=10) as page:
        text = page.read().decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


class Drain:
    """One consumer that fails a part, and one that acknowledges all."""

    def __init__(self, world, ops):
        self.world = world
        self.history = Recorder(ops, f"consume.{world.queue}.default.c")

    def fail_some(self):
        failing = self.world.run("sub", self.world.queue, "--max", "2000", "--settle", "fail",
                                 "--error", "the service answered 503", "--prefetch", "500",
                                 "--idle-exit", "1s", "--json")
        if failing.returncode != 0:
            raise RuntimeError(f"a settle failed: {failing.stderr}")
        self._write("failed", map(json.loads, failing.stdout.splitlines()))

    def acknowledge_all(self, disk, with_foreign):
        """Returns how many. A foreign file takes every byte that becomes free."""
        consumer = Consumer(self.world, "--idle-exit", "2s")
        while consumer.child.poll() is None:
            if with_foreign:
                disk.fill()
            time.sleep(0.05)
        consumer.stop()
        if consumer.child.returncode != 0:
            raise RuntimeError(f"the consumer ended with {consumer.child.returncode}")
        self._write("ack", consumer.received)
        return len(consumer.received)

    def _write(self, f, deliveries):
        """A command that ended with 0 has had an answer to each of its settles."""
        for one in deliveries:
            body = one["body"].split()[0]
            details = {"seq": one["sequence"], "attempt": one["attempt"]}
            self.history.write("ok", "dequeue", body, **details)
            self.history.write("invoke", f, body, **details)
            self.history.write("ok", f, body, **details)


def resume(publisher):
    begin = time.monotonic()
    while not publisher.publish(1):
        if time.monotonic() > begin + RESUME_SECONDS_MAX:
            raise RuntimeError("publishing did not resume")
        time.sleep(0.1)
    return round(time.monotonic() - begin, 1)


def one_round(world, disk, publisher, drain, with_foreign):
    publisher.acknowledged = 0
    publisher.refusals.clear()
    begin = time.monotonic()
    while publisher.publish(PART):
        pass
    report = {"foreign_file": with_foreign, "published": publisher.acknowledged,
              "refused_with": sorted(publisher.refusals),
              "fill_seconds": round(time.monotonic() - begin, 1),
              "free_mib_when_refused": disk.free_bytes() >> 20,
              "reserve_mib": int(metric(world, 'sluice_storage_bytes{kind="reserve"}')) >> 20}
    if with_foreign:
        disk.fill()
        report["free_bytes_when_full"] = disk.free_bytes()
    begin = time.monotonic()
    drain.fail_some()
    report["settled"] = drain.acknowledge_all(disk, with_foreign)
    report["drain_seconds"] = round(time.monotonic() - begin, 1)
    if with_foreign:
        report["free_bytes_after_drain"] = disk.free_bytes()
        os.remove(disk.foreign)
    report["resume_seconds"] = resume(publisher)
    drain.acknowledge_all(disk, False)
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
    ops = os.path.join(world.folder, "ops")
    publisher = Publisher(world, ops, options.body_bytes)
    drain = Drain(world, ops)
    rounds = []
    for with_foreign in (False, True):
        rounds.append(one_round(world, disk, publisher, drain, with_foreign))
        if world.broker.poll() is not None:
            raise RuntimeError(f"the broker ended:\n{world.log_tail()}")
    same = world.broker.pid == pid and len(world.events("recovered")) == 1
    for recorder in (publisher.history, drain.history):
        recorder.close()
    verdict = judge.judge_folder(ops)
    good = verdict["good"] and same and all(
        one["refused_with"] == ["DiskLow"] and one["published"] > 0 for one in rounds)
    world.keep = options.keep or not good
    print(json.dumps({"good": good, "same_process": same, "rounds": rounds, **verdict}))
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--disk-mib", type=int, default=160)
    parser.add_argument("--segment-bytes", default="4Mi")
    parser.add_argument("--body-bytes", type=int, default=500)
    parser.add_argument("--keep", action="store_true", help="the folder, also of a good run")
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
