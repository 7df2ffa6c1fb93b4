"""etcd, the API server and the controllers: a Kubernetes API without a node."""

import json
import pathlib
import shutil
import socket
import ssl
import urllib.error
import urllib.request

import binaries
from certificates import ADMINS
from daemons import Failed, wait_for

ATTEMPTS = 3  # a port that was free may be taken before it is used

# Who wrote what and when is needed, not what was in it.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def free_ports(address, count):
    """Ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind((address, 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


class ControlPlane:
    """Listens on `address`. With a node, that is one which the node can reach."""

    def __init__(self, launcher, authority, folder, network, address):
        self.launcher, self.authority, self.folder = launcher, authority, folder
        self.network, self.address = network, address
        self.server = None
        self.servers = []
        self.binaries = pathlib.Path(binaries.folder())

    def start(self, scheduler):
        self._sign()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._start_servers()
                break
            except Failed as failure:
                taken = "address already in use" in str(failure)
                if not taken or attempt == ATTEMPTS:
                    raise
                binaries.say("a port was taken meanwhile; trying others")
                self._end_servers()
        for name in ("admin", "controller-manager", "scheduler"):
            self.authority.kubeconfig(name, self.server)
        self._start_controllers()
        if scheduler:
            self._start_scheduler()

    def _end_servers(self):
        for process in self.servers:
            process.kill()
            process.wait()
        self.servers.clear()
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)

    def _sign(self):
        service = self.network.first_service
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc",
                 "kubernetes.default.svc.cluster.local", "localhost"]
        addresses = ["127.0.0.1", self.address, service]
        self.authority.sign("apiserver", "kube-apiserver", addresses=(
            [f"DNS:{n}" for n in names] + [f"IP:{a}" for a in dict.fromkeys(addresses)]))
        self.authority.sign("admin", "sluice-test-admin", ADMINS)
        self.authority.sign("controller-manager", "system:kube-controller-manager")
        self.authority.sign("scheduler", "system:kube-scheduler")

    def _start_servers(self):
        etcd_port, peer_port, port = free_ports(self.address, 3)
        self.server = f"https://{self.address}:{port}"
        etcd = f"http://{self.address}:{etcd_port}"
        peer = f"http://{self.address}:{peer_port}"
        launcher = self.launcher
        etcd_process = launcher.start("etcd", [
            "etcd", "--name=sluice", f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=sluice={peer}", "--unsafe-no-fsync", "--logger=zap",
            "--log-level=warn"])
        self.servers.append(etcd_process)
        policy = self.folder / "audit-policy.json"
        policy.write_text(json.dumps(AUDIT_POLICY), encoding="utf-8")
        sign = self.authority
        process = launcher.start("kube-apiserver", [
            self.binaries / "kube-apiserver", f"--etcd-servers={etcd}",
            f"--bind-address={self.address}", f"--secure-port={port}",
            # A loopback address may not be advertised; without a node nobody needs one.
            *([f"--advertise-address={self.address}"] if self.address != "127.0.0.1" else
              ["--advertise-address=192.0.2.1", "--endpoint-reconciler-type=none"]),
            f"--tls-cert-file={sign.certificate('apiserver')}",
            f"--tls-private-key-file={sign.key('apiserver')}",
            f"--client-ca-file={sign.certificate('ca')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={sign.key('service-accounts')}",
            f"--service-account-signing-key-file={sign.key('service-accounts')}",
            f"--service-cluster-ip-range={self.network.services}",
            "--authorization-mode=Node,RBAC", "--allow-privileged=true", "--profiling=false",
            f"--kubelet-client-certificate={sign.certificate('admin')}",
            f"--kubelet-client-key={sign.key('admin')}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--audit-policy-file={policy}", "--audit-log-mode=blocking",
            "--audit-log-maxsize=8192",  # in MiB: it is counted, so none of it may go
            f"--audit-log-path={self.launcher.logs / 'audit.log'}"])
        self.servers.append(process)
        wait_for("etcd", lambda: self._answers(f"{etcd}/health"), 30, etcd_process,
                 launcher.log("etcd"))
        wait_for("kube-apiserver", lambda: self._answers(f"{self.server}/readyz"), 90, process,
                 launcher.log("kube-apiserver"))

    def _answers(self, url):
        context = None
        if url.startswith("https"):
            context = ssl.create_default_context(cafile=self.authority.certificate("ca"))
            context.load_cert_chain(self.authority.certificate("admin"),
                                    self.authority.key("admin"))
        try:
            with urllib.request.urlopen(url, timeout=2, context=context) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def _start_controllers(self):
        kubeconfig = self.authority.folder / "controller-manager.kubeconfig"
        self.launcher.start("kube-controller-manager", [
            self.binaries / "kube-controller-manager", f"--kubeconfig={kubeconfig}",
            "--secure-port=0", "--leader-elect=false", "--use-service-account-credentials",
            f"--service-account-private-key-file={self.authority.key('service-accounts')}",
            f"--root-ca-file={self.authority.certificate('ca')}", "--profiling=false",
            "--kube-api-qps=200", "--kube-api-burst=400"])

    def _start_scheduler(self):
        kubeconfig = self.authority.folder / "scheduler.kubeconfig"
        self.launcher.start("kube-scheduler", [
            self.binaries / "kube-scheduler", f"--kubeconfig={kubeconfig}", "--secure-port=0",
            "--leader-elect=false", "--profiling=false"])
