#!/usr/bin/env python3
"""Judges the history of a torture run: a total-queue checker, and what Sluice promises beyond.

As multisets of ids, for each subscription:

  lost           acknowledged and never delivered                              must be empty
  unsettled      acknowledged, delivered, and at the end nobody's ack of it
                 was committed or may have been: it died with a lease          must be empty
  unexpected     delivered, and nobody ever tried to publish it                must be empty
  refused        delivered, although its publisher was told no                 must be empty
  stored_twice   delivered under two sequences                                 must be empty
  misplaced      delivered under another sequence than was acknowledged        must be empty
  settled_twice  two acks of it were committed: a lease outlived a settle      must be empty
  corrupt        a body with a wrong byte                                      must be none
  early          delivered before its time (not where the clock was stepped)   must be none
  forgotten      a committed failure is missing in the attempts that a later
                 consumer was told (not where something was redriven)          must be empty
  recovered      delivered, never acknowledged: the answer died                counted
  duplicated     deliveries beyond the first of each                           counted

The first, third and the last two are those of Jepsen's checker `total-queue`.

  judge.py OPS    the folder `ops` of a run; exit code 1 when it is bad
"""

import argparse
import collections
import json
import sys

import history as histories

SETTLES = ("ack", "failed", "release", "reject", "giveback")
MUST_BE_EMPTY = ("lost", "unsettled", "unexpected", "refused", "stored_twice", "misplaced",
                 "settled_twice", "corrupt", "early", "forgotten")
SHOWN = 10


class Subscription:
    """The state of one subscription's history while it is read in the order of time."""

    def __init__(self, redriven, clock_stepped):
        self.redriven = redriven
        self.clock_stepped = clock_stepped
        self.attempted = collections.Counter()
        self.acknowledged = {}
        self.refused = set()
        self.unknown = set()
        self.delivered = collections.Counter()
        self.sequences = collections.defaultdict(set)
        self.acks = collections.Counter()
        self.acks_unknown = set()
        self.failures = collections.Counter()
        self.corrupt = 0
        self.early = []
        self.forgotten = set()
        self._open = set()

    def read(self, op):
        if op.f == "enqueue":
            self._enqueue(op)
        elif op.f == "dequeue":
            self._dequeue(op)
        elif op.f in SETTLES:
            self._settle(op)

    def _enqueue(self, op):
        if op.type == "invoke":
            self.attempted[op.value] += 1
        elif op.type == "ok":
            self.acknowledged[op.value] = op.details["seq"]
        elif op.type == "fail":
            self.refused.add(op.value)
        else:
            self.unknown.add(op.value)

    def _dequeue(self, op):
        if op.details.get("corrupt"):
            self.corrupt += 1
            return
        self.delivered[op.value] += 1
        self.sequences[op.value].add(op.details["seq"])
        if op.details.get("early") and not self.clock_stepped:
            self.early.append(op.value)

    def _settle(self, op):
        call = (op.actor, op.value, op.f, op.details["attempt"])
        if op.type == "invoke":
            self._open.add(call)
            return
        self._open.discard(call)
        if op.type == "info":
            if op.f == "ack":
                self.acks_unknown.add(op.value)
            return
        if op.type != "ok" or op.f == "giveback":
            return
        if op.f == "ack":
            self.acks[op.value] += 1
        # Whose settle was committed had the newest lease, so it knew of all failures before it.
        if not self.redriven and not histories.is_dead_letters(op.actor):
            if op.details["attempt"] < 1 + self.failures[op.value]:
                self.forgotten.add(op.value)
        if op.f == "failed":
            self.failures[op.value] += 1

    def report(self):
        delivered = set(self.delivered)
        acknowledged = set(self.acknowledged)
        # The process died, or the history ended, before it was told.
        ack_may_be = self.acks_unknown | {value for _, value, f, _ in self._open if f == "ack"}
        only_refused = self.refused - acknowledged - self.unknown
        twice = {value for value, found in self.sequences.items() if len(found) > 1}
        misplaced = {value for value, sequence in self.acknowledged.items()
                     if sequence and value in delivered and sequence not in self.sequences[value]}
        problems = {
            "lost": acknowledged - delivered,
            "unsettled": (acknowledged & delivered) - set(self.acks) - ack_may_be,
            "unexpected": delivered - set(self.attempted),
            "refused": delivered & only_refused,
            "stored_twice": twice,
            "misplaced": misplaced - twice,
            "settled_twice": {value for value, count in self.acks.items() if count > 1},
            "corrupt": ["?"] * self.corrupt,
            "early": self.early,
            "forgotten": self.forgotten,
        }
        counts = {
            "attempts": sum(self.attempted.values()),
            "acknowledged": len(acknowledged),
            "deliveries": sum(self.delivered.values()),
            "recovered": len((delivered & set(self.attempted)) - acknowledged),
            "duplicated": sum(count - 1 for count in self.delivered.values()),
        }
        return {**counts, **{name: len(found) for name, found in problems.items()},
                "examples": {name: sorted(found)[:SHOWN]
                             for name, found in problems.items() if found}}


def judge_history(history, redriven=False, clock_stepped=False):
    subscription = Subscription(redriven, clock_stepped)
    for op in history.ops:
        subscription.read(op)
    report = subscription.report()
    report["good"] = not any(report[name] for name in MUST_BE_EMPTY)
    return report


def judge_folder(folder):
    """The reports of all subscriptions, their sums, and `good`."""
    nemesis = histories.read_nemesis(folder)
    redriven = {op.value for op in nemesis if op.f == "redrive"}
    clock_stepped = any(op.f == "step-clock" for op in nemesis)
    reports = {}
    total = collections.Counter()
    for history in histories.load_all(folder):
        report = judge_history(history, history.queue in redriven, clock_stepped)
        reports[f"{history.queue}/{history.subscription}"] = report
        total.update({name: count for name, count in report.items()
                      if isinstance(count, int) and not isinstance(count, bool)})
    return {"good": all(report["good"] for report in reports.values()), **total,
            "examples": {name: report["examples"] for name, report in reports.items()
                         if report["examples"]}}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ops", help="the folder `ops` of a run")
    report = judge_folder(parser.parse_args().ops)
    print(json.dumps(report))
    return 0 if report["good"] else 1


if __name__ == "__main__":
    sys.exit(main())
