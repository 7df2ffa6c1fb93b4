#!/usr/bin/env python3
"""kill -9 of broker, producers and consumers, again and again, under load.

Four queues, five producers (`sluice pub`), nine consumers (`sluice sub`). A cycle is the life of
one broker: it is killed at a random moment, while it recovers, while it writes a snapshot, compacts
or redrives. Meanwhile clients are killed and others come, clients and sometimes the broker are
paused for longer than leases and sessions last. Consumers acknowledge, fail, reject, release or
hold what they get; some messages come in pieces, some later, and dead letters are consumed and
redriven. Each round ends with everything healed and drained; then its history is judged (judge.py)
and the log verified.

With --clock-steps the broker's wall clock jumps by up to half a minute, forwards and back, while it
runs and between its lives (the library libfaketime; exit code 77 without). A backoff whose broker
was killed after a step back lasts longer by as much; nothing else may change.

  kill.py --bin build/release/bin --cycles 1000 --check
"""

import os
import shutil
import sys

import history
import rounds
from arena import Arena
from processes import SKIPPED
from strikes import Strikes
from wall_clock import NoFaketime, SteppedClock


def one_round(options, seed, cycles, progress):
    with Arena(options.bin, seed) as arena:
        arena.keep = options.keep
        strikes = Strikes(arena)
        clock = strikes.clock = SteppedClock(arena) if options.clock_steps else None
        try:
            arena.start_broker()
            arena.start_clients()
            arena.kill_broker()
            for _ in range(cycles):
                strikes.next_life()
                arena.kill_broker()
                progress.step()
            if clock:
                clock.step(0)
            arena.start_broker()
            report = arena.verdict(arena.finish())
        except (RuntimeError, OSError):
            arena.keep = True
            raise
        report["kills_while"] = dict(strikes.moments)
        if clock:
            report["clock_steps"] = clock.steps
        if options.edn:
            target = os.path.join(options.edn, str(seed))
            shutil.rmtree(target, ignore_errors=True)
            history.write_all_edn(arena.ops, target)
        return report


def main():
    parser = rounds.parser(__doc__, cycles=200, per_round=100)
    parser.add_argument("--edn", metavar="FOLDER",
                        help="write the histories there as Jepsen's checkers read them")
    parser.add_argument("--clock-steps", action="store_true",
                        help="the broker's wall clock jumps")
    options = parser.parse_args()
    try:
        return rounds.exit_code(options, rounds.run(options, one_round))
    except NoFaketime:
        print("skipped: the package libfaketime is not installed", file=sys.stderr)
        return SKIPPED


if __name__ == "__main__":
    sys.exit(main())
