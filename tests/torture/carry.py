#!/usr/bin/env python3
"""A move and a copy whose broker is killed (kill -9) again and again while they run.

Dead letters are moved to another queue, and what is there then is copied to a third, at a rate that
leaves time for the kills. At the end each message is exactly once where it must be.

  carry.py --bin build/release/bin --messages 200000 --kills 3
"""

import argparse
import json
import os
import subprocess
import sys
import time

from processes import World, checked

SECONDS_MAX = 600
QUEUE = """---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {{name: {name}}}
spec:
  limits: {{messages: 100000000}}
"""


def consume(world, queue, *arguments):
    """The bodies that the queue has for us, until it has no more."""
    path = os.path.join(world.folder, "out")
    with open(path, "wb") as out:
        child = world.client("sub", queue, "--idle-exit", "2s", *arguments, stdout=out,
                             stdin=subprocess.DEVNULL)
        if child.wait(SECONDS_MAX) != 0:
            raise RuntimeError(f"sub of {queue} ended with {child.returncode}")
    with open(path, encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def messages_of(world, queue):
    done = world.run("stat", queue, "--json")
    checked(done)
    document = json.loads(done.stdout)
    document = document["queues"][0] if "queues" in document else document
    return document["subscriptions"][0]["messages"]


def carry_under_kills(world, options, command, source, target):
    """Returns how many had arrived at each kill."""
    done = world.run(command, source, target, "--no-wait", "--rate",
                     str(max(1, options.messages // options.seconds)))
    checked(done)
    return world.kill_on_the_way(lambda: messages_of(world, target)["ready"], options.messages,
                                 options.kills, SECONDS_MAX)


def run(options):
    with World(options.bin, lease="60s", session_ttl="1s",
               spec="  limits: {messages: 100000000}\n") as world:
        with open(world.manifest, "a", encoding="utf-8") as out:
            out.write(QUEUE.format(name="parked") + QUEUE.format(name="copied"))
        world.start_broker()
        bodies = "".join(f"m-{i}\n" for i in range(options.messages))
        done = world.run("pub", world.queue, "--lines", text_in=bodies, timeout=SECONDS_MAX)
        checked(done)
        consume(world, world.queue, "--settle", "reject", "--error", "to be moved")
        begin = time.monotonic()
        moved_at = carry_under_kills(world, options, "move", world.queue + "/dlq", "parked")
        copied_at = carry_under_kills(world, options, "copy", "parked", "copied")
        seconds = time.monotonic() - begin
        left = world.messages()
        found = {queue: consume(world, queue) for queue in ("parked", "copied")}
    wanted = {f"m-{i}" for i in range(options.messages)}
    report = {"messages": options.messages, "moved_at_kills": moved_at,
              "copied_at_kills": copied_at, "seconds": round(seconds, 1),
              "left": left["ready"] + left["deadLettered"],
              "moved": len(found["parked"]), "copied": len(found["copied"])}
    print(json.dumps(report))
    good = report["left"] == 0 and all(
        len(bodies) == options.messages and set(bodies) == wanted for bodies in found.values())
    interrupted = len(moved_at) == len(copied_at) == options.kills
    return 0 if good and interrupted else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5,
                        help="how long each would take without kills")
    sys.exit(run(parser.parse_args()))


if __name__ == "__main__":
    main()
