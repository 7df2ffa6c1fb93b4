#!/usr/bin/env python3
"""Slow peers harm nobody else: the latency of one queue while others are in trouble.

On the queue `calm` a producer sends at an even rate and a consumer notes how long each message took
from before its publishing to after its delivery, as processes, commits included. Meanwhile, in
turns and several times, nothing happens (`quiet`) or one of these on a queue of its own:

  slow_consumer   one message at a time, a fifth of a second each, of many that wait
  stuck_consumer  takes what it can get of 20 MiB and then stops (SIGSTOP) with its hands full
  blocked         producers push into a queue that is full, with overflow Block, and nobody consumes
  large_slow      a consumer of 16 MiB messages that reads 4 MiB a second
  large_producer  sends such messages, one after the other (reported only: it uses the disk, as
                  anybody may)
  healthy         the producer of slow_consumer and a consumer that keeps up (reported only: what
                  traffic costs where nobody is in trouble)
  shells          a shell that sleeps, one after the other, and nothing that the broker knows of
                  (reported only: starting programs is felt by whatever else runs on the machine)
  exec_consumer   slow_consumer, with such a shell for each message; compared with `shells`

Prints one object. The ratio is the p99 of a trouble over the quiet one. `--check` fails above 2.

  neighbours.py --bin build/release/bin --seconds 5 --rounds 4 --check
"""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time

from processes import World, checked, percentile

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: calm}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: slow}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: healthy}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: stuck}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: blocked}
spec: {limits: {messages: 1000, overflow: Block}}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: large}
spec: {limits: {messageBytes: 16Mi}}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: flood}
spec: {limits: {messageBytes: 16Mi, bytes: 48Mi, overflow: DropOldest}}
"""
RATIO_MAX = 2.0
CHECKED = ("slow_consumer", "stuck_consumer", "blocked", "large_slow", "exec_consumer")
REPORTED = ("large_producer", "healthy", "shells")
BASES = {"exec_consumer": "shells"}  # of all others: quiet


class Calm:
    """The queue that is measured, for the whole run."""

    def __init__(self, world, rate):
        self.interval = 1 / rate
        self.taken = []
        self.stopped = False
        self.consumer = world.client("sub", "calm", stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE)
        self.producer = world.client("pub", "calm", "--lines", stdin=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL)
        self.threads = [threading.Thread(target=work, daemon=True)
                        for work in (self._produce, self._consume)]
        for thread in self.threads:
            thread.start()

    def _produce(self):
        due = time.monotonic()
        while not self.stopped:
            self.producer.stdin.write(b"%d\n" % time.monotonic_ns())
            self.producer.stdin.flush()
            due += self.interval
            time.sleep(max(0, due - time.monotonic()))

    def _consume(self):
        for line in self.consumer.stdout:
            self.taken.append((time.monotonic_ns() - int(line)) / 1e6)

    def measure(self, seconds):
        """The latencies, in ms, of what arrives in so many seconds."""
        begin = len(self.taken)
        time.sleep(seconds)
        if self.producer.poll() is not None or self.consumer.poll() is not None:
            raise RuntimeError("the measured producer or consumer ended")
        return self.taken[begin:]

    def stop(self):
        self.stopped = True
        self.threads[0].join()


class Trouble:
    """What happens on the other queues. Everything that a trouble starts ends with it."""

    def __init__(self, world):
        self.world = world
        self.children = []
        self.files = []

    def client(self, *arguments, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        child = self.world.client(*arguments, stderr=subprocess.DEVNULL, **options)
        self.children.append(child)
        return child

    def feed(self, queue, line, rate=0):
        """A producer that gets lines as fast as it takes them, or `rate` a second."""
        child = self.client("pub", queue, "--lines", stdin=subprocess.PIPE)
        lines = (line + "\n").encode() * (max(1, rate // 100) if rate else 500)

        def write():
            try:
                while child.poll() is None:
                    child.stdin.write(lines)
                    child.stdin.flush()
                    if rate:
                        time.sleep(0.01)
            except (OSError, ValueError):
                pass  # the end of the trouble
        threading.Thread(target=write, daemon=True).start()

    def end(self):
        for child in self.children:
            child.kill()
            child.wait()
        self.children = []

    def quiet(self):
        pass

    def fill(self, queue, line, count):
        done = self.world.run("pub", queue, "--lines", text_in=(line + "\n") * count)
        checked(done)

    def slow_producers(self):
        self.fill("slow", "x" * 200, 10_000)
        self.feed("slow", "x" * 200, rate=100)

    def slow_consumer(self):
        self.slow_producers()
        child = self.client("sub", "slow", "--prefetch", "1", stdout=subprocess.PIPE)
        # A message is settled when its line has gone; few lines fit.
        fcntl.fcntl(child.stdout, fcntl.F_SETPIPE_SZ, 4096)

        def read():
            while os.read(child.stdout.fileno(), 201):
                time.sleep(0.2)
        threading.Thread(target=read, daemon=True).start()

    def exec_consumer(self):
        self.slow_producers()
        self.client("sub", "slow", "--exec", "sleep 0.2")

    def shells(self):
        self.children.append(subprocess.Popen(
            ["sh", "-c", "while :; do sh -c 'sleep 0.2'; done"], stdin=subprocess.DEVNULL))

    def healthy(self):
        self.feed("healthy", "x" * 200, rate=100)
        self.client("sub", "healthy")

    def stuck_consumer(self):
        self.fill("stuck", "x" * 1000, 20_000)
        self.feed("stuck", "x" * 1000, rate=100)
        child = self.client("sub", "stuck", "--settle", "none", "--prefetch", "1000000")
        time.sleep(0.05)
        os.kill(child.pid, signal.SIGSTOP)

    def blocked(self):
        for _ in range(3):
            self.feed("blocked", "x" * 200)

    def large_slow(self):
        child = self.client("sub", "large", "--settle", "release", stdout=subprocess.PIPE)

        def read():
            while child.stdout.read(1 << 18):
                time.sleep(1 / 16)
        threading.Thread(target=read, daemon=True).start()

    def large_producer(self):
        files = [argument for _ in range(100) for argument in ("--file", self.files[0])]
        self.client("pub", "flood", *files)

    def prepare(self):
        """16 MiB messages that wait."""
        self.files = [os.path.join(self.world.folder, "large")]
        with open(self.files[0], "wb") as out:
            out.write(b"0123456789abcde\n" * (1 << 20))
        for _ in range(4):
            done = self.world.run("pub", "large", "--file", self.files[0])
            checked(done)


def run(options):
    names = ("quiet",) + CHECKED + REPORTED
    samples = {name: [] for name in names}
    with World(options.bin, session_ttl="30s") as world:
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST)
        world.start_broker()
        trouble = Trouble(world)
        trouble.prepare()
        calm = Calm(world, options.rate)
        calm.measure(1)
        for _ in range(options.rounds):
            for name in names:
                getattr(trouble, name)()
                time.sleep(0.7)  # until it is under way
                samples[name] += calm.measure(options.seconds)
                trouble.end()
                time.sleep(0.3)
        calm.stop()
        with open(f"/proc/{world.broker.pid}/status", encoding="ascii") as status:
            peak = next(line for line in status if line.startswith("VmHWM"))
    report = {"rate": options.rate, "broker_peak_mib": int(peak.split()[1]) // 1024}
    for name in names:
        p99 = percentile(samples[name], 0.99)
        base = percentile(samples[BASES.get(name, "quiet")], 0.99)
        report[name] = {"messages": len(samples[name]),
                        "p50_ms": round(percentile(samples[name], 0.5), 2),
                        "p99_ms": round(p99, 2), "ratio": round(p99 / base, 2)}
    print(json.dumps(report, indent=1))
    expected = options.rate * options.seconds * options.rounds
    good = all(report[name]["ratio"] <= RATIO_MAX and report[name]["messages"] > expected / 2
               for name in CHECKED)
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--rate", type=int, default=300, help="messages a second")
    parser.add_argument("--seconds", type=float, default=5, help="of each trouble in a round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
