"""What a machine must have for a cluster; where it lacks that, tests are skipped, and loudly."""

import os
import shutil
import sys

SKIPPED = 77  # the exit code by which ctest knows a skipped test

# Programs, and the packages of Debian that bring them (scripts/common.sh: CLUSTER_PACKAGES).
TOOLS = {"etcd": "etcd-server", "openssl": "openssl", "cc": "g++"}
NODE_TOOLS = {"containerd": "containerd", "runc": "runc", "ctr": "containerd",
              "iptables": "iptables", "conntrack": "conntrack", "ip": "iproute2",
              "nsenter": "util-linux", "unshare": "util-linux"}


class CannotRun(Exception):
    """This machine cannot run a cluster, and no test can help it."""


def go():
    """The path of the go command, or None."""
    return shutil.which("go") or shutil.which("/usr/local/go/bin/go")


def require_root():
    if os.geteuid() != 0:
        raise CannotRun("a cluster needs root")


def require_tools(node):
    """Missing packages are a mistake of the caller, not a reason to skip."""
    missing = {package for tool, package in (TOOLS | (NODE_TOOLS if node else {})).items()
               if shutil.which(tool) is None}
    if node and not os.path.exists("/usr/lib/cni/ptp"):
        missing.add("containernetworking-plugins")
    if missing:
        raise SystemExit(f"install first: apt-get install {' '.join(sorted(missing))}")


def guarded(main):
    """Runs a main function; a machine that cannot is told of and skipped."""
    try:
        sys.exit(main())
    except CannotRun as why:
        line = f"SKIPPED: no Kubernetes cluster on this machine: {why}"
        print("*" * len(line), line, "*" * len(line), sep="\n", file=sys.stderr, flush=True)
        sys.exit(SKIPPED)
