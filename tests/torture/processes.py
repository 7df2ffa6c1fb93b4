"""Real brokers and clients for torture runs: started, killed and read, never left behind."""

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SKIPPED = 77  # the exit code by which ctest knows a skipped test

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {{name: {name}}}
spec:
  delivery: {{leaseDuration: {lease}, maxAttempts: {attempts}, maxStalls: {stalls},
             backoff: {{initial: 50ms, max: 200ms}}}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def checked(done):
    """The same, unless the program failed."""
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def resident_mib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024


class PeakMemory:
    """The greatest resident memory of a process, in MiB, while this runs."""

    def __init__(self, pid):
        self.mib = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while not self._over.wait(0.1):
            self.mib = max(self.mib, resident_mib(self._pid))

    def stop(self):
        self._over.set()
        self._thread.join()
        return round(self.mib, 1)


class World:
    """A folder, a broker on a port that stays the same over restarts, and its clients."""

    def __init__(self, bin_dir, lease="2s", attempts=5, stalls=3, session_ttl="2s",
                 queue_name="torture", arguments=(), spec=""):
        self.bin = bin_dir
        self.arguments = list(arguments)
        self.queue = queue_name
        self.session_ttl = session_ttl
        self.folder = tempfile.mkdtemp(prefix="sluice-torture-")
        self.data = os.path.join(self.folder, "data")
        self.manifest = os.path.join(self.folder, "queue.yaml")
        with open(self.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST.format(name=queue_name, lease=lease, attempts=attempts,
                                      stalls=stalls) + spec)
        self.port = free_port()
        self.control = free_port()
        self.http = free_port()
        self.broker = None
        self.children = []
        self.starts = 0
        self.keep = False  # the folder, at the end
        self.environment = None  # of the broker; None = ours
        self.log_path = os.path.join(self.folder, "broker.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children + ([self.broker] if self.broker else []):
            if child.poll() is None:
                child.kill()
            child.wait()
        if self.keep:
            print(f"kept: {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def endpoint(self):
        return f"tcp://127.0.0.1:{self.port}"

    def start_broker(self, wait=True):
        log = open(self.log_path, "ab")
        self.broker = subprocess.Popen(
            [os.path.join(self.bin, "sluice-sidecar"), "broker", "--data", self.data,
             "--listen", self.endpoint, "--control", f"tcp://127.0.0.1:{self.control}",
             "--http", f"127.0.0.1:{self.http}", "--session-ttl", self.session_ttl,
             "-f", self.manifest, *self.arguments],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment)
        log.close()
        self.starts += 1
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.broker.poll() is not None:
                raise RuntimeError(
                    f"the broker ended with {self.broker.returncode}:\n{self.log_tail()}")
            try:
                with socket.create_connection(("127.0.0.1", self.http), 1) as link:
                    link.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    if link.recv(64).startswith(b"HTTP/1.1 200"):
                        return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"the broker is not ready after {seconds} s:\n{self.log_tail()}")

    def kill_broker(self):
        self.broker.kill()
        self.broker.wait()

    def measure_restarts(self):
        """How long the broker needs to be ready again after a kill -9 and after an orderly stop,
        and its memory then."""
        report = {}
        # First the kill: after an orderly stop there would be nothing to replay.
        self.kill_broker()
        report["restart_after_kill_seconds"] = self._seconds_to_start()
        self.broker.send_signal(signal.SIGTERM)
        if self.broker.wait(60) != 0:
            raise RuntimeError("the broker did not stop in order")
        report["clean_restart_seconds"] = self._seconds_to_start()
        report["rss_mib_restarted"] = round(resident_mib(self.broker.pid), 1)
        return report

    def _seconds_to_start(self):
        begin = time.monotonic()
        self.start_broker()
        return round(time.monotonic() - begin, 2)

    def kill_on_the_way(self, progress, total, kills, seconds):
        """Kills and restarts the broker so often while progress() rises to `total`. Returns what it
        was at each kill."""
        at_kills = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done = progress()
            if len(at_kills) < kills and done >= total * (len(at_kills) + 1) // (kills + 1):
                self.kill_broker()
                at_kills.append(done)
                self.start_broker()
            elif done >= total:
                return at_kills
            time.sleep(0.02)
        raise RuntimeError(f"only {done} of {total} after {seconds} s")

    def events(self, name):
        """What the broker's log says of one kind, over all its starts."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            found = [json.loads(line) for line in log if line.startswith("{")]
        return [event for event in found if event.get("event") == name]

    def log_tail(self, count=4000):
        with open(self.log_path, "rb") as log:
            return log.read()[-count:].decode(errors="replace")

    def client(self, *arguments, **options):
        child = subprocess.Popen([os.path.join(self.bin, "sluice"), "--endpoint", self.endpoint,
                                  *arguments], **options)
        self.children.append(child)
        return child

    def run(self, *arguments, text_in=None, timeout=120):
        return subprocess.run([os.path.join(self.bin, "sluice"), "--endpoint", self.endpoint,
                               *arguments], input=text_in, capture_output=True, text=True,
                              timeout=timeout, check=False)

    def messages(self):
        """The counts of the only subscription."""
        return self.stat()["subscriptions"][0]["messages"]

    def stat(self, name=None):
        """Of the queue of that name, or of the world's."""
        done = self.run("stat", name or self.queue, "--json")
        if done.returncode != 0:
            raise RuntimeError(f"stat failed: {done.stderr}")
        document = json.loads(done.stdout)
        return document["queues"][0] if "queues" in document else document


class LineReader:
    """Reads a child's stdout on a thread of its own, so that no pipe ever fills."""

    def __init__(self, child, on_line):
        self.thread = threading.Thread(target=self._read, args=(child, on_line), daemon=True)
        self.thread.start()

    @staticmethod
    def _read(child, on_line):
        for line in child.stdout:
            on_line(line)

    def join(self, seconds):
        self.thread.join(seconds)
        if self.thread.is_alive():
            raise RuntimeError("a client did not end")


class Producer:
    """`sluice pub --lines --json`: what it prints is acknowledged, and nothing else is."""

    def __init__(self, world, name):
        self.name = name
        self.sent = []
        self.acknowledged = {}
        self.child = world.client("pub", world.queue, "--lines", "--json", stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True)
        self.reader = LineReader(self.child, self._on_line)
        self.inbox = queue.Queue()
        self.writer = threading.Thread(target=self._write, daemon=True)
        self.writer.start()

    def _on_line(self, line):
        answer = json.loads(line)
        body = self.sent[answer["line"] - 1]
        if body in self.acknowledged:
            raise RuntimeError(f"{body} was acknowledged twice")
        self.acknowledged[body] = answer["sequence"]

    def _write(self):
        while (bodies := self.inbox.get()) is not None:
            self.child.stdin.write("".join(body + "\n" for body in bodies))
            self.child.stdin.flush()
        self.child.stdin.close()

    def send(self, bodies):
        self.sent.extend(bodies)
        self.inbox.put(bodies)

    def finish(self, seconds):
        self.inbox.put(None)
        self.writer.join(seconds)
        self.child.wait(seconds)
        self.reader.join(seconds)
        return self.child.returncode


class Consumer:
    """`sluice sub --json`: a line is a delivery."""

    def __init__(self, world, *arguments):
        self.received = []
        self.child = world.client("sub", world.queue, "--json", *arguments,
                                  stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self.reader = LineReader(self.child, self._on_line)

    def _on_line(self, line):
        try:
            self.received.append(json.loads(line))
        except json.JSONDecodeError:
            pass  # the last line of a killed consumer

    def stop(self, seconds=30):
        if self.child.poll() is None:
            self.child.terminate()
        self.child.wait(seconds)
        self.reader.join(seconds)
