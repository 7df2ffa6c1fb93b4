"""The node's own network, mounts and process ids, and its control groups.

One process holds them: when it is killed, everything that runs on the node dies with it, and all
mounts, interfaces and iptables chains of the node are gone. Only the control groups remain.
"""

import os
import pathlib
import shutil
import subprocess
import time

from daemons import wait_for

CGROUPS = pathlib.Path("/sys/fs/cgroup")


HIDDEN = ("/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet")


def is_program(pid, program):
    try:
        return pid is not None and os.path.samefile(f"/proc/{pid}/exe", program)
    except OSError:
        return False


def child_of(pid):
    """The one child of a process, or None while there is none."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(children.split()[0]) if children.split() else None


class Inside:
    """The node's namespaces, held by its first process."""

    def __init__(self, launcher, pid):
        self.launcher, self.pid = launcher, pid

    @staticmethod
    def made(launcher, pause):
        """New namespaces; they are gone when the idle program in them is killed."""
        holder = launcher.start("node-init", [
            "unshare", "--net", "--mount", "--propagation=private", "--pid", "--fork",
            "--mount-proc", "--kill-child", pause])
        # The child becomes the idle program only when all namespaces and mounts are made.
        wait_for("node", lambda: is_program(child_of(holder.pid), pause), 10, holder,
                 launcher.log("node-init"))
        return Inside(launcher, child_of(holder.pid))

    def command(self, *command):
        return ["nsenter", f"--target={self.pid}", "--net", "--mount", "--pid",
                *(str(part) for part in command)]

    def start(self, name, command):
        return self.launcher.start(name, self.command(*command))

    def run(self, *command, check=True, seconds=60):
        return subprocess.run(self.command(*command), check=check, timeout=seconds,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def hide(self, folder):
        """Folders that programs write to whatever they are told: each node has its own."""
        for path in HIDDEN:
            own = folder / "node" / path.strip("/").replace("/", "-")
            own.mkdir(parents=True, exist_ok=True)
            os.makedirs(path, exist_ok=True)
            self.run("mount", "--bind", own, path)


def hierarchies():
    """Where control groups are mounted: one place with version 2, one a controller with 1."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir()
            if path.is_dir() and not path.is_symlink() and (path / "cgroup.procs").exists()]


def make_cgroup(name):
    for hierarchy in hierarchies():
        group = hierarchy / name
        group.mkdir(exist_ok=True)
        if hierarchy == CGROUPS:
            enable_controllers(hierarchy)
        for setting in ("cpuset.cpus", "cpuset.mems"):  # version 1 leaves them empty in a new group
            if (group / setting).exists() and hierarchy != CGROUPS:
                (group / setting).write_text((hierarchy / setting).read_text(encoding="ascii"),
                                             encoding="ascii")


def enable_controllers(hierarchy):
    for controller in (hierarchy / "cgroup.controllers").read_text(encoding="ascii").split():
        try:
            (hierarchy / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
        except OSError:
            pass  # the kubelet says what it misses


def remove_cgroup(name, seconds=10):
    """Removes the group with all groups below it; true when nothing is left."""
    deadline = time.monotonic() + seconds
    while True:
        for hierarchy in hierarchies():
            for folder, _, _ in os.walk(hierarchy / name, topdown=False):
                try:
                    os.rmdir(folder)
                except OSError:
                    pass  # a process in it is about to end
        left = [h for h in hierarchies() if (h / name).exists()]
        if not left or time.monotonic() > deadline:
            return not left
        time.sleep(0.2)


def unmount_below(folder):
    """Mounts that outlived their namespace; none, unless a program was told another folder."""
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    for line in reversed(mounts):
        target = line.split()[1]
        if target.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", target], check=False, timeout=10)


def remove_folder(folder):
    unmount_below(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
