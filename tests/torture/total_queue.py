#!/usr/bin/env python3
"""Total-queue check under kill -9 of the broker.

Producers publish numbered messages and note each acknowledgement; consumers note each delivery; the
broker is killed again and again while both go on. Then everything drains, and as multisets:

  lost       acknowledged and never received            must be empty
  unexpected received and never sent                     must be empty
  recovered  received, sent, never acknowledged          allowed: the reply died with the broker
  duplicated received more often than once               counted; each needs a reason: a delivery
             whose settle was not committed when the broker (or a lease) ended

  total_queue.py --bin build/release/bin --cycles 200
"""

import argparse
import collections
import json
import random
import sys
import time

from processes import Consumer, Producer, World, wait_until


def run(options):
    dice = random.Random(options.seed)
    with World(options.bin) as world:
        world.start_broker()
        producers = [Producer(world, f"p{i}") for i in range(options.producers)]
        consumers = [Consumer(world) for _ in range(options.consumers)]
        number = 0
        begin = time.monotonic()
        for cycle in range(options.cycles):
            end = time.monotonic() + dice.uniform(0.05, options.cycle_seconds)
            while time.monotonic() < end:
                for producer in producers:
                    bodies = [f"{producer.name}-{number + i}" for i in range(dice.randint(1, 200))]
                    number += len(bodies)
                    producer.send(bodies)
                time.sleep(0.005)
            world.kill_broker()
            world.start_broker()
            if sys.stderr.isatty():
                print(f"\rcycle {cycle + 1}/{options.cycles}  sent {number}", end="",
                      file=sys.stderr)
        for producer in producers:
            code = producer.finish(120)
            if code != 0:
                raise RuntimeError(f"pub ended with {code}")
        # Leases of messages that died with the broker are back after the session's time to live.
        drained = wait_until(lambda: is_empty(world.stat()), 120)
        for consumer in consumers:
            consumer.stop()
        report = judge(producers, consumers)
        report.update(cycles=options.cycles, seconds=round(time.monotonic() - begin, 1),
                      seed=options.seed, drained=drained, dead_lettered=dead_letters(world.stat()))
    print(json.dumps(report))
    good = (drained and not report["lost"] and not report["unexpected"]
            and report["unexplained_duplicates"] == 0 and report["dead_lettered"] == 0)
    return 0 if good else 1


def is_empty(stat):
    return all(s["messages"]["ready"] + s["messages"]["inFlight"] + s["messages"]["delayed"] == 0
               for s in stat["subscriptions"])


def dead_letters(stat):
    return sum(s["messages"]["deadLettered"] for s in stat["subscriptions"])


def judge(producers, consumers):
    sent = collections.Counter(body for producer in producers for body in producer.sent)
    acknowledged = {body: sequence for producer in producers
                    for body, sequence in producer.acknowledged.items()}
    received = collections.Counter()
    sequences = collections.defaultdict(set)
    for consumer in consumers:
        for delivery in consumer.received:
            received[delivery["body"]] += 1
            sequences[delivery["body"]].add(delivery["sequence"])
    duplicated = {body: count for body, count in received.items() if count > 1}
    # The same sequence twice is a redelivery (its settle was not committed when the broker died).
    # Two sequences for one body would be a message stored twice: idempotent publish forbids it.
    stored_twice = [body for body in duplicated if len(sequences[body]) > 1]
    wrong_sequence = [body for body, sequence in acknowledged.items()
                      if sequences.get(body) and sequence not in sequences[body]]
    return {
        "attempts": sum(sent.values()),
        "acknowledged": len(acknowledged),
        "received": sum(received.values()),
        "lost": sorted(set(acknowledged) - set(received))[:10],
        "unexpected": sorted(set(received) - set(sent))[:10],
        "recovered": len(set(received) - set(acknowledged)),
        "duplicated": sum(count - 1 for count in duplicated.values()),
        "redelivered": len(duplicated) - len(stored_twice),
        "unexplained_duplicates": len(stored_twice) + len(wrong_sequence),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--cycle-seconds", type=float, default=0.6, help="longest life of a broker")
    parser.add_argument("--producers", type=int, default=2)
    parser.add_argument("--consumers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=random.randrange(2**31))
    sys.exit(run(parser.parse_args()))


if __name__ == "__main__":
    main()
