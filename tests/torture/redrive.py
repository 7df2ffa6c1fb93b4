#!/usr/bin/env python3
"""A redrive whose broker is killed (kill -9) again and again while it runs.

Every message dies in the subscription `work`, is consumed in `audit`, and is redriven at a rate
that leaves time for the kills. At the end each has come back to `work` exactly once, and `audit`
has seen nothing of it.

  redrive.py --bin build/release/bin --messages 1000000 --kills 3
"""

import argparse
import json
import os
import subprocess
import sys
import time

from processes import World, checked

SECONDS_MAX = 600


def counts(world, subscription):
    for one in world.stat()["subscriptions"]:
        if one["name"] == subscription:
            return one["messages"]
    raise RuntimeError(f"no subscription {subscription}")


def consume(world, subscription, *arguments):
    """The bodies that the subscription has for us, until it has no more."""
    path = os.path.join(world.folder, f"{subscription}.out")
    with open(path, "wb") as out:
        child = world.client("sub", world.queue, "--subscription", subscription, "--idle-exit",
                             "3s", *arguments, stdout=out, stdin=subprocess.DEVNULL)
        if child.wait(SECONDS_MAX) != 0:
            raise RuntimeError(f"sub of {subscription} ended with {child.returncode}")
    with open(path, encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def prepare(world, messages):
    """All of them dead in `work`, and done with in `audit`."""
    bodies = "".join(f"m-{i}\n" for i in range(messages))
    done = world.run("pub", world.queue, "--lines", text_in=bodies, timeout=SECONDS_MAX)
    checked(done)
    consume(world, "audit")
    consume(world, "work", "--settle", "reject", "--error", "to be redriven")
    dead = counts(world, "work")["deadLettered"]
    if dead != messages:
        raise RuntimeError(f"{dead} dead letters instead of {messages}")


def redrive_under_kills(world, options):
    """Returns how many dead letters were left at each kill."""
    rate = max(1, options.messages // options.seconds)
    done = world.run("redrive", world.queue, "--subscription", "work", "--rate", str(rate),
                     "--no-wait")
    checked(done)
    redriven = world.kill_on_the_way(
        lambda: options.messages - counts(world, "work")["deadLettered"], options.messages,
        options.kills, SECONDS_MAX)
    return [options.messages - done for done in redriven]


def run(options):
    spec = ("  limits: {messages: 100000000}\n"
            "  subscriptions: [{name: work}, {name: audit}]\n")
    with World(options.bin, lease="60s", session_ttl="1s", spec=spec) as world:
        world.start_broker()
        prepare(world, options.messages)
        started = time.monotonic()
        left_at_kills = redrive_under_kills(world, options)
        seconds = time.monotonic() - started
        came_back = consume(world, "work")
        elsewhere = consume(world, "audit")
        after = {name: counts(world, name) for name in ("work", "audit")}
    once = set(came_back) == {f"m-{i}" for i in range(options.messages)}
    report = {"messages": options.messages, "left_at_kills": left_at_kills,
              "redrive_seconds": round(seconds, 1), "came_back": len(came_back),
              "twice": len(came_back) - len(set(came_back)), "seen_elsewhere": len(elsewhere),
              "after": after}
    print(json.dumps(report))
    idle = all(one[kind] == 0 for one in after.values()
               for kind in ("ready", "inFlight", "deadLettered"))
    interrupted = len(left_at_kills) == options.kills and all(left_at_kills)
    good = once and report["twice"] == 0 and not elsewhere and idle and interrupted
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=20,
                        help="how long the redrive would take without kills")
    sys.exit(run(parser.parse_args()))


if __name__ == "__main__":
    main()
