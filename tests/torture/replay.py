#!/usr/bin/env python3
"""A subscription that fell far behind replays while a producer and its consumer go on.

Fills a queue with two subscriptions, settles all of one of them, drops the page cache of the data
folder, measures the live traffic alone, then again while the other subscription replays. Prints one
object; `--check` fails below 500,000 replayed messages a second or where the live traffic lost more
than a fifth.

With `--retained` every subscription has settled everything before, and the one that replays is put
back to the first message (`sluice queue seek`): the queue keeps its messages by `retention`.

  replay.py --bin build/release/bin --messages 10000000 --seconds 10 --check [--retained]
"""

import argparse
import json
import os
import subprocess
import sys
import threading
import time

from processes import World, checked

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: torture}
spec:
  limits: {messages: 1000000000, bytes: 100Gi}
  subscriptions: [{name: live}, {name: behind}]
"""
RETENTION = "  retention: {policy: Size, bytes: 100Gi}\n"


def drop_page_cache(folder):
    for parent, _, names in os.walk(folder):
        for name in names:
            file = os.open(os.path.join(parent, name), os.O_RDONLY)
            os.fdatasync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)


class Live:
    """Publishes lines for some seconds as fast as the broker takes them."""

    def __init__(self, world, seconds):
        self.acknowledged = 0
        self.begin = time.monotonic()
        self.child = world.client("pub", world.queue, "--lines", "--json", stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        self.writer = threading.Thread(target=self._write, args=(seconds,))
        self.reader = threading.Thread(target=self._read)
        self.writer.start()
        self.reader.start()

    def _write(self, seconds):
        lines = b"live message of this run\n" * 1000
        while time.monotonic() < self.begin + seconds:
            self.child.stdin.write(lines)
            self.child.stdin.flush()
        self.child.stdin.close()

    def _read(self):
        for _ in self.child.stdout:
            self.acknowledged += 1

    def rate(self):
        self.writer.join()
        self.reader.join()
        if self.child.wait() != 0:
            raise RuntimeError("the live producer failed")
        return self.acknowledged / (time.monotonic() - self.begin)


def subscribe(world, name, *arguments, **options):
    return world.client("sub", world.queue, "--subscription", name, *arguments,
                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)


def settle_and_go_back(world, messages):
    if subscribe(world, "behind", "--max", str(messages)).wait(600) != 0:
        raise RuntimeError("nothing to go back to")
    done = world.run("queue", "seek", world.queue, "--subscription", "behind", "--to", "first")
    checked(done)


def run(options):
    with World(options.bin, session_ttl="10s") as world:
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST + (RETENTION if options.retained else ""))
        world.start_broker()
        live = subscribe(world, "live")
        left = options.messages
        while left > 0:
            count = min(left, 1_000_000)
            done = world.run("pub", world.queue, "--lines", text_in="message to replay\n" * count,
                             timeout=600)
            checked(done)
            left -= count
        if options.retained:
            settle_and_go_back(world, options.messages)
        alone = Live(world, options.seconds).rate()
        drop_page_cache(world.data)
        begin = time.monotonic()
        behind = subscribe(world, "behind", "--max", str(options.messages))
        during = Live(world, options.seconds).rate()
        if behind.wait(600) != 0 or live.poll() is not None:
            raise RuntimeError("a consumer failed")
        seconds = time.monotonic() - begin
    report = {"retained": options.retained,
              "replayed_per_second": round(options.messages / seconds),
              "live_per_second_alone": round(alone), "live_per_second_beside": round(during),
              "live_ratio": round(during / alone, 3)}
    print(json.dumps(report))
    good = report["replayed_per_second"] >= 500_000 and report["live_ratio"] >= 0.8
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--retained", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
