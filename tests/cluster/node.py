"""The one node: containerd, kubelet, kube-proxy, CoreDNS and volumes, in its own namespaces."""

import json

import image
from certificates import ADMINS
from runtime import Runtime

NODE = "node"
PAUSE_IMAGE = "localhost/pause:1"
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

    def __init__(self, inside, control_plane, network, cgroup):
        self.inside, self.plane, self.network = inside, control_plane, network
        self.folder = control_plane.folder
        self.binaries = control_plane.binaries
        self.cgroup = cgroup
        self.runtime = Runtime(inside, self.folder)

    def start(self):
        self.inside.hide(self.folder)
        authority = self.plane.authority
        for name, common_name, organization in (
                ("kubelet", f"system:node:{NODE}", "system:nodes"),
                ("kube-proxy", "system:kube-proxy", ""),
                ("coredns", "coredns", ADMINS), ("provisioner", "provisioner", ADMINS)):
            authority.sign(name, common_name, organization)
            authority.kubeconfig(name, self.plane.server)
        self.runtime.configure(self.network.pods, PAUSE_IMAGE)
        self.runtime.start()
        self.runtime.load(image.archive(self.folder / "pause.tar", PAUSE_IMAGE,
                                        {"pause": self.binaries / "pause"}, ["/pause"]))
        self._start_kubelet()
        self._start_others()

    def kubeconfig(self, name):
        return self.plane.authority.folder / f"{name}.kubeconfig"

    def _start_kubelet(self):
        (self.folder / "resolv.conf").write_text("", encoding="utf-8")
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{self.cgroup}", "failCgroupV1": False,
            "failSwapOn": False, "enforceNodeAllocatable": [], "oomScoreAdj": 0,
            "containerRuntimeEndpoint": f"unix://{self.runtime.socket}",
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
