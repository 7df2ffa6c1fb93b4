"""One certificate authority a cluster, what it signs, and the kubeconfig files made of that."""

import base64
import json
import os
import subprocess

DAYS = "30"
ADMINS = "system:masters"


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=30)


class Authority:
    """Keys and certificates in one folder: NAME.key and NAME.crt."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-days", DAYS, "-subj", "/CN=sluice-test-ca", "-keyout", self.key("ca"),
                "-out", self.certificate("ca"))
        # Tokens of service accounts are signed with a key of their own.
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout",
                "-out", self.key("service-accounts"))

    def key(self, name):
        return str(self.folder / f"{name}.key")

    def certificate(self, name):
        return str(self.folder / f"{name}.crt")

    def sign(self, name, common_name, organization="", addresses=()):
        """Makes NAME.key and NAME.crt: for a client, or with addresses for a server."""
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        request = str(self.folder / f"{name}.csr")
        extensions = self.folder / f"{name}.extensions"
        lines = ["extendedKeyUsage=serverAuth,clientAuth"]
        if addresses:
            lines.append("subjectAltName=" + ",".join(addresses))
        extensions.write_text("\n".join(lines), encoding="utf-8")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", subject, "-keyout", self.key(name), "-out", request)
        # OpenSSL draws the serial number: two certificates of one authority never share one.
        openssl("x509", "-req", "-in", request, "-CA", self.certificate("ca"),
                "-CAkey", self.key("ca"), "-days", DAYS, "-extfile", str(extensions),
                "-set_serial", str(int.from_bytes(self._random(), "big")),
                "-out", self.certificate(name))

    @staticmethod
    def _random():
        return b"\x01" + os.urandom(8)

    def kubeconfig(self, name, server):
        """A kubeconfig file for the client NAME, with everything inside it. JSON is YAML."""
        def inline(path):
            with open(path, "rb") as file:
                return base64.b64encode(file.read()).decode()

        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "sluice-test",
            "clusters": [{"name": "sluice-test", "cluster": {
                "server": server,
                "certificate-authority-data": inline(self.certificate("ca"))}}],
            "users": [{"name": name, "user": {
                "client-certificate-data": inline(self.certificate(name)),
                "client-key-data": inline(self.key(name))}}],
            "contexts": [{"name": "sluice-test",
                          "context": {"cluster": "sluice-test", "user": name}}],
        }
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(config, indent=1), encoding="utf-8")
        path.chmod(0o600)
        return path
