"""The operator as a process of this machine beside a control plane: started, killed and measured.

It is installed by its chart, whose Deployment stays without a pod there; the process uses the
token of that installation's ServiceAccount, so that it may do what the chart lets it do.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent))

import audit  # pylint: disable=wrong-import-position
import binaries  # pylint: disable=wrong-import-position
import cluster  # pylint: disable=wrong-import-position
import own_time  # pylint: disable=wrong-import-position
from control_plane import free_ports  # pylint: disable=wrong-import-position
from daemons import wait_for  # pylint: disable=wrong-import-position

BIN = pathlib.Path(os.environ.get("SLUICE_BIN", ROOT / "build/release/bin"))
SYSTEM = "sluice-system"
USER = f"system:serviceaccount:{SYSTEM}:sluice-operator"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class ControlPlane:
    """The cluster of $SLUICE_CLUSTER with the chart installed; has the operator's kubeconfig."""

    def __init__(self):
        self.cluster = cluster.Cluster(os.environ["SLUICE_CLUSTER"])
        self.kube = self.cluster.kube()
        self.kubeconfig = self.cluster.folder / "operator.kubeconfig"

    def helm(self, *arguments):
        said = subprocess.run(
            [str(binaries.folder() / "helm"), *arguments, "--namespace", SYSTEM, "--kubeconfig",
             str(self.cluster.kubeconfig)],
            check=False, timeout=120, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if said.returncode != 0:
            raise RuntimeError(f"helm {' '.join(arguments)}: {said.stderr}{said.stdout}")

    def install(self):
        self.helm("upgrade", "--install", "sluice", str(ROOT / "helm/sluice"),
                  "--create-namespace")
        wait_for("the resource Queue", lambda: any(
            c["type"] == "Established" and c["status"] == "True"
            for c in self.kube.get(f"{CRDS}/queues.sluice.dev")["status"].get("conditions", [])),
                 30)
        token = self.kube.kubectl("create", "token", "sluice-operator", "-n", SYSTEM,
                                  "--duration=4h").stdout.strip()
        config = json.loads(self.cluster.kubeconfig.read_text(encoding="utf-8"))
        config["users"][0]["user"] = {"token": token}
        self.kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        self.kubeconfig.chmod(0o600)

    def uninstall(self):
        """Undoes install(): release, definition of Queue and namespace."""
        self.helm("uninstall", "sluice", "--ignore-not-found")
        self.kube.delete(f"{CRDS}/queues.sluice.dev")
        self.kube.delete(f"/api/v1/namespaces/{SYSTEM}")

    def follow(self, since, user=USER, writes=False):
        """Of the requests of one user."""
        return audit.Follower(self.cluster.logs / "audit.log", since, user, writes)

    def requests(self, since, writes=False):
        """What the operator has asked, without its Lease."""
        return [r for r in self.follow(since, writes=writes).more() if r.resource != "leases"]


class Operator:
    """One process; its output goes to a file whose end is shown when it fails."""

    def __init__(self, plane, *arguments):
        self.port, = free_ports("127.0.0.1", 1)
        self.log = tempfile.NamedTemporaryFile(prefix="sluice-operator-", suffix=".log")
        self.child = subprocess.Popen(
            [str(BIN / "sluice-operator"), "--kubeconfig", str(plane.kubeconfig),
             "--listen-http", f"127.0.0.1:{self.port}", "--no-leader-elect",
             "--broker-image", "sluice", "--broker-version", "e2e-1", *arguments],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def tail(self, count=3000):
        return pathlib.Path(self.log.name).read_text(encoding="utf-8", errors="replace")[-count:]

    def wait(self, seconds):
        """Its exit code, or None when it still runs then."""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            if self.wait(10) is None:
                self.child.kill()
                self.child.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(f"== sluice-operator\n{self.tail()}", file=sys.stderr)
        self.stop()

    def wait_until_it_answers(self, seconds=30):
        def answers():
            try:
                return self.metrics()
            except urllib.error.URLError:
                return None
        wait_for("the operator", answers, seconds, self.child)

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            return answer.read().decode()

    def total(self, name):
        """Of all series of a metric."""
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.metrics().splitlines()
                   if line.startswith((name + "{", name + " ")))

    def wait_until_idle(self, seconds=60):
        """It has looked at something since its start, and has nothing left to look at."""
        self.wait_until_it_answers()
        wait_for("an idle operator", lambda: self.total("controller_runtime_reconcile_total") and
                 not self.total("controller_runtime_active_workers") and
                 not self.total("workqueue_depth"), seconds, self.child)

    def resident_mib(self, peak=False):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text(encoding="ascii")
        name = "VmHWM" if peak else "VmRSS"
        return int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1024

    def cpu_seconds(self):
        stat = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text(encoding="ascii")
        user, system = stat.rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def wait_quiet(plane, since, seconds=1.0, at_most=60):
    """Returns when the operator has written nothing for so long."""
    deadline = time.monotonic() + at_most
    writes = plane.follow(since, writes=True)
    while time.monotonic() < deadline:
        last = max((r.at for r in writes.more() if r.resource != "leases"), default=since)
        if (audit.now() - last).total_seconds() > seconds:
            return
        time.sleep(0.1)
    raise TimeoutError(f"the operator still writes after {at_most} s")
