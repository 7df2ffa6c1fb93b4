"""When a broker dies: at any moment, or just while it does what is delicate."""

import collections
import os
import time

# Share of each.
MOMENTS = (("any", 0.4), ("start", 0.2), ("snapshot", 0.15), ("compaction", 0.15),
           ("redrive", 0.1))
LIFE_SECONDS = (0.02, 0.6)
START_SECONDS_MAX = 0.08
WATCH_SECONDS = 0.5
PAUSE_SECONDS = 1.4  # longer than leases and sessions


class Strikes:
    """Draws moments, waits for them in the broker's folder, and troubles the clients meanwhile."""

    def __init__(self, arena):
        self.arena = arena
        self.dice = arena.dice
        self.moments = collections.Counter()
        self.clock = None  # a SteppedClock

    def next_life(self):
        """Starts a broker and returns when the moment to end it has come."""
        moment = self.dice.choices([name for name, _ in MOMENTS],
                                   [share for _, share in MOMENTS])[0]
        if self.clock:
            self.clock.draw()
        self.arena.start_broker(wait=moment != "start")
        self.trouble_clients()
        came = getattr(self, "_wait_" + moment)()
        self.moments[moment if came else "any"] += 1

    def _wait_any(self):
        time.sleep(self.dice.uniform(*LIFE_SECONDS))
        return True

    def _wait_start(self):
        time.sleep(self.dice.uniform(0, START_SECONDS_MAX))
        return True

    def _wait_snapshot(self):
        return self._watch("snapshots", "")

    def _wait_compaction(self):
        return self._watch("segments", ".ext")

    def _wait_redrive(self):
        time.sleep(self.dice.uniform(0, 0.3))
        self.arena.redrive()
        time.sleep(self.dice.uniform(0, 0.02))
        return True

    def _watch(self, folder, part):
        """Until unfinished work of that kind lies there, and some time into it."""
        path = os.path.join(self.arena.data, folder)
        end = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < end:
            if any(name.endswith(".tmp") and part in name for name in os.listdir(path)):
                time.sleep(self.dice.uniform(0, 0.004))
                return True
            time.sleep(0.0003)
        return False

    def trouble_clients(self):
        if self.clock:
            self.clock.draw()
        self.arena.wake_clients()
        if self.dice.random() < 0.3:
            self.arena.kill_client()
        if self.dice.random() < 0.1:
            self.arena.pause_client(PAUSE_SECONDS)
        if self.dice.random() < 0.02:
            self.arena.pause_broker(PAUSE_SECONDS)
