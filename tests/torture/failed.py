#!/usr/bin/env python3
"""Many messages that failed once and wait for their retry: memory and restarts.

Publishes messages, lets a consumer fail each of them with an error text, and waits until all are in
backoff. Prints one object: the broker's memory then, and how long it took to be ready again after a
kill -9 under the full load and after an orderly stop. `--check` fails above 96 MiB or 3 s.

  failed.py --bin build/release/bin --messages 5000000 --check
"""

import argparse
import json
import subprocess
import sys
import time

from processes import PeakMemory, World, checked, resident_mib

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: torture}
spec:
  limits: {messages: 1000000000, bytes: 100Gi}
  delivery: {maxAttempts: 100, backoff: {initial: 1d, max: 30d, jitter: "0.2"}}
"""
PART = 500_000


def run(options):
    with World(options.bin) as world:
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST)
        world.start_broker()
        memory = PeakMemory(world.broker.pid)
        begin = time.monotonic()
        for first in range(0, options.messages, PART):
            count = min(PART, options.messages - first)
            checked(world.run("pub", world.queue, "--lines", text_in=("x" * 99 + "\n") * count,
                              timeout=600))
            consumer = world.client("sub", world.queue, "--max", str(count), "--settle", "fail",
                                    "--error", "the service answered 503", "--prefetch", "1000",
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            if consumer.wait() != 0:
                raise RuntimeError("the consumer failed")
        seconds = time.monotonic() - begin
        waiting = world.messages()["delayed"]
        if waiting != options.messages:
            raise RuntimeError(f"{waiting} of {options.messages} messages are in backoff")
        report = {"failed": waiting, "seconds": round(seconds), "rss_mib_peak": memory.stop(),
                  "rss_mib": round(resident_mib(world.broker.pid), 1)}
        report.update(world.measure_restarts())
        if world.messages()["delayed"] != options.messages:
            raise RuntimeError("a restart forgot messages in backoff")
    print(json.dumps(report))
    good = (report["rss_mib_peak"] <= 96 and report["clean_restart_seconds"] <= 3 and
            report["restart_after_kill_seconds"] <= 3)
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
