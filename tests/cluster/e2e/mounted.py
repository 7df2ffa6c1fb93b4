"""Clients as they run in a pod: names are looked up in the cluster's DNS, and the folder of keys is
that of the Secret, swapped as a whole when the Secret changes."""

import base64
import os
import pathlib
import shutil
import tempfile
import threading

from stage import BIN, Access

# The command sees another /etc/resolv.conf than this machine does.
WITH_DNS = ("unshare", "--mount", "--propagation", "private", "--", "sh", "-c",
            'mount --bind "$0" /etc/resolv.conf && exec "$@"')
SECONDS = 1.0  # between two looks at the Secret


def address_of_node(kube):
    node, = kube.items("/api/v1/nodes")
    return next(one["address"] for one in node["status"]["addresses"]
                if one["type"] == "InternalIP")


class MountedAccess(Access):
    """Follows the Secret until it is closed; `frozen` keeps what it had when it was made."""

    def __init__(self, kube, namespace, broker, queue, kind="access", frozen=False):
        self.kube, self.queue, self.children = kube, queue, []
        self.secret = f"/api/v1/namespaces/{namespace}/secrets/{broker}-{kind}"
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="sluice-e2e-"))
        self.folder = self.root / "keys"
        self.resolv = self.root / "resolv.conf"
        self.resolv.write_text(
            f"nameserver {address_of_node(kube)}\n"
            f"search {namespace}.svc.cluster.local svc.cluster.local cluster.local\n"
            "options ndots:5\n", encoding="utf-8")
        self._version = None
        self._look()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        if not frozen:
            self._thread.start()

    def _look(self):
        secret = self.kube.get(self.secret)
        version = secret["metadata"]["resourceVersion"]
        if version == self._version:
            return
        self._version = version
        made = self.root / f"data-{version}"
        made.mkdir()
        for name, value in secret["data"].items():
            with open(made / name, "wb", opener=lambda p, f: os.open(p, f, 0o600)) as out:
                out.write(base64.b64decode(value))
        link = self.root / "next"
        link.symlink_to(made.name)
        link.replace(self.folder)

    def _follow(self):
        while not self._over.wait(SECONDS):
            try:
                self._look()
            except OSError:
                pass  # the API server is busy: again in a moment

    @property
    def endpoint(self):
        return (self.folder / "endpoint").read_text(encoding="ascii").strip()

    def command(self, *arguments):
        return [*WITH_DNS, str(self.resolv), str(BIN / "sluice"), "--keys", str(self.folder),
                *arguments]

    def close(self):
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        super().close()
        shutil.rmtree(self.root, ignore_errors=True)

