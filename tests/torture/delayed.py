#!/usr/bin/env python3
"""Many messages that wait for their time: memory, restarts, and how late they are delivered.

Publishes messages that are due at random milliseconds within a day (from an hour on, so that none
comes while this runs). Then some more that are due within the next seconds, and a consumer that
notes how long after its time each came. Prints one object: the broker's memory, the lateness, and
how long it took to be ready again after a kill -9 and after an orderly stop. `--check` fails above
64 MiB, 3 s, or 100 ms (99th percentile).

  delayed.py --bin build/release/bin --messages 10000000 --check
"""

import argparse
import json
import subprocess
import sys
import time

from processes import LineReader, PeakMemory, World, checked, percentile

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: torture}
spec:
  limits: {messages: 1000000000, bytes: 100Gi}
  delivery: {leaseDuration: 10m}
"""
PART = 500_000


def publish(world, count, *flags):
    checked(world.run("pub", world.queue, "--lines", *flags, text_in=("x" * 99 + "\n") * count,
                      timeout=1200))


def lateness(world, options):
    """How many milliseconds after its time each of the soon ones came."""
    late = []

    def on_line(line):
        late.append(time.time() * 1000 - json.loads(line)["deliverAtMs"])

    consumer = world.client("sub", world.queue, "--json", "--max", str(options.soon),
                            "--prefetch", "8192", stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, text=True)
    reader = LineReader(consumer, on_line)
    # The first are due only when all are there.
    publish(world, options.soon, "--delay", "5s", "--spread", f"{options.window}s")
    reader.join(options.window + 60)
    if consumer.wait(30) != 0 or len(late) != options.soon:
        raise RuntimeError(f"{len(late)} of {options.soon} messages came when they were due")
    return late


def run(options):
    with World(options.bin) as world:
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST)
        world.start_broker()
        memory = PeakMemory(world.broker.pid)
        begin = time.monotonic()
        for first in range(0, options.messages, PART):
            publish(world, min(PART, options.messages - first), "--delay", "1h", "--spread", "1d")
        seconds = time.monotonic() - begin
        waiting = world.messages()["delayed"]
        if waiting != options.messages:
            raise RuntimeError(f"{waiting} of {options.messages} messages wait for their time")
        report = {"delayed": waiting, "publish_per_second": round(waiting / max(seconds, 0.001))}
        late = lateness(world, options)
        report["late_ms"] = {"p50": round(percentile(late, 0.5), 1),
                             "p99": round(percentile(late, 0.99), 1),
                             "max": round(max(late), 1), "early": sum(1 for one in late if one < 0)}
        report["rss_mib_peak"] = memory.stop()
        report.update(world.measure_restarts())
        if world.messages()["delayed"] != options.messages:
            raise RuntimeError("a restart forgot messages that wait")
    print(json.dumps(report))
    good = (max(report["rss_mib_peak"], report["rss_mib_restarted"]) <= 64 and
            report["late_ms"]["p99"] <= 100 and report["late_ms"]["early"] == 0 and
            report["clean_restart_seconds"] <= 3 and report["restart_after_kill_seconds"] <= 3)
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--soon", type=int, default=20_000,
                        help="messages that come due while the others wait")
    parser.add_argument("--window", type=int, default=20, help="seconds over which they do")
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
