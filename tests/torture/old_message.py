#!/usr/bin/env python3
"""One old message that nobody takes, while many GiB of others flow past it.

Publishes bodies in parts and settles all of them. The old message is delayed; `--keep-every 1` adds
one with every part, so that each segment has a little that lives. Follows the disk space of the
data folder, and prints one object: the greatest, what lives, and the bound, which is 1.3 times the
live bytes plus the log since the older snapshot (two times the distance of snapshots) plus four
segments. The reserve for a full disk, six segments, is no garbage and counts apart. `--check`
fails above the bound.

  old_message.py --bin build/release/bin --gib 20 --check
"""

import argparse
import json
import os
import subprocess
import sys
import time

from processes import World, checked

SEGMENT = 64 << 20
SNAPSHOT_SEGMENTS = 4
RESERVE_SEGMENTS = 6
BODY = 1000
PART = 100_000


def disk_bytes(folder):
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_blocks * 512
            except FileNotFoundError:
                pass
    return total


def keep_one(world):
    """It is not due before this is long over."""
    checked(world.run("pub", world.queue, "--body", "o" * BODY, "--delay", "30d"))


def run(options):
    spec = "  limits: {messages: 1000000000, bytes: 100Gi}\n"
    with World(options.bin, spec=spec) as world:
        world.start_broker()
        begin = time.monotonic()
        parts = max(1, (options.gib << 30) // (BODY * PART))
        peak = 0
        text = ("x" * BODY + "\n") * PART
        told = begin
        for part in range(parts):
            if time.monotonic() >= told + options.progress_seconds:
                told = time.monotonic()
                print(f"{part} of {parts} parts, {told - begin:.0f} s, disk {peak >> 20} MiB",
                      file=sys.stderr, flush=True)
            checked(world.run("pub", world.queue, "--lines", text_in=text, timeout=600))
            if part == 0 or part % options.keep_every == 0:
                keep_one(world)
            consumer = world.client("sub", world.queue, "--max", str(PART),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            while consumer.poll() is None:
                peak = max(peak, disk_bytes(world.data))
                time.sleep(0.1)
            if consumer.returncode != 0:
                raise RuntimeError("the consumer failed")
        seconds = time.monotonic() - begin
        time.sleep(2 * options.settle_seconds)
        kept = world.messages()
        live = sum(kept[name] for name in ("ready", "inFlight", "delayed")) * (BODY + 100)
        bound = int(1.3 * live) + (2 * SNAPSHOT_SEGMENTS + 4) * SEGMENT
        report = {"gib": options.gib, "seconds": round(seconds), "kept": kept,
                  "live_mib": live >> 20, "disk_peak_mib": peak >> 20,
                  "disk_end_mib": disk_bytes(world.data) >> 20,
                  "reserve_mib": RESERVE_SEGMENTS * SEGMENT >> 20, "bound_mib": bound >> 20,
                  "files": sorted(os.listdir(os.path.join(world.data, "segments")))}
    print(json.dumps(report))
    good = peak <= bound + RESERVE_SEGMENTS * SEGMENT
    return 0 if good or not options.check else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--gib", type=int, default=20)
    parser.add_argument("--keep-every", type=int, default=1_000_000,
                        help="keep one more message every so many parts of 100,000")
    parser.add_argument("--settle-seconds", type=int, default=1)
    parser.add_argument("--progress-seconds", type=int, default=10,
                        help="how often a line on stderr says how far it is")
    parser.add_argument("--check", action="store_true")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
