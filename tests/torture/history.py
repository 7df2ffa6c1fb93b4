#!/usr/bin/env python3
"""What the clients of a torture run wrote down, as one history a subscription.

A run's folder `ops` has a file for each process: produce.QUEUE.NAME,
consume.QUEUE.SUBSCRIPTION.NAME and dead.QUEUE.SUBSCRIPTION.NAME (a consumer of dead letters) with
lines `TIME TYPE F VALUE [KEY=NUMBER]...`, and `nemesis` with what was done to them. TYPE and F are
those of Jepsen.

  history.py OPS --edn FOLDER    writes FOLDER/QUEUE.SUBSCRIPTION.edn for each
"""

import argparse
import collections
import heapq
import os
import sys
import threading
import time

Op = collections.namedtuple("Op", "time type f value details actor")
# `ops` by time.
History = collections.namedtuple("History", "queue subscription ops")


def read_lines(path):
    """The lines of a log, without the last one where a kill cut it."""
    with open(path, encoding="ascii") as log:
        for line in log:
            if line.endswith("\n"):
                yield line.split()


def read_ops(path):
    actor = os.path.basename(path)
    for at, kind, f, value, *details in read_lines(path):
        pairs = (detail.split("=") for detail in details)
        yield Op(int(at), kind, f, value, {key: int(number) for key, number in pairs}, actor)


def read_nemesis(folder):
    path = os.path.join(folder, "nemesis")
    if not os.path.exists(path):
        return []
    return [Op(int(at), "info", f, " ".join(value), {}, "nemesis")
            for at, f, *value in read_lines(path)]


class Recorder:
    """Writes such a file. Thread-safe."""

    def __init__(self, folder, actor):
        os.makedirs(folder, exist_ok=True)
        self._log = open(os.path.join(folder, actor), "a", encoding="ascii")
        self._lock = threading.Lock()

    def write(self, kind, f, value, **details):
        words = [str(time.monotonic_ns()), kind, f, value]
        words += [f"{key}={number}" for key, number in details.items()]
        with self._lock:
            self._log.write(" ".join(words) + "\n")

    def close(self):
        self._log.close()


def subscriptions(folder):
    """(queue, subscription) of all that was consumed."""
    found = set()
    for name in os.listdir(folder):
        if name.startswith(("consume.", "dead.")):
            _, queue, subscription, _ = name.split(".")
            found.add((queue, subscription))
    return sorted(found)


def load(folder, queue, subscription):
    """The history of one subscription: who published to its queue, and who consumed it."""
    ops = []
    for name in sorted(os.listdir(folder)):
        kind, *rest = name.split(".")
        if (kind == "produce" and rest[0] == queue) or (
                kind in ("consume", "dead") and rest[:2] == [queue, subscription]):
            ops.extend(read_ops(os.path.join(folder, name)))
    ops.sort(key=lambda op: op.time)
    return History(queue, subscription, ops)


def load_all(folder):
    for queue, subscription in subscriptions(folder):
        yield load(folder, queue, subscription)


def is_drain(actor):
    return actor.rsplit(".", 1)[-1].startswith("drain")


def is_dead_letters(actor):
    return actor.startswith("dead.")


class Processes:
    """Numbers for who has one operation at a time, as Jepsen wants it: a client of ours has many
    under way, so each operation takes a process that is idle. One whose operation ended with `info`
    never does anything again."""

    def __init__(self):
        self._idle = []
        self._count = 0

    def take(self):
        if self._idle:
            return heapq.heappop(self._idle)
        self._count += 1
        return self._count - 1

    def give_back(self, process):
        heapq.heappush(self._idle, process)


def jepsen_ops(history, nemesis=()):
    """The operations of a total queue, as (time, type, process, f, value); f is enqueue, dequeue or
    drain, values are strings, lists of strings (of a drain) or None."""
    processes = Processes()
    open_calls = {}
    acknowledged = set()
    drained = collections.defaultdict(list)
    last = 0
    for op in heapq.merge(history.ops, nemesis, key=lambda op: op.time):
        last = op.time
        if op.actor == "nemesis":
            yield op.time, "info", "nemesis", op.f, op.value or None
        elif op.f == "enqueue":
            call = (op.actor, op.value)
            if op.type == "invoke":
                # The successor of a killed numbered producer may ask for what is there already.
                if op.value in acknowledged:
                    continue
                open_calls[call] = processes.take()
                yield op.time, "invoke", open_calls[call], "enqueue", op.value
            elif call in open_calls:
                process = open_calls.pop(call)
                if op.type == "ok":
                    acknowledged.add(op.value)
                if op.type != "info":
                    processes.give_back(process)
                yield op.time, op.type, process, "enqueue", op.value
        elif op.f == "dequeue" and is_drain(op.actor):
            drained[op.actor].append(op.value)
        elif op.f == "dequeue":
            process = processes.take()
            yield op.time, "invoke", process, "dequeue", None
            yield op.time, "ok", process, "dequeue", op.value
            processes.give_back(process)
    for (_, value), process in sorted(open_calls.items()):
        yield last, "info", process, "enqueue", value
    for _, values in sorted(drained.items()):
        process = processes.take()
        yield last, "invoke", process, "drain", None
        yield last, "ok", process, "drain", values


def edn_value(value):
    if value is None:
        return "nil"
    if isinstance(value, list):
        return "[" + " ".join(edn_value(one) for one in value) + "]"
    return f'"{value}"'


def write_edn(history, nemesis, path):
    """One operation a line, as Jepsen's history.edn has them."""
    with open(path, "w", encoding="ascii") as out:
        for index, (at, kind, process, f, value) in enumerate(jepsen_ops(history, nemesis)):
            who = f":{process}" if isinstance(process, str) else process
            out.write(f"{{:index {index}, :time {at}, :type :{kind}, :process {who}, "
                      f":f :{f}, :value {edn_value(value)}}}\n")


def write_all_edn(folder, target):
    os.makedirs(target, exist_ok=True)
    nemesis = read_nemesis(folder)
    for history in load_all(folder):
        write_edn(history, nemesis,
                  os.path.join(target, f"{history.queue}.{history.subscription}.edn"))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops", help="the folder `ops` of a run")
    parser.add_argument("--edn", required=True, metavar="FOLDER", help="where to write them")
    options = parser.parse_args()
    write_all_edn(options.ops, options.edn)


if __name__ == "__main__":
    sys.exit(main())
