"""A whole cluster in one folder: brought up, found again by that folder, and taken down."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import binaries
import namespaces
import network
import daemons
import skip
from certificates import Authority
from control_plane import ControlPlane
from kube import Kube
from node import NODE, Node
from runtime import Runtime

STATE = "cluster.json"
STORAGE_CLASS = {
    "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
    "metadata": {"name": "standard",
                 "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
    "provisioner": "sluice.dev/folder", "reclaimPolicy": "Delete", "allowVolumeExpansion": True,
    "volumeBindingMode": "WaitForFirstConsumer",
}


def default_folder(name):
    return pathlib.Path(tempfile.gettempdir()) / f"sluice-cluster-{name}"


class Cluster:
    """What runs below `folder`. Nothing is started or read before a method is called."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder).resolve()
        self.logs = self.folder / "logs"
        self.kubeconfig = self.folder / "keys" / "admin.kubeconfig"

    # Bringing up.

    def up(self, name, control_plane_only=False, owner=None):
        """Returns when the API answers and, with a node, pods can run. Cleans up when it fails,
        and when the process `owner` has ended."""
        check(name, self.folder, node=not control_plane_only)
        if (self.folder / STATE).exists():
            if self.running():
                raise SystemExit(f"{self.folder}: a cluster runs there already")
            binaries.say("cleaning up what an earlier cluster has left")
            self.down()
        binaries.folder()  # what takes minutes comes before anything runs
        begin = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # containers of any user pass through to their volumes
        self._remember(name=name, cgroup=f"sluice-{name}-{os.getpid()}")
        if owner:
            watch(self.folder, owner)
        try:
            self._start(control_plane_only)
        except BaseException as error:
            if not isinstance(error, KeyboardInterrupt):
                print(self.diagnosis(), file=sys.stderr)
            self.down()
            raise
        self._remember(ready=True)
        binaries.say(f"{'control plane' if control_plane_only else 'cluster'} {name} is up after "
                     f"{time.monotonic() - begin:.1f} s in {self.folder}")

    def _start(self, control_plane_only):
        launcher = daemons.Launcher(self.folder, self.logs)
        if control_plane_only:
            net, address = network.without_node(), "127.0.0.1"
        else:
            namespaces.make_cgroup(self.state()["cgroup"])
            inside = namespaces.Inside.made(launcher, binaries.folder() / binaries.PAUSE)
            net = network.connected(inside.pid)
            address = net.host
            self._remember(cable=net.cable, node_pid=inside.pid)
        authority = Authority(self.folder / "keys")
        plane = ControlPlane(launcher, authority, self.folder, net, address)
        plane.start(scheduler=not control_plane_only)
        kube = self.kube()
        daemons.wait_for("namespace default", lambda: kube.exists(
            "/api/v1/namespaces/default/serviceaccounts/default"), 60)
        if control_plane_only:
            return
        kube.apply(STORAGE_CLASS)
        Node(inside, plane, net, self.state()["cgroup"]).start()
        daemons.wait_for("node", lambda: self.node_ready(kube), 90, log=launcher.log("kubelet"))

    @staticmethod
    def node_ready(kube):
        found = kube.get(f"/api/v1/nodes/{NODE}", missing=None)
        conditions = found["status"].get("conditions", []) if found else []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    # What is known of it.

    def state(self):
        return json.loads((self.folder / STATE).read_text(encoding="utf-8"))

    def _remember(self, **facts):
        path = self.folder / STATE
        known = self.state() if path.exists() else {}
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(known | facts, indent=1), encoding="utf-8")
        partial.replace(path)

    def running(self):
        return (self.folder / STATE).exists() and self.state().get("ready", False) and \
            bool(daemons.marked(self.folder))

    def kube(self):
        return Kube(self.kubeconfig, binaries.folder() / "kubectl")

    def runtime(self):
        """The container runtime of its node, also of a cluster that another process brought up."""
        state = self.state()
        if "node_pid" not in state:
            raise SystemExit(f"{self.folder}: this cluster has a control plane only")
        launcher = daemons.Launcher(self.folder, self.logs)
        return Runtime(namespaces.Inside(launcher, state["node_pid"]), self.folder)

    # Taking down.

    def down(self, keep_logs=None):
        """Ends and removes everything; true when nothing is left. May be called at any time."""
        state = self.state() if (self.folder / STATE).exists() else {}
        ended = daemons.end_marked(self.folder)
        if "cable" in state:
            network.run("ip", "link", "delete", state["cable"], check=False)
        clean = True
        if "cgroup" in state:
            clean = namespaces.remove_cgroup(state["cgroup"])
        if keep_logs and self.logs.exists():
            shutil.copytree(self.logs, keep_logs, dirs_exist_ok=True)
        # A folder that is none of ours is not removed, whatever the caller says.
        gone = namespaces.remove_folder(self.folder) if state else True
        for what, good in (("processes", ended), ("control groups", clean), ("files", gone)):
            if not good:
                binaries.say(f"{what} of {self.folder} could not be removed")
        return ended and clean and gone

    def diagnosis(self, lines=25):
        """What a reader of a failed test wants to see: pods, events, and the ends of the logs."""
        parts = []
        if self.kubeconfig.exists():
            kube = self.kube()
            for command in (["get", "queues,statefulsets,pods,pvc,pv,nodes", "-A", "-o", "wide"],
                            ["get", "pods,statefulsets", "-A", "-o", "wide"],
                            ["get", "events", "-A", "--sort-by=.lastTimestamp"]):
                parts.append(f"== kubectl {' '.join(command)}")
                said = kube.kubectl(*command, check=False, seconds=20)
                parts.extend((said.stdout + said.stderr).splitlines()[-60:])
        for log in sorted(self.logs.glob("*.log")):
            if log.name != "audit.log":
                parts += [f"== {log.name}", daemons.tail(log, lines)]
        for log in sorted((self.folder / "pod-logs").glob("*/*/*.log")):
            parts += [f"== {log.parent.parent.name} {log.parent.name}", daemons.tail(log, lines)]
        return "\n".join(parts)


def watch(folder, owner):
    """Starts what takes a cluster down when its owner has ended."""
    subprocess.Popen([sys.executable, "-B", pathlib.Path(__file__).with_name("watchdog.py"),
                      folder, str(owner)],
                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                     stderr=subprocess.DEVNULL, start_new_session=True, cwd="/")


def check(name, folder, node):
    skip.require_root()
    skip.require_tools(node)
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise SystemExit(f"{name!r} is no name for a cluster: letters, digits and hyphens")
    if len(str(folder)) > 70:  # names of sockets below it are bounded by the kernel
        raise SystemExit(f"{folder}: choose a shorter folder")
    if folder.exists() and any(folder.iterdir()) and not (folder / STATE).exists():
        raise SystemExit(f"{folder}: is not empty, and no folder of a cluster")
