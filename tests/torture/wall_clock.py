"""Steps of one process's wall clock, without touching the machine's: libfaketime."""

import glob
import os

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
STEP_SECONDS_MAX = 30


class NoFaketime(Exception):
    """The library is not installed."""


class SteppedClock:
    """The wall clock of an arena's brokers; their monotonic clock is left alone."""

    def __init__(self, arena):
        found = glob.glob(LIBRARY)
        if not found:
            raise NoFaketime()
        self.steps = 0
        self._arena = arena
        self._file = os.path.join(arena.folder, "wall-clock")
        self._write(0)
        arena.environment = {**os.environ, "LD_PRELOAD": found[0], "FAKETIME_NO_CACHE": "1",
                             "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1",
                             "FAKETIME_TIMESTAMP_FILE": self._file}

    def draw(self):
        """One time in three somewhere else."""
        if self._arena.dice.random() < 1 / 3:
            self.step(self._arena.dice.randint(-STEP_SECONDS_MAX, STEP_SECONDS_MAX))

    def step(self, seconds):
        """From now on so far from the machine's clock, also for a broker that runs."""
        self._arena.note("step-clock", seconds)
        self._write(seconds)
        self.steps += 1

    def _write(self, seconds):
        # Whoever reads meanwhile gets the old or the new text.
        with open(self._file + ".new", "w", encoding="ascii") as out:
            out.write(f"{seconds:+d}\n")
        os.replace(self._file + ".new", self._file)
