#!/usr/bin/env python3
"""Every second message settled, then the rest: memory and speed.

A queue with two subscriptions. In the first, a consumer takes all in order. In the second, one
acknowledges every second message and fails the others, which come again later, all at once; then
another takes these. Prints one object: the broker's peak memory and both rates of settling.
`--check` fails above 64 MiB or where the rest is settled more than a fifth slower. Needs the
program `settle_alternately`, which the target of that name builds.

  sparse.py --bin build/release/bin --messages 10000000 --delay 60 --check
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time

from processes import World

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: torture}
spec:
  limits: {messages: 1000000000, bytes: 100Gi}
  subscriptions: [{name: order}, {name: holes}]
"""
PART = 1_000_000
BODY = "x" * 99 + "\n"


class Memory:
    """The greatest resident memory of a process while this lives."""

    def __init__(self, pid):
        self.pid = pid
        self.peak = 0.0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        while not self.stop.wait(0.1):
            with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
                found = re.search(r"VmRSS:\s+(\d+) kB", status.read())
            self.peak = max(self.peak, int(found.group(1)) / 1024)

    def end(self):
        self.stop.set()
        self.thread.join()
        return round(self.peak, 1)


def consume(world, subscription, count, *arguments):
    """Messages a second."""
    begin = time.monotonic()
    done = subprocess.run(
        [os.path.join(world.bin, "sluice"), "--endpoint", world.endpoint, "sub", world.queue,
         "--subscription", subscription, "--max", str(count), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=1800, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return count / (time.monotonic() - begin)


def ready(world):
    subscriptions = world.stat()["subscriptions"]
    return next(one for one in subscriptions if one["name"] == "holes")["messages"]["ready"]


def run(options):
    with World(options.bin, session_ttl="10s") as world:
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST)
        world.start_broker()
        for first in range(0, options.messages, PART):
            count = min(PART, options.messages - first)
            done = world.run("pub", world.queue, "--lines", text_in=BODY * count, timeout=600)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
        memory = Memory(world.broker.pid)
        in_order = consume(world, "order", options.messages)
        begin = time.monotonic()
        done = subprocess.run(
            [os.path.join(options.bin, "settle_alternately"), world.endpoint, world.queue, "holes",
             str(options.messages), str(options.delay)], check=False)
        if done.returncode != 0:
            raise RuntimeError("settle_alternately failed: is --delay too short?")
        alternating = options.messages / (time.monotonic() - begin)
        while ready(world) < options.messages // 2:
            if time.monotonic() > begin + options.delay + 60:
                raise RuntimeError(f"only {ready(world)} messages came again")
            time.sleep(0.2)
        rate = consume(world, "holes", options.messages // 2)
        peak = memory.end()
        if ready(world) != 0 or world.broker.poll() is not None:
            raise RuntimeError(world.log_tail())
    report = {"messages": options.messages, "in_order_per_second": round(in_order),
              "alternating_per_second": round(alternating), "rest_per_second": round(rate),
              "rss_mib_peak": peak}
    print(json.dumps(report))
    good = peak <= 64 and rate >= 0.8 * in_order
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--delay", type=int, default=60,
                        help="seconds from the first failed message until all come again")
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
