"""Processes of a cluster: started with a mark in their environment, and found again by it.

The mark is the cluster's folder. Nothing has to be remembered, so that what a killed `up` has left
behind is found as well as what runs in order.
"""

import os
import pathlib
import signal
import subprocess
import time

MARK = "SLUICE_CLUSTER_DIR"


class Failed(Exception):
    """Something of the cluster did not come up; the text says what and shows its log."""


# Thousands of lines while a server waits for another one, which say nothing.
NOISE = ("etcd-client", "Caches are synced", "Waiting for caches", "Too large resource version",
         "cri_stats_provider", "eviction_manager", "GOMAXPROCS")
COLUMNS_MAX = 300


def tail(path, lines=15):
    """The end of a log, without what nobody wants to read."""
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"  ({error})"
    worth = [line for line in text.splitlines() if not any(noise in line for noise in NOISE)]
    return "\n".join("  | " + line[:COLUMNS_MAX] for line in worth[-lines:])


def wait_for(what, ready, seconds, process=None, log=None):
    """Calls ready() until it is true; a process that ends meanwhile, or the time, is a failure."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not ready():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > deadline:
            why = f"ended with {process.returncode}" if ended else f"not ready in {seconds} s"
            raise Failed(f"{what}: {why}" + (f"\n{tail(log)}" if log else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.5)


class Launcher:
    """Starts the processes of one cluster; each writes LOGS/NAME.log."""

    def __init__(self, folder, logs):
        self.folder = folder
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)

    def log(self, name):
        return self.logs / f"{name}.log"

    def start(self, name, command, environment=None):
        variables = os.environ | {MARK: str(self.folder)} | (environment or {})
        with open(self.log(name), "ab") as log:
            return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, env=variables, cwd=self.folder,
                                    start_new_session=True)


def marked(folder):
    """Ids of all processes that carry the mark, but for the caller and those that it runs below."""
    mark = f"{MARK}={folder}".encode()
    mine = ancestors()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in mine:
            continue
        try:
            environment = pathlib.Path(f"/proc/{entry}/environ").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        if mark in environment.split(b"\0"):
            found.append(int(entry))
    return found


def ancestors():
    found, pid = {os.getpid()}, os.getpid()
    while pid > 1:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        pid = int(stat.rsplit(")", 1)[1].split()[1])
        found.add(pid)
    return found


def end_marked(folder, seconds=20):
    """Ends them all, politely for two seconds; true when none is left."""
    deadline = time.monotonic() + seconds
    polite_until = time.monotonic() + 2
    while pids := marked(folder):
        if time.monotonic() > deadline:
            return False
        number = signal.SIGTERM if time.monotonic() < polite_until else signal.SIGKILL
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        time.sleep(0.1)
    return True
