#!/usr/bin/env python3
"""One poison message among many: a worker dies (kill -9) each time it touches it.

With a deep prefetch every death takes many leased messages along; exactly the poison message may
become a dead letter, with reason StallsExceeded, and every other message is consumed.

  poison.py --bin build/release/bin --messages 10000 --prefetch 1000
"""

import argparse
import json
import sys
import time

from processes import World, checked

WORKER_SECONDS_MAX = 300


def run(options):
    poison = f"m-{options.messages // 2}"
    with World(options.bin, lease="3s", stalls=3, session_ttl="1s") as world:
        world.start_broker()
        bodies = "".join(f"m-{i}\n" for i in range(options.messages))
        done = world.run("pub", world.queue, "--lines", text_in=bodies)
        checked(done)
        consumed, deaths = consume(world, options, poison)
        stat = world.stat()
        shown = world.run("peek", world.queue, "--dlq", "--json", "--max", "100").stdout
        dead = [json.loads(line) for line in shown.splitlines()]
    report = {"consumed": len(consumed), "deaths": deaths,
              "dead": [(d["body"], d["reason"], d["stalls"], d["attempts"]) for d in dead],
              "ready": stat["subscriptions"][0]["messages"]["ready"]}
    print(json.dumps(report))
    good = ([(d["body"], d["reason"]) for d in dead] == [(poison, "StallsExceeded")]
            and len(consumed) == options.messages - 1 and poison not in consumed)
    return 0 if good else 1


def consume(world, options, poison):
    """Each message's command prints it, and so acks it; the poison's command kills `sub` itself."""
    consumed = set()
    deaths = 0
    end = time.monotonic() + WORKER_SECONDS_MAX
    while time.monotonic() < end:
        worker = world.client(
            "sub", world.queue, "--json", "--prefetch", str(options.prefetch), "--idle-exit", "6s",
            "--exec",
            f"read -r body; [ \"$body\" = {poison} ] && kill -9 $PPID && exit; "
            "printf '%s\\n' \"$body\"",
            stdout=-1, stdin=-3, text=True)
        out, _ = worker.communicate(timeout=WORKER_SECONDS_MAX)
        for line in out.splitlines():
            consumed.add(line)
        if worker.returncode == 0:
            return consumed, deaths
        deaths += 1
    raise RuntimeError("the queue did not drain")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--prefetch", type=int, default=1_000)
    sys.exit(run(parser.parse_args()))


if __name__ == "__main__":
    main()
