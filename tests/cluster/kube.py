"""A client for tests: JSON over the API server's own port, and kubectl for what it does better."""

import base64
import http.client
import json
import ssl
import subprocess
import tempfile
import urllib.parse

RAISE = object()


class ApiError(Exception):
    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status = status


class Kube:
    """Blocking; each call is a connection of its own, so that any thread may use it."""

    def __init__(self, kubeconfig, kubectl):
        self.kubeconfig, self._kubectl = kubeconfig, kubectl
        config = json.loads(kubeconfig.read_text(encoding="utf-8"))
        self.server = urllib.parse.urlsplit(config["clusters"][0]["cluster"]["server"])
        authority = config["clusters"][0]["cluster"]["certificate-authority-data"]
        self._tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
        user = config["users"][0]["user"]
        with tempfile.NamedTemporaryFile() as both:
            both.write(base64.b64decode(user["client-certificate-data"]))
            both.write(base64.b64decode(user["client-key-data"]))
            both.flush()
            self._tls.load_cert_chain(both.name)

    def call(self, method, path, body=None, content_type="application/json", seconds=15):
        connection = http.client.HTTPSConnection(self.server.hostname, self.server.port,
                                                 timeout=seconds, context=self._tls)
        try:
            text = json.dumps(body) if body is not None else None
            connection.request(method, path, text, {"Content-Type": content_type})
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            try:
                content = json.loads(content).get("message", content)
            except ValueError:
                pass
            raise ApiError(answer.status, content)
        return json.loads(content) if content.startswith("{") else content

    def get(self, path, missing=RAISE):
        """An object or a list; with `missing`, that instead of an error when there is none."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.status != 404 or missing is RAISE:
                raise
            return missing

    def exists(self, path):
        return self.get(path, missing=None) is not None

    def items(self, path):
        return self.get(path)["items"]

    def merge(self, path, patch):
        return self.call("PATCH", path, patch, "application/merge-patch+json")

    def delete(self, path):
        try:
            return self.call("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def apply(self, *objects):
        """kubectl apply of objects, as a user does it."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.kubectl("apply", "-f", "-", text=text).stdout

    def kubectl(self, *arguments, check=True, seconds=60, text=None):
        said = subprocess.run(
            [str(self._kubectl), f"--kubeconfig={self.kubeconfig}", *map(str, arguments)],
            check=False, timeout=seconds, input=text or "", capture_output=True, text=True)
        if check and said.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(map(str, arguments))}: {said.stderr.strip()}")
        return said
