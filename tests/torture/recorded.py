"""`sluice pub` and `sluice sub` as clients whose every operation is written into a history."""

import json
import random
import subprocess
import threading
import time

from processes import LineReader

BURST_MAX = 20


class RecordedProducer:
    """Publishes numbered lines at a rate until it is stopped or killed. What the command prints is
    acknowledged."""

    def __init__(self, world, recorder, queue, prefix, load, seed, errors):
        self._recorder = recorder
        self._prefix = prefix
        self._load = load
        self._dice = random.Random(seed)
        self._ids = []
        self._stopping = threading.Event()
        self.child = world.client("pub", queue, "--lines", "--json", *load.flags,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                  text=True)
        self._reader = LineReader(self.child, self._on_line)
        self._writer = threading.Thread(target=self._write, daemon=True)
        self._writer.start()

    def _on_line(self, line):
        answer = json.loads(line)
        self._recorder.write("ok", "enqueue", self._ids[answer["line"] - 1],
                             seq=answer["sequence"])

    def _write(self):
        try:
            while not self._stopping.is_set():
                burst = self._dice.randint(1, min(BURST_MAX, self._load.rate))
                self.child.stdin.write("".join(self._next_line() for _ in range(burst)))
                self.child.stdin.flush()
                time.sleep(burst / self._load.rate)
            self.child.stdin.close()
        except (BrokenPipeError, ValueError):
            pass  # it was killed

    def _next_line(self):
        one = f"{self._prefix}-{len(self._ids) + 1}"
        self._ids.append(one)
        self._recorder.write("invoke", "enqueue", one)
        size = self._dice.randint(self._load.bytes_min, self._load.bytes_max)
        return f"{one} ".ljust(size, "x") + "\n"

    def begin_to_stop(self):
        """It ends when each of its messages is acknowledged."""
        self._stopping.set()

    def join(self, seconds):
        self._stopping.set()
        self._writer.join(seconds)
        self._reader.join(seconds)
        self._recorder.close()


class RecordedConsumer:
    """Settles everything in one way until it is stopped or killed. The command settles a message
    when its line is written, and does not tell what became of it: each ack is `info`."""

    def __init__(self, world, recorder, address, subscription, settle, errors):
        self._recorder = recorder
        self._settle = settle
        flags = [] if subscription == "default" else ["--subscription", subscription]
        self.child = world.client("sub", address, "--json", "--settle", settle, *flags,
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                  text=True)
        self._reader = LineReader(self.child, self._on_line)

    def _on_line(self, line):
        if not line.endswith("\n"):
            return  # the last line of a killed consumer
        one = json.loads(line)
        body = one["body"].split(" ", 1)[0]
        details = {"seq": one["sequence"], "attempt": one["attempt"]}
        early = one.get("deliverAtMs", 0) - int(time.time() * 1000)
        self._recorder.write("ok", "dequeue", body, **details,
                             **({"early": early} if early > 0 else {}))
        if self._settle == "ack":
            self._recorder.write("invoke", "ack", body, **details)
            self._recorder.write("info", "ack", body, **details)

    def begin_to_stop(self):
        self.child.terminate()

    def join(self, seconds):
        self._reader.join(seconds)
        self._recorder.close()
