"""A broker of some queues on free ports, and traffic in which everything happens that a panel
shows: backlog, failures, dead letters, refusals, strangers."""

import json
import math
import pathlib
import socket
import subprocess
import threading
import time

SECONDS_MAX = 30


def manifest(name, **spec):
    return json.dumps({"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                       "metadata": {"name": name}, "spec": spec})


MANIFESTS = [
    # Its archive is slower than its producers, so that it fills up and refuses; in its audit every
    # tenth message fails for good.
    manifest("orders",
             subscriptions=[{"name": name} for name in ("billing", "archive", "audit")],
             delivery={"maxAttempts": 3, "backoff": {"initial": "500ms", "max": "2s"}},
             limits={"messages": 1000}),
    manifest("emails", limits={"messages": 100000}),
    manifest("thumbnails", limits={"messages": 100000}),
]


class Broker:
    """`sluice up` in a folder; ends with `with`."""

    def __init__(self, folder, programs):
        self.folder, self.sluice = pathlib.Path(folder), str(pathlib.Path(programs) / "sluice")
        self.process = self.ready = None

    def __enter__(self):
        arguments = [self.sluice, "up", "--data", str(self.folder / "data"), "--port", "0",
                     "--control-port", "0", "--http-port", "0"]
        for number, text in enumerate(MANIFESTS):
            path = self.folder / f"queue-{number}.yaml"
            path.write_text(text, encoding="utf-8")
            arguments += ["-f", str(path)]
        log_path = self.folder / "broker.log"
        with log_path.open("wb") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        end = time.monotonic() + SECONDS_MAX
        while self.ready is None:
            if self.process.poll() is not None or time.monotonic() > end:
                self.__exit__()
                raise AssertionError(f"the broker:\n{log_path.read_text(encoding='utf-8')}")
            for line in log_path.read_text(encoding="utf-8").splitlines():
                event = json.loads(line)
                if event.get("event") == "ready":
                    self.ready = event
            time.sleep(0.02)
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(SECONDS_MAX)

    @property
    def command(self):
        """How the CLI reaches it."""
        return [self.sluice, "--endpoint", self.ready["endpoint"]]

    @property
    def address(self):
        """Host and port for clients."""
        host, port = self.ready["endpoint"].split("//")[-1].rsplit(":", 1)
        return host, int(port)

    @property
    def metrics(self):
        """HOST:PORT of its metrics."""
        return self.ready["http"].split("//")[-1].rstrip("/")


class Load:
    """Programs and threads that work until `with` ends. `broker` has `command` and `address`;
    `consumed_elsewhere` are subscriptions of `orders` that others consume."""

    def __init__(self, broker, consumed_elsewhere=()):
        self.broker, self.consumed_elsewhere = broker, consumed_elsewhere
        self.over = threading.Event()
        self.programs, self.threads = [], []

    def __enter__(self):
        # More than its consumers can do, then less: where they are scaled, they go up and down.
        self._publish("orders", lambda at: 120 if at % 60 < 30 else 5)
        self._publish("emails", lambda at: 120 + 110 * math.sin(at / 9))
        self._publish("thumbnails", lambda at: 200 if at % 40 < 12 else 10)
        if "billing" not in self.consumed_elsewhere:
            self._consume("orders", "--subscription", "billing")
        self._consume("orders", "--subscription", "archive", "--exec", "sleep 0.03")
        self._consume("orders", "--subscription", "audit", "--exec",
                      "test $((SLUICE_SEQUENCE % 10)) -ne 0")
        self._consume("emails")
        self._consume("thumbnails", "--exec", "sleep 0.01", "--prefetch", "20")
        trouble = [["sub", "orders", "--subscription", "audit", "--max", "5", "--idle-exit", "1s",
                    "--settle", how] for how in ("reject", "release")]
        trouble += [["pub", "orders", "--body", "later", "--delay", "5s"],
                    ["pub", "nobody", "--body", "lost"]]
        self._thread(self._again_and_again, trouble)
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
        for program in self.programs:
            if program.poll() is None:
                program.kill()
            program.wait()
            if program.stdin:
                try:
                    program.stdin.close()
                except BrokenPipeError:
                    pass

    def _thread(self, run, *arguments):
        self.threads.append(threading.Thread(target=run, args=arguments))
        self.threads[-1].start()

    def _command(self, *arguments):
        return [*self.broker.command, *arguments]

    def _start(self, *arguments, stdin=subprocess.DEVNULL):
        self.programs.append(subprocess.Popen(
            self._command(*arguments), stdin=stdin, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))
        return self.programs[-1]

    def _consume(self, queue, *flags):
        self._start("sub", queue, *flags)

    def _publish(self, queue, rate):
        program = self._start("pub", queue, "--lines", stdin=subprocess.PIPE)
        self._thread(self._feed, program, rate)

    def _feed(self, program, rate):
        """Lines at a rate a second that may change; what is refused goes."""
        begin, owed = time.monotonic(), 0.0
        while not self.over.wait(0.1):
            owed += 0.1 * rate(time.monotonic() - begin)
            lines, owed = int(owed), owed - int(owed)
            try:
                program.stdin.write(b"a message of some length, as messages are\n" * lines)
                program.stdin.flush()
            except BrokenPipeError:
                return

    def _again_and_again(self, commands):
        while not self.over.is_set():
            for command in commands:
                subprocess.run(self._command(*command), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               timeout=SECONDS_MAX, check=False)
                self._stranger()
                if self.over.wait(0.2):
                    return

    def _stranger(self):
        with socket.create_connection(self.broker.address, timeout=SECONDS_MAX) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
