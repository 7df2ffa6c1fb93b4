"""What a machine must have for a cluster; where it lacks that, tests are skipped, and loudly."""

import os
import re
import shutil
import subprocess
import sys

SKIPPED = 77  # the exit code by which ctest knows a skipped test

# Programs, and the packages of Debian that bring them (scripts/common.sh: CLUSTER_PACKAGES).
TOOLS = {"etcd": "etcd-server", "openssl": "openssl", "cc": "g++"}
NODE_TOOLS = {"containerd": "containerd", "runc": "runc", "ctr": "containerd",
              "iptables": "iptables", "conntrack": "conntrack", "ip": "iproute2",
              "nsenter": "util-linux", "unshare": "util-linux"}


class CannotRun(Exception):
    """This machine cannot run a cluster, and no test can help it."""


GO_LEAST = (1, 26)


def require_go():
    if go() is None:
        raise CannotRun(f"Go {'.'.join(map(str, GO_LEAST))} or newer is missing")


def go():
    """The path of a go command that is new enough, or None."""
    path = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if path is None:
        return None
    said = subprocess.run([path, "env", "GOVERSION"], check=False, timeout=60, text=True,
                          capture_output=True, env=os.environ | {"GOTOOLCHAIN": "local"})
    found = re.match(r"go(\d+)\.(\d+)", said.stdout)
    return path if found and tuple(map(int, found.groups())) >= GO_LEAST else None


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
