#!/usr/bin/env python3
"""Every second message settled, then the rest: memory and speed.

A queue with two subscriptions. In the first, a consumer takes all in order. In the second, a
consumer takes all and settles every second message, while it holds the others; then it gives these
back, and another consumer takes the rest. Prints one object: the broker's peak memory in both
halves of the second, what it has when the leases are over, and all rates. `--check` fails where one
of the peaks is above 64 MiB, or the rest is settled more than a fifth slower than all in order.
Needs the programs `publish_alternately` and `settle_alternately`, which the targets of these names
build.

  sparse.py --bin build/release/bin --messages 10000000 --check
"""

import argparse
import json
import os
import subprocess
import sys
import time

from processes import PeakMemory, World, checked, resident_mib

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: torture}
spec:
  limits: {messages: 1000000000, bytes: 100Gi}
  delivery: {leaseDuration: 1h}
  subscriptions: [{name: order}, {name: holes}]
"""


def consume(world, subscription, count, *arguments):
    """Messages a second."""
    begin = time.monotonic()
    checked(subprocess.run(
        [os.path.join(world.bin, "sluice"), "--endpoint", world.endpoint, "sub", world.queue,
         "--subscription", subscription, "--max", str(count), *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=1800, check=False))
    return count / (time.monotonic() - begin)


def settle_alternately(world, count):
    """Messages a second that were looked at; half of them were settled."""
    begin = time.monotonic()
    done = checked(subprocess.run(
        [os.path.join(world.bin, "settle_alternately"), world.endpoint, world.queue, "holes",
         str(count)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=1800, check=False))
    if int(done.stdout) != count // 2:
        raise RuntimeError(f"{done.stdout} messages were settled, not {count // 2}")
    return count / (time.monotonic() - begin)


def wait_for(world, count):
    """Until so many messages of the second subscription are ready; numbers are a second old."""
    end = time.monotonic() + 600
    while True:
        subscriptions = world.stat()["subscriptions"]
        ready = next(one for one in subscriptions if one["name"] == "holes")["messages"]["ready"]
        if ready == count:
            return
        if time.monotonic() > end:
            raise RuntimeError(f"{ready} messages are ready, not {count}")
        time.sleep(0.1)


def run(options):
    with World(options.bin, session_ttl="10s") as world:
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST)
        world.start_broker()
        done = subprocess.run(
            [os.path.join(options.bin, "publish_alternately"), world.endpoint, world.queue,
             str(options.messages)], check=False)
        if done.returncode != 0:
            raise RuntimeError("publish_alternately failed")
        memory = PeakMemory(world.broker.pid)
        in_order = consume(world, "order", options.messages)
        peak_in_order = memory.stop()
        memory = PeakMemory(world.broker.pid)
        alternately = settle_alternately(world, options.messages)
        wait_for(world, options.messages // 2)
        peak_of_half = memory.stop()
        between = resident_mib(world.broker.pid)
        memory = PeakMemory(world.broker.pid)
        rate = consume(world, "holes", options.messages // 2)
        wait_for(world, 0)
        peak_of_rest = memory.stop()
        if world.broker.poll() is not None:
            raise RuntimeError(world.log_tail())
    report = {"messages": options.messages, "in_order_per_second": round(in_order),
              "alternately_per_second": round(alternately), "rest_per_second": round(rate),
              "rss_mib_peak_in_order": peak_in_order,
              "rss_mib_peak_while_half_is_held": peak_of_half,
              "rss_mib_between": round(between, 1), "rss_mib_peak_of_rest": peak_of_rest}
    print(json.dumps(report))
    good = max(peak_in_order, peak_of_half, peak_of_rest) <= 64 and rate >= 0.8 * in_order
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
