"""What holds a cluster's node to its NetworkPolicies: started by the one test that is about them.

A Go module of its own (enforcer/), compiled when it is first needed, and cached like the programs
of the cluster. It judges the first packet of each connection that passes the node; iptables hands
these packets over (target NFQUEUE of the kernel).
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import time

import binaries
import daemons
import namespaces
import skip
from node import NODE

HERE = pathlib.Path(__file__).resolve().parent / "enforcer"
INPUTS = ("go.mod", "go.sum", "main.go")
PROGRAM = "enforcer"
QUEUE = 77
# Where nobody judges, packets pass: what a policy refuses is then let in, and a test says so. They
# would be dropped otherwise, which looks like a policy that works.
RULE = ("FORWARD", "-m", "conntrack", "--ctstate", "NEW", "-j", "NFQUEUE", "--queue-num", QUEUE,
        "--queue-bypass")


def program():
    """Its path, compiled if need be; among ready programs (SLUICE_CLUSTER_BIN) it may be one."""
    ready = os.environ.get("SLUICE_CLUSTER_BIN")
    if ready and (pathlib.Path(ready) / PROGRAM).exists():
        return pathlib.Path(ready).resolve() / PROGRAM
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in INPUTS))
    root = binaries.cache_root().with_name(PROGRAM)
    made = root / digest.hexdigest()[:16] / PROGRAM
    with binaries.only_one(root):
        if made.exists():
            return made
        skip.require_go()
        begin = time.monotonic()
        binaries.say(f"compiling {PROGRAM}")
        made.parent.mkdir(exist_ok=True)
        partial = made.with_suffix(".partial")
        subprocess.run([skip.go(), "build", "-trimpath", "-ldflags", "-s -w", "-o", partial, "."],
                       cwd=HERE, check=True, env=os.environ | {
                           "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false",
                           "GOTOOLCHAIN": "local", "GOWORK": "off"})
        partial.rename(made)  # a half-written file is never taken for one
        for older in root.iterdir():
            if older.is_dir() and older != made.parent:
                shutil.rmtree(older, ignore_errors=True)
        binaries.say(f"compiled {PROGRAM} in {time.monotonic() - begin:.0f} s")
    return made


class Enforcer:
    """Of one running cluster with a node. What it does ends with close()."""

    def __init__(self, cluster):
        self.inside = namespaces.Inside(daemons.Launcher(cluster.folder, cluster.logs),
                                        cluster.state()["node_pid"])
        self.kubeconfig = cluster.kubeconfig
        self.process = None

    def is_possible(self):
        """The kernel hands packets to programs; why not is the answer of iptables."""
        tried = self.inside.run("iptables", "--wait", "-A", *RULE, check=False)
        if tried.returncode == 0:
            self.inside.run("iptables", "--wait", "-D", *RULE)
        return tried.returncode == 0, tried.stderr.strip()

    def start(self):
        """Returns when every new connection between pods is judged."""
        self.process = self.inside.start(PROGRAM, [
            program(), "--kubeconfig", self.kubeconfig, "--node", NODE, "--queue", QUEUE])
        daemons.wait_for(PROGRAM, self._listens, 30, self.process,
                         self.inside.launcher.log(PROGRAM))
        self.inside.run("iptables", "--wait", "-I", *RULE)

    def _listens(self):
        queues = self.inside.run("cat", "/proc/self/net/netfilter/nfnetlink_queue", check=False)
        return any(line.split()[0] == str(QUEUE) for line in queues.stdout.splitlines())

    def end_judge(self):
        """The program alone: its rule stays."""
        # The child of nsenter is in namespaces of its own: it goes with a signal to the group.
        os.killpg(self.process.pid, 15)
        self.process.wait(20)
        self.process = None

    def close(self):
        self.inside.run("iptables", "--wait", "-D", *RULE, check=False)
        if self.process is not None:
            self.end_judge()
