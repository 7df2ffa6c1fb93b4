#!/usr/bin/env python3
"""Power losses of a broker under load, on a file system that loses what was not synced.

The same queues and clients as in kill.py; the clients are other machines and live on. The broker's
folder lies on lossy_fs, which needs root and /dev/fuse (exit code 77 without). Each cycle ends one
life of the broker:

  kill    the power fails at a moment that kill.py would choose
  stop    the disk stops after a drawn number of changes: the broker must end by itself
  sync    one fdatasync fails: the broker must end (74) and answer nothing that needed it;
          then the power fails, or does not
  write   the same with a write
  full    the disk is full for a while, and the broker lives; then the power fails

A power loss takes what was not synced, or as much of it as is drawn: bytes by whole sectors, which
may be garbled where nothing in them was synced, sizes, creations, renames and removals. Then the
broker starts on what is left. Judged as in kill.py.

  power_loss.py --bin build/release/bin --cycles 200 --check
  power_loss.py --cycles 6 --lie files    a disk that answers fdatasync without it: must be bad
"""

import collections
import os
import shutil
import subprocess
import sys
import time

import rounds
from arena import Arena
from lossy_disk import CANNOT_MOUNT, CannotMount, LossyDisk
from strikes import Strikes

ENDS = (("kill", 0.5), ("stop", 0.3), ("sync", 0.1), ("write", 0.05), ("full", 0.05))
EXIT_DISK_FAILED = 74
EXIT_REFUSED = 75
CHANGES_MAX = 300
FAILS_WITHIN = 20
END_SECONDS = 5
FULL_SECONDS = 0.5


class PowerLoss:
    """Ends the lives of one broker, and what its disk did not have is gone."""

    def __init__(self, arena, disk):
        self.arena = arena
        self.disk = disk
        self.dice = arena.dice
        self.strikes = Strikes(arena)
        self.counts = collections.Counter()
        self.unsynced = collections.Counter()
        self.problems = []

    def cycle(self):
        end = self.dice.choices([name for name, _ in ENDS], [share for _, share in ENDS])[0]
        if end == "kill":
            self.strikes.next_life()
            self.arena.kill_broker()
        else:
            self.arena.start_broker()
            self.strikes.trouble_clients()
            time.sleep(self.dice.uniform(0, 0.3))
            getattr(self, "_" + end)()
        self.counts[end] += 1
        if end in ("sync", "write") and self.dice.random() < 0.5:
            self.counts["without_power_loss"] += 1
            return
        self.arena.note("power-loss")
        lost = self.disk.ask("lose", self.dice.randrange(2**31))
        self.unsynced.update(lost)
        self.counts["with_something_to_lose"] += any(lost.values())

    def _stop(self):
        self.arena.note("disk-stops")
        self.disk.ask("stop", self.dice.randrange(CHANGES_MAX))
        self._ends_by_itself()

    def _sync(self):
        self.arena.note("fsync-fails")
        self.disk.ask("fail", "sync", self.dice.randint(1, FAILS_WITHIN))
        self._ends_by_itself()

    def _write(self):
        self.arena.note("write-fails")
        self.disk.ask("fail", "write", self.dice.randint(1, FAILS_WITHIN))
        self._ends_by_itself()

    def _full(self):
        self.arena.note("disk-full")
        self.arena.good_exits.add(EXIT_REFUSED)  # of producers, which were told so
        self.disk.ask("capacity", 1)
        time.sleep(FULL_SECONDS)
        self.disk.ask("capacity", 0)
        self.arena.kill_broker()

    def _ends_by_itself(self):
        """A disk that failed ends the broker with the exit code for it."""
        try:
            code = self.arena.broker.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.problems.append(f"the broker lives {END_SECONDS} s after its disk failed")
            self.arena.kill_broker()
            return
        self.arena.note("broker-ended", code)
        if code != EXIT_DISK_FAILED:
            self.problems.append(f"the broker ended with {code}:\n{self.arena.log_tail()}")


def one_round(options, seed, cycles, progress):
    with Arena(options.bin, seed) as arena:
        sector_bytes = arena.dice.choice((512, 4096))
        with LossyDisk(options.bin, os.path.join(arena.folder, "disk"), sector_bytes) as disk:
            arena.keep = options.keep
            arena.data = os.path.join(disk.folder, "data")
            disk.ask("lie", options.lie)
            loss = PowerLoss(arena, disk)
            try:
                arena.start_broker()
                arena.start_clients()
                arena.kill_broker()
                for _ in range(cycles):
                    loss.cycle()
                    progress.step()
                arena.start_broker()
                report = arena.verdict(arena.finish() + loss.problems)
            except (RuntimeError, OSError):
                arena.keep = True
                raise
            finally:
                # What is meant to be bad is not looked at afterwards.
                arena.keep = options.keep or (arena.keep and not options.convict)
                leave(arena)
            report.update(ends=dict(loss.counts), unsynced=dict(loss.unsynced),
                          kills_while=dict(loss.strikes.moments))
            return report


def leave(arena):
    """Nothing may be at work on the disk when it goes; what it holds is kept with the rest."""
    for child in [*arena.children, arena.broker]:
        if child is not None and child.poll() is None:
            child.kill()
            child.wait()
    if arena.keep:
        try:
            shutil.copytree(arena.data, os.path.join(arena.folder, "data"))
        except OSError as error:
            print(f"data not kept: {error}", file=sys.stderr)


def main():
    parser = rounds.parser(__doc__, cycles=50, per_round=40)
    parser.add_argument("--lie", choices=("files", "folders", "nothing"), default="nothing",
                        help="what the disk answers without doing it")
    parser.add_argument("--convict", action="store_true",
                        help="exit code 1 unless the run is bad: to test this test")
    options = parser.parse_args()
    try:
        report = rounds.run(options, one_round)
    except CannotMount:
        print("skipped: mounting a FUSE file system needs root and /dev/fuse", file=sys.stderr)
        return CANNOT_MOUNT
    if options.convict:
        return 1 if report["good"] else 0
    return rounds.exit_code(options, report)


if __name__ == "__main__":
    sys.exit(main())
