"""Runs a command for as long as someone holds this program's standard input open.

    guard.py FOLDER COMMAND...

The command works in FOLDER. When the input ends, for whatever reason, or the command does, every
process that came of it is killed and FOLDER is removed, so nothing is left behind even when the one
who started it is killed. The exit status is the command's own.
"""

import ctypes
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36
SECONDS_TO_STOP = 10


def adopt_orphans():
    """Daemons that the command starts become our children when their parents are gone."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    own = str(os.getpid())
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may contain anything; state and parent come after it.
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # it has ended meanwhile
        if parent == own:
            found.append(int(stat.parent.name))
    return found


def stop(process):
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(SECONDS_TO_STOP)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass
    while remaining := children():
        for pid in remaining:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def wait(process):
    """Until the command or the input ends."""
    while process.poll() is None:
        readable, _, _ = select.select([sys.stdin], [], [], 0.1)
        if readable and not os.read(sys.stdin.fileno(), 1):
            return


def main():
    folder, command = sys.argv[1], sys.argv[2:]
    # Whoever wants it to end closes its input; a Ctrl-C is meant for that one.
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: None)
    adopt_orphans()
    try:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
        wait(process)
        stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if process.returncode else 0)


if __name__ == "__main__":
    main()
