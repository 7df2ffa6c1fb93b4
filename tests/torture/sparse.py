#!/usr/bin/env python3
"""Every second message settled, then the rest: memory and speed.

Twice, with a subscription for each: a consumer takes all and settles them in order; another one
takes all and settles every second, and then the others, which it held meanwhile. In a last
subscription a consumer settles every second and gives the others back, and another consumer takes
the rest, which has to be read again. Prints one object: all rates, the broker's peak memory in each
part, and what it has when all leases are over. `--check` fails where one of the peaks is above
64 MiB, or all is settled more than a fifth slower in halves than in order, in the better of the two
rounds. Needs the programs `publish_alternately` and `settle_in_order`, which the targets of these
names build.

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
  subscriptions: [{name: order0}, {name: halves0}, {name: order1}, {name: halves1}, {name: holes}]
"""


def consume_rest(world, count):
    """Messages a second of what lies between settled ones."""
    begin = time.monotonic()
    checked(subprocess.run(
        [os.path.join(world.bin, "sluice"), "--endpoint", world.endpoint, "sub", world.queue,
         "--subscription", "holes", "--max", str(count)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        timeout=1800, check=False))
    return round(count / (time.monotonic() - begin))


def settle(world, subscription, count, order):
    """Messages a second that were taken, and the broker's peak memory meanwhile."""
    memory = PeakMemory(world.broker.pid)
    done = checked(subprocess.run(
        [os.path.join(world.bin, "settle_in_order"), world.endpoint, world.queue, subscription,
         str(count), order], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=1800, check=False))
    settled, seconds = done.stdout.split()
    if int(settled) != (count // 2 if order == "half" else count):
        raise RuntimeError(f"{settled} of {count} messages were settled")
    wait_for(world, subscription, count - int(settled))
    return round(count / float(seconds)), memory.stop()


def wait_for(world, subscription, count):
    """Until so many messages of a subscription are ready; numbers are a second old."""
    end = time.monotonic() + 600
    while True:
        subscriptions = world.stat()["subscriptions"]
        one = next(one for one in subscriptions if one["name"] == subscription)
        ready = one["messages"]["ready"]
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
        in_order, halves, peaks = [], [], {}
        for number in "01":
            rate, peak = settle(world, "order" + number, options.messages, "all")
            in_order.append(rate)
            peaks["in_order"] = max(peaks.get("in_order", 0), peak)
            rate, peak = settle(world, "halves" + number, options.messages, "halves")
            halves.append(rate)
            peaks["halves"] = max(peaks.get("halves", 0), peak)
        half, peaks["half"] = settle(world, "holes", options.messages, "half")
        between = resident_mib(world.broker.pid)
        memory = PeakMemory(world.broker.pid)
        rest = consume_rest(world, options.messages // 2)
        wait_for(world, "holes", 0)
        peaks["rest"] = memory.stop()
        if world.broker.poll() is not None:
            raise RuntimeError(world.log_tail())
    print(json.dumps({
        "messages": options.messages, "in_order_per_second": in_order, "halves_per_second": halves,
        "half_per_second": half, "rest_per_second": rest, "rss_mib_peak": peaks,
        "rss_mib_between": round(between, 1)}))
    good = max(peaks.values()) <= 64 and max(halves) >= 0.8 * max(in_order)
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
