"""A broker of its own on free ports for each class of tests, and the commands that talk to it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

SECONDS_MAX = 60
BIN = None


def main():
    """`test_x.py --bin FOLDER [unittest's arguments]`"""
    global BIN
    if "--bin" not in sys.argv:
        sys.exit("usage: --bin FOLDER of sluice and sluice-sidecar")
    at = sys.argv.index("--bin")
    BIN = os.path.abspath(sys.argv[at + 1])
    # The test files import this module by name; as __main__ there would be two of it.
    unittest.main(module="__main__", argv=sys.argv[:at] + sys.argv[at + 2:], verbosity=2)


def program(name="sluice"):
    return os.path.join(BIN, name)


def queue(name, **spec):
    """A manifest; JSON is YAML."""
    return json.dumps({"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                       "metadata": {"name": name}, "spec": spec})


def wait_until(condition, what, seconds=SECONDS_MAX):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


class Broker:
    """`sluice up` on free ports."""

    def __init__(self, folder, manifests):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        files = []
        for number, manifest in enumerate(manifests):
            files.append(os.path.join(folder, f"queue-{number}.yaml"))
            with open(files[-1], "w", encoding="utf-8") as out:
                out.write(manifest)
        self.log_path = os.path.join(folder, "broker.log")
        self.arguments = [program(), "up", "--data", self.data, "--port", "0", "--control-port",
                          "0", "--http-port", "0"]
        for file in files:
            self.arguments += ["-f", file]
        self.process = None
        self.ready = None

    def start(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log)
        self.ready = wait_until(self._ready_event, "the broker is ready")
        return self

    @property
    def endpoint(self):
        return self.ready["endpoint"]

    def log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def _ready_event(self):
        if self.process.poll() is not None:
            raise AssertionError(f"exit code {self.process.returncode}:\n{self.log()}")
        for line in self.log().splitlines():
            event = json.loads(line)
            if event.get("event") == "ready":
                return event
        return None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(SECONDS_MAX)


class CliTest(unittest.TestCase):
    """Tests of one class share a broker; each takes a queue of its own from MANIFESTS."""

    MANIFESTS = []
    longMessage = True
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sluice-cli-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.broker = Broker(cls.folder, cls.MANIFESTS).start()
        cls.addClassCleanup(cls.broker.stop)

    def environment(self):
        return {**os.environ, "SLUICE_ENDPOINT": self.broker.endpoint}

    def sluice(self, *arguments, stdin="", expect=0):
        """Runs a command to its end; `expect` is its exit code."""
        done = subprocess.run([program(), *map(str, arguments)], input=stdin, text=True,
                              capture_output=True, env=self.environment(), timeout=SECONDS_MAX,
                              check=False)
        self.assertEqual(done.returncode, expect, f"{arguments}\n{done.stdout}\n{done.stderr}")
        return done

    def json_lines(self, *arguments, **options):
        return [json.loads(line)
                for line in self.sluice(*arguments, **options).stdout.splitlines()]

    def start(self, *arguments, **options):
        """A command that runs beside the test and ends with it at the latest."""
        process = subprocess.Popen([program(), *map(str, arguments)], text=True,
                                   stdin=options.pop("stdin", subprocess.DEVNULL),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env={**self.environment(), **options.pop("env", {})},
                                   **options)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()

    def messages(self, name, subscription="default"):
        """The counts of a subscription, as `stat --json` has them."""
        document = json.loads(self.sluice("stat", name, "--json").stdout)
        for one in document["subscriptions"]:
            if one["name"] == subscription:
                return one["messages"]
        raise AssertionError(f"{name} has no subscription {subscription}")

    def consumers(self, name, subscription="default"):
        """The names of those who take messages of a subscription."""
        document = json.loads(self.sluice("stat", name, "--json").stdout)
        for one in document["subscriptions"]:
            if one["name"] == subscription:
                return one["consumers"]["names"]
        raise AssertionError(f"{name} has no subscription {subscription}")

    def wait_for_messages(self, name, **counts):
        """The statistics are published about once a second."""
        def reached():
            now = self.messages(name)
            return all(now[key] == value for key, value in counts.items())
        wait_until(reached, f"{name} has {counts}")

    def publish(self, name, *bodies):
        self.sluice("pub", name, "--lines", stdin="".join(body + "\n" for body in bodies))
