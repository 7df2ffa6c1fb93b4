#!/usr/bin/env python3
"""Backups of a broker under load, and what a restored one does.

While a producer and a consumer go on and one consumer holds a message, backups are taken; one copy
of the folder is made as a volume's snapshot would (the process stopped, the files copied). Then the
broker is killed, and one broker after the other starts on what was restored. Each must

  - have every message that was acknowledged and not yet delivered when its backup began,
  - deliver nothing that was settled before that, nothing that nobody sent, nothing twice,
  - refuse the receipt of the message that was held, and deliver that message again,
  - never use a sequence again that the original gave to a message.

  backup.py --bin build/release/bin --seconds 20
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

from processes import Consumer, Producer, World, checked

SETTLE_SECONDS = 3  # a delivery that is older was settled


def sluice(world, *arguments):
    done = subprocess.run([os.path.join(world.bin, "sluice"), *arguments], capture_output=True,
                          text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"sluice {arguments}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


class Load:
    """A producer that never stops, a consumer that settles, and when what was delivered."""

    def __init__(self, world):
        self.producer = Producer(world, "p")
        self.consumer = Consumer(world)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._publish, daemon=True)
        self.thread.start()

    def _publish(self):
        number = 0
        while not self.stopping.is_set():
            self.producer.send([f"p-{number + i}-" + "x" * 900 for i in range(200)])
            number += 200
            time.sleep(0.02)

    def now(self):
        """The bodies that are acknowledged, and those that were delivered, up to now."""
        delivered = len(self.consumer.received)
        return {"acknowledged": dict(self.producer.acknowledged),
                "delivered": {one["body"] for one in self.consumer.received[:delivered]}}

    def stop(self, world):
        self.stopping.set()
        self.thread.join()
        world.kill_broker()
        for child in (self.producer.child, self.consumer.child):
            child.kill()
            child.wait()
        self.consumer.reader.join(30)
        self.producer.reader.join(30)


def hold_one(world):
    """A consumer that has the message `held` in hand until the file `go` is there."""
    done = world.run("pub", world.queue, "--body", "held")
    checked(done)
    taken = os.path.join(world.folder, "taken")
    go = os.path.join(world.folder, "go")
    for path in (taken, go):
        if os.path.exists(path):
            os.remove(path)
    holder = world.client("sub", world.queue, "--max", "1", "--exec",
                          f"touch {taken}; while [ ! -e {go} ]; do sleep 0.05; done",
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(taken), "the message is held")
    return holder


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise RuntimeError(f"not within {seconds} s: {what}")


def take(world, load, folder):
    """A backup, what was known before it began, and how long it took. The consumer sleeps over it,
    so that much is acknowledged and not delivered."""
    settled = load.now()["delivered"]
    time.sleep(SETTLE_SECONDS)
    load.consumer.child.send_signal(signal.SIGSTOP)
    time.sleep(1)
    before = load.now()
    begin = time.monotonic()
    report = json.loads(sluice(world, "backup", "--data", world.data, "--to", folder, "--json"))
    taken = {"folder": folder, "settled": settled, "before": before, "bytes": report["bytes"],
             "seconds": round(time.monotonic() - begin, 2), "after": load.now()}
    load.consumer.child.send_signal(signal.SIGCONT)
    return taken


def volume_copy(world, load, folder):
    settled = load.now()["delivered"]
    time.sleep(SETTLE_SECONDS)
    before = load.now()
    world.broker.send_signal(signal.SIGSTOP)
    shutil.copytree(world.data, folder)
    world.broker.send_signal(signal.SIGCONT)
    return {"folder": folder, "settled": settled, "before": before, "after": load.now()}


def judge(world, one, load, restored, holder):
    """Starts a broker on world.data and looks at all that it delivers."""
    world.start_broker()
    if holder is not None:
        # It comes back and has done its work: its receipt is worth nothing here.
        with open(os.path.join(world.folder, "go"), "w", encoding="ascii"):
            pass
        time.sleep(SETTLE_SECONDS)
    consumer = Consumer(world)
    wait_until(lambda: waiting(world) == 0, "what was left is delivered", 120)
    got = [delivery["body"] for delivery in consumer.received]
    done = world.run("pub", world.queue, "--body", "afterwards", "--json")
    sequence = json.loads(done.stdout)["sequence"]
    consumer.stop()
    if holder is not None and holder.poll() is None:
        holder.kill()
    world.kill_broker()
    seen = set(got)
    sent = set(load.producer.sent) | {"held"}
    due = set(one["before"]["acknowledged"]) - one["after"]["delivered"]
    used = max(load.producer.acknowledged.values())
    problems = {
        "lost": sorted(due - seen)[:5],
        "settled_and_again": sorted(seen & one["settled"])[:5],
        "unexpected": sorted(seen - sent)[:5],
        "twice": len(got) - len(seen),
        "held_missing": int(restored and "held" not in seen),
        "sequence_again": int(restored and sequence <= used),
    }
    return {"delivered": len(got), "due": len(due), "problems": problems,
            "good": not any(problems.values())}


def waiting(world):
    messages = world.messages()
    return messages["ready"] + messages["inFlight"] + messages["delayed"]


def run(options):
    arguments = ["--segment-bytes", "4Mi", "--snapshot-every", "1"]
    reports = []
    with World(options.bin, lease="60s", session_ttl="10s", arguments=arguments) as world:
        world.start_broker()
        holder = hold_one(world)
        load = Load(world)
        time.sleep(options.seconds / 4)
        taken = []
        for number in range(3):
            taken.append(take(world, load, os.path.join(world.folder, f"backup-{number}")))
            time.sleep(options.seconds / 4)
        copied = volume_copy(world, load, os.path.join(world.folder, "copy"))
        load.stop(world)
        events = [one["result"] for one in world.events("audit") if one["command"] == "backup"]
        if events != ["pinned", "released"] * 3:
            raise RuntimeError(f"the broker tells of backups: {events}")
        original = world.data
        for number, one in enumerate(taken):
            world.data = os.path.join(world.folder, f"restored-{number}")
            sluice(world, "restore", "--from", one["folder"], "--data", world.data)
            shutil.rmtree(one["folder"])
            # The one consumer that holds something is refused by the first broker that it meets.
            report = judge(world, one, load, True, holder if number == 0 else None)
            shutil.rmtree(world.data)
            reports.append({"backup_seconds": one["seconds"],
                            "mib": round(one["bytes"] / 2**20, 1), **report})
        # As after kill -9: sessions may go on, so what is held is not given to others at once.
        world.data = copied["folder"]
        reports.append({"volume_copy": True, **judge(world, copied, load, False, None)})
        world.data = original
    good = all(one["good"] for one in reports)
    print(json.dumps({"good": good, "sent": len(load.producer.sent), "brokers": reports}))
    return 0 if good else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--seconds", type=float, default=20, help="how long the load goes on")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
