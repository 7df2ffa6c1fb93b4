"""What the tests of the CRD share: a server that has it, and a namespace of their own."""

import pathlib
import sys
import time
import unittest

import yaml

from api_server import ApiServer, Refused, queues_path

CRD = pathlib.Path(__file__).resolve().parents[3] / "crds" / "queues.sluice.dev.yaml"
CRDS_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# The namespaces that manifests of the table name.
NAMESPACES = ("shop", "other")
SERVED_WITHIN_S = 30
ASKED_EVERY_S = 0.1


def install_crd(server):
    """Applies it, and waits until the server answers for it."""
    definition = yaml.safe_load(CRD.read_text())
    server.request("PATCH", f"{CRDS_PATH}/{definition['metadata']['name']}", CRD.read_text(),
                   "application/apply-patch+yaml", fieldManager="crd-test", force="true")
    wanted = definition["spec"]["versions"][0]["schema"]
    end = time.monotonic() + SERVED_WITHIN_S
    while time.monotonic() < end:
        try:
            # Also its schema: a changed one is served a moment after it was stored.
            served = server.request("GET", "/openapi/v3/apis/sluice.dev/v1alpha1")
            queue = served["components"]["schemas"]["dev.sluice.v1alpha1.Queue"]
            spec = wanted["openAPIV3Schema"]["properties"]["spec"]
            if queue["properties"]["spec"]["x-kubernetes-validations"] == \
                    spec["x-kubernetes-validations"]:
                server.request("GET", queues_path("default"))
                return
        except (Refused, KeyError):
            pass
        time.sleep(ASKED_EVERY_S)
    raise TimeoutError(f"the API server does not serve Queues after {SERVED_WITHIN_S} s")


class CrdCase(unittest.TestCase):
    kubeconfig = None
    namespace = "crd-test"

    @classmethod
    def setUpClass(cls):
        cls.server = ApiServer(cls.kubeconfig)
        cls.addClassCleanup(cls.server.close)
        for name in (*NAMESPACES, cls.namespace):
            cls.server.make_namespace(name)
        install_crd(cls.server)


def main(runner):
    """The first argument is the kubeconfig; the rest is unittest's."""
    if len(sys.argv) < 2:
        print(sys.modules["__main__"].__doc__, file=sys.stderr)
        return 2
    CrdCase.kubeconfig = sys.argv[1]
    return runner.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
