"""Runs a torture in rounds: each has its own seed, folder and verdict, and the sum is printed."""

import argparse
import collections
import json
import os
import random
import signal
import sys
import time
import traceback

SHARE_OF_TERMINAL_SECONDS = 0.5


def parser(description, cycles, per_round):
    made = argparse.ArgumentParser(description=description,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    made.add_argument("--cycles", type=int, default=cycles)
    made.add_argument("--round", type=int, default=per_round, metavar="N",
                      help="cycles between two verdicts")
    made.add_argument("--minutes", type=float,
                      help="begin no round later than this; --cycles is the most then")
    made.add_argument("--seed", type=int, default=random.randrange(2**31),
                      help="of the first round; the next has the next")
    made.add_argument("--keep", action="store_true", help="also the folders of good rounds")
    made.add_argument("--check", action="store_true", help="exit code 1 where a round is bad")
    return made


class Progress:
    """A line on the terminal that overwrites itself; nothing elsewhere."""

    def __init__(self, cycles):
        self.cycles = cycles
        self.done = 0
        self._shown = 0.0

    def step(self):
        self.done += 1
        if sys.stderr.isatty() and time.monotonic() - self._shown > SHARE_OF_TERMINAL_SECONDS:
            self._shown = time.monotonic()
            print(f"\r{self.done}/{self.cycles} cycles", end="", file=sys.stderr)


def run(options, one_round):
    """one_round(options, seed, cycles, progress) -> report with `good`. Prints the sum as one line
    of JSON and returns it."""
    # Whoever ends us ends what we started: processes, mounts, folders.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    begin = time.monotonic()
    progress = Progress(options.cycles)
    reports = []
    while progress.done < options.cycles:
        if options.minutes and time.monotonic() > begin + options.minutes * 60:
            break
        seed = options.seed + len(reports)
        cycles = min(options.round, options.cycles - progress.done)
        reports.append(attempt(options, one_round, seed, cycles, progress))
        progress.done = sum(report["cycles"] for report in reports)
        if not reports[-1]["good"]:
            print(json.dumps(reports[-1]), file=sys.stderr)
    report = total(reports)
    report["seconds"] = round(time.monotonic() - begin, 1)
    print(json.dumps(report))
    return report


def exit_code(options, report):
    return 0 if report["good"] or not options.check else 1


def attempt(options, one_round, seed, cycles, progress):
    before = progress.done
    try:
        return {"cycles": cycles, **one_round(options, seed, cycles, progress)}
    except (RuntimeError, OSError) as error:
        # What went wrong in one round is a finding; the next has its own broker.
        traceback.print_exc()
        return {"cycles": max(1, progress.done - before), "seed": seed, "good": False,
                "problems": [str(error)]}


def total(reports):
    """Numbers add up, tables of numbers too; of the bad rounds the seeds are named."""
    sums = collections.Counter()
    tables = collections.defaultdict(collections.Counter)
    for report in reports:
        for key, value in report.items():
            if isinstance(value, dict) and all(isinstance(n, int) for n in value.values()):
                tables[key].update(value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool) and key != "seed":
                sums[key] += value
    return {"good": all(report["good"] for report in reports) and bool(reports),
            "rounds": len(reports), "seeds": [reports[0]["seed"], reports[-1]["seed"]],
            "bad_seeds": [report["seed"] for report in reports if not report["good"]],
            **{key: round(value, 1) for key, value in sums.items()}, **tables}
