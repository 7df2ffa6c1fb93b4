"""A broker with several queues, and clients that write down what they do: the stage of kill.py,
power_loss.py and others. Nothing is left behind, except the folder of a run that failed."""

import collections
import json
import os
import random
import signal
import subprocess
import time

import history
import judge
from processes import World, wait_until
from recorded import RecordedConsumer, RecordedProducer

MANIFEST = """apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: plain}
spec: {delivery: {leaseDuration: 1s, backoff: {initial: 50ms, max: 200ms}}}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: fan}
spec:
  subscriptions: [{name: a}, {name: b}]
  delivery: {leaseDuration: 1s, backoff: {initial: 50ms, max: 200ms}}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: retry}
spec: {delivery: {leaseDuration: 1s, maxAttempts: 2, maxStalls: 2,
                  backoff: {initial: 200ms, max: 1s}}}
---
apiVersion: sluice.dev/v1alpha1
kind: Queue
metadata: {name: large}
spec: {delivery: {leaseDuration: 1s}}
"""
# Queue -> its subscriptions.
QUEUES = {"plain": ("default",), "fan": ("a", "b"), "retry": ("default",), "large": ("default",)}
# What a producer sends: messages a second, bytes of a body, flags of `sluice pub`.
Load = collections.namedtuple("Load", "rate bytes_min bytes_max flags")
# Name -> queue and load.
PRODUCERS = {
    "p1": ("plain", Load(250, 20, 2000, [])),
    "p2": ("fan", Load(100, 20, 3000, [])),
    "p3": ("retry", Load(100, 20, 500, [])),
    "p4": ("retry", Load(30, 20, 500, ["--delay", "100ms", "--spread", "4s"])),
    # In pieces: above 255 KiB.
    "p5": ("large", Load(3, 100_000, 800_000, [])),
}
CONSUMERS = {"c1": ("plain", "default"), "c2": ("plain", "default"), "c3": ("fan", "a"),
             "c4": ("fan", "b"), "c5": ("retry", "default"), "c6": ("retry", "default"),
             "c7": ("large", "default")}
DEAD_LETTER_CONSUMERS = {"d1": ("retry", "default"), "d2": ("fan", "a")}
# How a consumer settles, drawn for each of its lives. `none` holds what it gets until it is killed.
SETTLES = (("ack", 70), ("fail", 13), ("reject", 10), ("none", 5), ("release", 2))
# So that segments are begun, snapshots written and segments compacted within seconds.
BROKER = ["--segment-bytes", "512Ki", "--snapshot-every", "1"]
PRODUCER_SECONDS = 90
CONSUMER_SECONDS = 30
DRAIN_SECONDS = 120


class Actor:
    """One client, over all its lives."""

    def __init__(self, name, kind, queue, subscription=None, load=None):
        self.name = name
        self.kind = kind  # produce, consume or dead, as in the names of histories
        self.queue = queue
        self.subscription = subscription
        self.load = load
        self.lives = 0
        self.client = None
        self.paused_until = None

    @property
    def life(self):
        return f"{self.name}-{self.lives}"

    def log_name(self):
        where = [self.queue] + ([self.subscription] if self.subscription else [])
        return ".".join([self.kind, *where, self.life])


class Arena(World):
    """The broker, its queues and clients. Everything random comes from the seed; when it happens
    does not, so a seed repeats a kind of run and no run."""

    def __init__(self, bin_dir, seed, arguments=()):
        super().__init__(bin_dir, session_ttl="1s", arguments=[*BROKER, *arguments])
        self.seed = seed
        self.dice = random.Random(seed)
        self.ops = os.path.join(self.folder, "ops")
        os.makedirs(self.ops)
        with open(self.manifest, "w", encoding="utf-8") as out:
            out.write(MANIFEST)
        self.client_log = open(os.path.join(self.folder, "clients.log"), "ab")
        self.actors = [Actor(name, "produce", queue, load=load)
                       for name, (queue, load) in PRODUCERS.items()]
        self.actors += [Actor(name, "consume", *where) for name, where in CONSUMERS.items()]
        self.actors += [Actor(name, "dead", *where)
                        for name, where in DEAD_LETTER_CONSUMERS.items()]
        # Of clients. Ended by SIGTERM: it had not begun yet.
        self.good_exits = {0, -signal.SIGTERM}
        self.counts = {"clients_killed": 0, "clients_paused": 0, "broker_paused": 0}

    def __exit__(self, *arguments):
        self.client_log.close()
        return super().__exit__(*arguments)

    def note(self, what, *details):
        """Into the history: what was done to the run."""
        with open(os.path.join(self.ops, "nemesis"), "a", encoding="ascii") as log:
            log.write(" ".join([str(time.monotonic_ns()), what, *map(str, details)]) + "\n")

    # --- Clients

    def spawn(self, actor, settle=None):
        actor.lives += 1
        actor.paused_until = None
        recorder = history.Recorder(self.ops, actor.log_name())
        if actor.kind == "produce":
            actor.client = RecordedProducer(self, recorder, actor.queue, actor.life, actor.load,
                                            self.dice.randrange(2**32), self.client_log)
            return
        address = actor.queue + ("/dlq" if actor.kind == "dead" else "")
        settle = settle or self.dice.choices([name for name, _ in SETTLES],
                                             [weight for _, weight in SETTLES])[0]
        actor.client = RecordedConsumer(self, recorder, address, actor.subscription, settle,
                                        self.client_log)

    def start_clients(self):
        for actor in self.actors:
            self.spawn(actor)

    def kill_client(self):
        actor = self.dice.choice(self.actors)
        self.note("kill-client", actor.life)
        actor.client.child.kill()
        actor.client.child.wait()
        actor.client.join(CONSUMER_SECONDS)
        self.spawn(actor)
        self.counts["clients_killed"] += 1

    def pause_client(self, seconds):
        actor = self.dice.choice(self.actors)
        if actor.paused_until is None:
            self.note("pause-client", actor.life)
            actor.client.child.send_signal(signal.SIGSTOP)
            actor.paused_until = time.monotonic() + seconds
            self.counts["clients_paused"] += 1

    def wake_clients(self, all_of_them=False):
        for actor in self.actors:
            if actor.paused_until and (all_of_them or actor.paused_until < time.monotonic()):
                self.note("wake-client", actor.life)
                actor.client.child.send_signal(signal.SIGCONT)
                actor.paused_until = None

    def pause_broker(self, seconds):
        self.note("pause-broker", seconds)
        self.broker.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.broker.send_signal(signal.SIGCONT)
        self.counts["broker_paused"] += 1

    # --- Broker

    def start_broker(self, wait=True):
        self.note("start-broker")
        super().start_broker(wait)

    def kill_broker(self):
        if self.broker.poll() is not None:
            raise RuntimeError(
                f"the broker ended by itself with {self.broker.returncode}:\n{self.log_tail()}")
        self.note("kill-broker")
        super().kill_broker()

    def redrive(self, queue="retry"):
        self.note("redrive", queue)
        self.run("--timeout", "1", "redrive", queue, "--no-wait", "--rate", "2000")

    def waiting(self):
        """Everything that is not settled, dead letters too; None while the broker does not say."""
        done = self.run("stat", "--json")
        if done.returncode != 0:
            return None
        kinds = ("ready", "inFlight", "delayed", "deadLettered")
        return sum(one["messages"][kind] for queue in json.loads(done.stdout)["queues"]
                   for one in queue["subscriptions"] for kind in kinds)

    # --- The end

    def finish(self):
        """Heals everything, empties the queues and stops all. Returns what went wrong with that."""
        problems = []
        self.wake_clients(all_of_them=True)
        producers = [actor for actor in self.actors if actor.kind == "produce"]
        consumers = [actor for actor in self.actors if actor.kind != "produce"]
        problems += self._stop(producers, PRODUCER_SECONDS)
        problems += self._stop(consumers, CONSUMER_SECONDS)
        drains = [Actor("drain", kind, queue, subscription)
                  for queue, subscriptions in QUEUES.items() for subscription in subscriptions
                  for kind in ("consume", "dead")]
        for actor in drains:
            self.spawn(actor, "ack")
        if not wait_until(self._is_empty, DRAIN_SECONDS):
            problems.append(f"not drained: {self.waiting()} messages are left")
        problems += self._stop(drains, CONSUMER_SECONDS)
        self.broker.send_signal(signal.SIGTERM)
        if self.broker.wait(30) != 0:
            problems.append(f"the broker stopped with {self.broker.returncode}")
        verified = subprocess.run([os.path.join(self.bin, "sluice"), "log", "verify", self.data],
                                  capture_output=True, text=True, timeout=120, check=False)
        if verified.returncode != 0:
            problems.append(f"log verify: {verified.stdout}{verified.stderr}")
        return problems

    def _is_empty(self):
        """Large dead letters do not come to consumers: they are given back first."""
        waiting = self.waiting()
        if waiting:
            self.redrive("large")
        return waiting == 0

    def _stop(self, actors, seconds):
        for actor in actors:
            actor.client.begin_to_stop()
        problems = []
        end = time.monotonic() + seconds
        for actor in actors:
            child = actor.client.child
            try:
                code = child.wait(max(0.1, end - time.monotonic()))
                if code not in self.good_exits:
                    problems.append(f"{actor.log_name()} ended with {code}")
            except subprocess.TimeoutExpired:
                problems.append(f"{actor.log_name()} did not end within {seconds} s")
                child.kill()
                child.wait()
            actor.client.join(CONSUMER_SECONDS)
        return problems

    def verdict(self, problems):
        """The report of the run; keeps its folder where it is bad."""
        report = judge.judge_folder(self.ops)
        report["problems"] = problems
        report["good"] = report["good"] and not problems
        report.update(self.counts, seed=self.seed, broker_starts=self.starts)
        self.keep = self.keep or not report["good"]
        return report
