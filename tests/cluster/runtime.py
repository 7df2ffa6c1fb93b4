"""containerd on the node: what runs its containers and keeps their images."""

import json

from daemons import wait_for

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


class Runtime:
    """The container runtime of a node, as whoever is told the node's namespaces sees it."""

    def __init__(self, inside, folder):
        self.inside, self.folder = inside, folder
        self.socket = folder / "containerd.sock"
        self._config = folder / "containerd.toml"

    def configure(self, pods, pause_image):
        """Once, before the first start; `pods` is the network of the pods."""
        (self.folder / "cni").mkdir()
        (self.folder / "cni" / "10-sluice.conflist").write_text(json.dumps({
            "cniVersion": "0.4.0", "name": "sluice",
            # Point to point: all traffic between pods passes the node's own tables, so that
            # services work without the kernel's module for filtering on a bridge.
            "plugins": [
                {"type": "ptp", "ipMasq": False, "ipam": {
                    "type": "host-local", "ranges": [[{"subnet": str(pods)}]],
                    "routes": [{"dst": "0.0.0.0/0"}]}},
                {"type": "portmap", "capabilities": {"portMappings": True}}]}), encoding="utf-8")
        self._config.write_text(CONTAINERD.format(
            folder=self.folder, socket=self.socket, pause=pause_image,
            snapshotter=self._snapshotter()), encoding="utf-8")

    def _snapshotter(self):
        """Overlays do not work on top of each other, as in a container; copies work everywhere."""
        base = self.folder / "overlay"
        for name in ("lower", "upper", "work", "merged"):
            (base / name).mkdir(parents=True, exist_ok=True)
        tried = self.inside.run(
            "mount", "-t", "overlay", "overlay", "-o",
            f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work", base / "merged",
            check=False)
        if tried.returncode != 0:
            return "native"
        self.inside.run("umount", base / "merged")
        return "overlayfs"

    def start(self):
        """Returns when it answers. A test that has ended it starts it anew; containers go on."""
        process = self.inside.start("containerd", ["containerd", f"--config={self._config}"])
        wait_for("containerd",
                 lambda: self.ctr("version", check=False, seconds=5).returncode == 0, 30, process,
                 self.inside.launcher.log("containerd"))

    def ctr(self, *arguments, check=True, seconds=60):
        return self.inside.run("ctr", f"--address={self.socket}", "--namespace=k8s.io",
                               *arguments, check=check, seconds=seconds)

    def load(self, archive):
        """Takes the images of an archive."""
        loaded = self.ctr("images", "import", archive, check=False, seconds=120)
        if loaded.returncode != 0:
            raise RuntimeError(f"ctr images import {archive}: {loaded.stderr.strip()}")
