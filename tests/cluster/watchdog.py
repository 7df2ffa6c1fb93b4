"""Takes a cluster down when its owner has ended, in whatever way: watchdog.py FOLDER PID."""

import pathlib
import sys
import time

import cluster


def started(pid):
    """When a process began, which tells it from a later one of the same id; None without it."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rsplit(")", 1)[1].split()
    return None if fields[0] == "Z" else fields[19]


def main():
    watched, owner = cluster.Cluster(sys.argv[1]), int(sys.argv[2])
    begin = started(owner)
    while begin is not None and started(owner) == begin:
        if not (watched.folder / cluster.STATE).exists():
            return  # taken down in order
        time.sleep(1)
    watched.down()


if __name__ == "__main__":
    main()
