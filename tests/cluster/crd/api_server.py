"""A client of a Kubernetes API server in a hundred lines: what the tests of the CRD need.

It sends manifests as they are written (YAML, strict), so that the server judges every byte. The
server is that of the current context of $KUBECONFIG, whose user has a client certificate.
"""

import base64
import http.client
import json
import os
import ssl
import tempfile
import urllib.parse

import yaml

TIMEOUT_S = 30


class Refused(Exception):
    """The server's answer was no; `text` is its message."""

    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


def _file_of(entry, name, folder):
    """The path of a credential that a kubeconfig names, or holds in base64."""
    if name in entry:
        return entry[name]
    handle, path = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as out:
        out.write(base64.b64decode(entry[name + "-data"]))
    return path


class ApiServer:
    def __init__(self, kubeconfig):
        with open(kubeconfig) as file:
            config = yaml.safe_load(file)
        context = self._named(config, "context", config["current-context"])
        cluster = self._named(config, "cluster", context["cluster"])
        user = self._named(config, "user", context["user"])
        with tempfile.TemporaryDirectory() as folder:
            self._tls = ssl.create_default_context(
                cafile=_file_of(cluster, "certificate-authority", folder))
            self._tls.load_cert_chain(_file_of(user, "client-certificate", folder),
                                      _file_of(user, "client-key", folder))
        self._address = urllib.parse.urlsplit(cluster["server"]).netloc
        self._connection = None

    @staticmethod
    def _named(config, kind, name):
        return next(one[kind] for one in config[kind + "s"] if one["name"] == name)

    def close(self):
        if self._connection:
            self._connection.close()

    def request(self, method, path, body=None, content_type="application/json",
                accept="application/json", **query):
        """The answer as an object. Raises Refused."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
            body = body.encode() if isinstance(body, str) else body
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(self._address, timeout=TIMEOUT_S,
                                                           context=self._tls)
        self._connection.request(method, path, body, headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read() or b"{}")
        if response.status >= 300:
            raise Refused(response.status, answer.get("message", ""))
        return answer

    def make_namespace(self, name):
        try:
            self.request("POST", "/api/v1/namespaces",
                         {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        except Refused as refused:
            if refused.status != 409:
                raise


def queues_path(namespace, name=None):
    path = f"/apis/sluice.dev/v1alpha1/namespaces/{namespace}/queues"
    return f"{path}/{name}" if name else path
