"""The one node: containerd, kubelet, kube-proxy, CoreDNS and volumes, in its own namespaces."""

import json

import image
from certificates import ADMINS
from processes import wait_for

NODE = "node"
PAUSE_IMAGE = "localhost/pause:1"
CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
                    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper",
                    "io.containerd.internal.v1.opt"]
[grpc]
address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true  # lowering it is not allowed everywhere, and no pod would start
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{folder}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "{snapshotter}"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""
COREFILE = """
.:53 {{
  bind {address}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    ttl 5
  }}
  cache 5
}}
"""


class Node:
    """Started after the control plane; its folder, socket and control group are the cluster's."""

    def __init__(self, namespaces, control_plane, network, cgroup):
        self.inside, self.plane, self.network = namespaces, control_plane, network
        self.folder = control_plane.folder
        self.binaries = control_plane.binaries
        self.cgroup = cgroup
        self.socket = self.folder / "containerd.sock"

    def start(self):
        self.inside.hide()
        authority = self.plane.authority
        for name, common_name, organization in (
                ("kubelet", f"system:node:{NODE}", "system:nodes"),
                ("kube-proxy", "system:kube-proxy", ""),
                ("coredns", "coredns", ADMINS), ("provisioner", "provisioner", ADMINS)):
            authority.sign(name, common_name, organization)
            authority.kubeconfig(name, self.plane.server)
        self._start_containerd()
        image.load(self, image.archive(self.folder / "pause.tar", PAUSE_IMAGE,
                                       {"pause": self.binaries / "pause"}, ["/pause"]))
        self._start_kubelet()
        self._start_others()

    def kubeconfig(self, name):
        return self.plane.authority.folder / f"{name}.kubeconfig"

    def ctr(self, *arguments, check=True, seconds=60):
        return self.inside.run("ctr", f"--address={self.socket}", "--namespace=k8s.io",
                               *arguments, check=check, seconds=seconds)

    def _snapshotter(self):
        """Overlays do not work on top of each other, as in a container; copies work everywhere."""
        for name in ("lower", "upper", "work", "merged"):
            (self.folder / "overlay" / name).mkdir(parents=True, exist_ok=True)
        base = self.folder / "overlay"
        tried = self.inside.run(
            "mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work", base / "merged",
            check=False)
        if tried.returncode != 0:
            return "native"
        self.inside.run("umount", base / "merged")
        return "overlayfs"

    def _start_containerd(self):
        (self.folder / "cni").mkdir()
        (self.folder / "cni" / "10-sluice.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "sluice",
            # Point to point: all traffic between pods passes the node's own tables, so that
            # services work without the kernel's module for filtering on a bridge.
            "plugins": [
                {"type": "ptp", "ipMasq": False, "ipam": {
                    "type": "host-local", "ranges": [[{"subnet": str(self.network.pods)}]],
                    "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": True}}]}), encoding="utf-8")
        (self.folder / "containerd.toml").write_text(CONTAINERD.format(
            folder=self.folder, socket=self.socket, pause=PAUSE_IMAGE,
            snapshotter=self._snapshotter()), encoding="utf-8")
        self.start_containerd()

    def start_containerd(self):
        """Also called by tests that have ended it."""
        process = self.inside.start("containerd", [
            "containerd", f"--config={self.folder / 'containerd.toml'}"])
        wait_for("containerd",
                 lambda: self.ctr("version", check=False, seconds=5).returncode == 0, 30, process,
                 self.inside.launcher.log("containerd"))
        return process

    def _start_kubelet(self):
        (self.folder / "resolv.conf").write_text("", encoding="utf-8")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.cgroup}", "failCgroupV1": False,
            "failSwapOn": False, "enforceNodeAllocatable": [], "oomScoreAdj": 0,
            "containerRuntimeEndpoint": f"unix://{self.socket}",
            "localStorageCapacityIsolation": False, "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "10Mi", "nodefs.available": "0%",
                             "imagefs.available": "0%", "nodefs.inodesFree": "0%"},
            "authentication": {
                "x509": {"clientCAFile": self.plane.authority.certificate("ca")},
                "webhook": {"enabled": True}, "anonymous": {"enabled": False}},
            "authorization": {"mode": "Webhook"},
            "clusterDNS": [self.network.node], "clusterDomain": "cluster.local",
            "resolvConf": str(self.folder / "resolv.conf"), "maxPods": 250,
            "syncFrequency": "10s", "registryPullQPS": 0,
            "podLogsDir": str(self.folder / "pod-logs"),
        }
        (self.folder / "kubelet.json").write_text(json.dumps(config), encoding="utf-8")
        self.inside.start("kubelet", [
            self.binaries / "kubelet", f"--config={self.folder / 'kubelet.json'}",
            f"--kubeconfig={self.kubeconfig('kubelet')}", f"--hostname-override={NODE}",
            f"--root-dir={self.folder / 'kubelet'}", f"--node-ip={self.network.node}"])

    def _start_others(self):
        self.inside.start("kube-proxy", [
            self.binaries / "kube-proxy", f"--kubeconfig={self.kubeconfig('kube-proxy')}",
            "--proxy-mode=iptables", f"--cluster-cidr={self.network.pods}",
            f"--hostname-override={NODE}", "--conntrack-max-per-core=0", "--conntrack-min=0",
            "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s",
            "--oom-score-adj=0", "--iptables-min-sync-period=100ms"])
        corefile = self.folder / "Corefile"
        corefile.write_text(COREFILE.format(address=self.network.node,
                                            kubeconfig=self.kubeconfig("coredns")),
                            encoding="utf-8")
        self.inside.start("coredns", [self.binaries / "coredns", "-conf", corefile])
        volumes = self.folder / "volumes"
        volumes.mkdir()
        self.inside.start("provisioner", [
            self.binaries / "provisioner", f"--kubeconfig={self.kubeconfig('provisioner')}",
            f"--root={volumes}"])
