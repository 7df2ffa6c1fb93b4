"""kubectl sluice: a real broker with keys, an API server and a kubectl that play their part."""

import base64
import http.server
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import unittest
import urllib.parse

import harness

TOKEN = "the-token-of-the-kubeconfig"
COLLECTIONS = {"queues", "statefulsets", "pods", "services", "configmaps", "secrets", "events",
               "poddisruptionbudgets", "networkpolicies", "serviceaccounts",
               "persistentvolumeclaims"}
# In kubectl's place: forwardings that are there already, and notes of how it was called.
KUBECTL = """#!/bin/sh
echo "$$ $@" >> {folder}/kubectl.calls
for word; do
  case $word in
{cases}
  esac
done
[ -n "$port" ] || {{ echo "Error from server (NotFound): no such pod" >&2; exit 1; }}
echo "Forwarding from 127.0.0.1:$port -> 7650"
exec sleep 600
"""
ROLES = "produce,consume,inspect,admin"


class ApiServer:
    """Answers GET from a table of paths; what is not there is a Status 404."""

    def __init__(self):
        answers, asked = self.answers, self.asked = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = urllib.parse.urlsplit(self.path).path
                asked.append((path, self.headers.get("Authorization")))
                answer = answers.get(path)
                if answer is None and path.rsplit("/", 1)[-1] in COLLECTIONS:
                    answer = {"kind": "List", "metadata": {}, "items": []}
                status = 200 if answer is not None else 404
                if answer is None:
                    answer = {"kind": "Status", "status": "Failure", "reason": "NotFound",
                              "message": f"{path} not found", "code": 404}
                body = answer if isinstance(answer, str) else json.dumps(answer)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def secret_of(broker, client_keys):
    """As an operator leaves it; its endpoint leads nowhere from outside."""
    data = {"endpoint": f"tcp://{broker}.shop.svc:7650",
            **{name: read(f"{client_keys}/{name}") for name in ("client.key", "broker.pub")}}
    return {"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": f"{broker}-admin", "namespace": "shop",
                         "labels": {"sluice.dev/broker": broker}},
            "data": {key: base64.b64encode(value.encode()).decode()
                     for key, value in data.items()}}


class PluginCase(unittest.TestCase):
    """An API server, a kubectl, and the keys of a broker that the test has yet to start."""

    longMessage = True

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="sluice-plugin-")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.broker_keys, cls.client_keys = f"{cls.folder}/broker", f"{cls.folder}/client"
        subprocess.run([harness.program(), "keys", "generate", "--broker", cls.broker_keys,
                        "--client", cls.client_keys, "--id", "admin", "--role", ROLES],
                       check=True, capture_output=True)
        cls.api = ApiServer()
        cls.addClassCleanup(cls.api.stop)

    @classmethod
    def write_programs(cls, endpoints):
        """`endpoints`: where forwarding to an object such as service/orders leads."""
        cases = "\n".join(f"  {name}) port={endpoint.rsplit(':', 1)[1]} ;;"
                          for name, endpoint in endpoints.items())
        kubectl = pathlib.Path(cls.folder, "kubectl")
        kubectl.write_text(KUBECTL.format(folder=cls.folder, cases=cases), encoding="utf-8")
        kubectl.chmod(0o700)
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "here",
                  "clusters": [{"name": "c", "cluster": {"server": cls.api.url}}],
                  "users": [{"name": "u", "user": {"token": TOKEN}}],
                  "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u",
                                                            "namespace": "shop"}}]}
        cls.kubeconfig = f"{cls.folder}/kubeconfig"
        pathlib.Path(cls.kubeconfig).write_text(json.dumps(config), encoding="utf-8")

    def environment(self):
        kept = {key: value for key, value in os.environ.items()
                if not key.startswith(("SLUICE_", "KUBERNETES_"))}
        return {**kept, "KUBECONFIG": self.kubeconfig,
                "PATH": f"{self.folder}:{os.environ['PATH']}"}

    def start(self, *arguments, program="kubectl-sluice", **options):
        return subprocess.Popen([harness.program(program), *arguments], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment(), **options)

    def sluice(self, *arguments, program="kubectl-sluice", expect=0, **options):
        with self.start(*arguments, program=program, **options) as process:
            out, error = process.communicate(timeout=harness.SECONDS_MAX)
        self.assertEqual(process.returncode, expect, f"{arguments}\n{out}\n{error}")
        return out if expect == 0 else error

    def calls(self):
        """(process, command line) of each kubectl that was run."""
        path = pathlib.Path(self.folder, "kubectl.calls")
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [(int(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in lines]

    def assert_nothing_runs(self):
        for process, _ in self.calls():
            self.assertFalse(pathlib.Path(f"/proc/{process}").exists(), f"kubectl {process} runs")


class Plugin(PluginCase):
    """Tests share a broker `orders` in namespace shop; each publishes what it needs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.broker = harness.Broker(cls.folder, [harness.queue("orders")])
        cls.broker.arguments += ["--keys", cls.broker_keys]
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)
        cls.secret_key = read(f"{cls.client_keys}/client.key").strip()
        cls.fill()
        cls.write_programs({"service/orders": cls.broker.endpoint})

    @classmethod
    def fill(cls):
        """What an operator leaves in a cluster."""
        queue = {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                 "metadata": {"name": "orders", "namespace": "shop", "uid": "u"},
                 "spec": {"consumers": {"scaleTargetRef": {"kind": "Deployment", "name": "worker"},
                                        "minReplicas": 0, "maxReplicas": 5}},
                 "status": {"messages": {"ready": 12},
                            "subscriptions": [{"name": "default", "consumers": {
                                "current": 1, "desired": 5, "reason": "BacklogPerReplica",
                                "message": "ready 500; 0 to 5 allowed"}}],
                            "conditions": [{"type": "Ready", "status": "True", "reason": "Ready"}]}}
        secret = secret_of("orders", cls.client_keys)
        pod = {"metadata": {"name": "orders-0", "namespace": "shop"},
               "spec": {"containers": [{"name": "broker"}]}}
        core, queues = "/api/v1/namespaces/shop", "/apis/sluice.dev/v1alpha1/namespaces/shop/queues"
        cls.api.answers.update({
            queues: {"kind": "QueueList", "metadata": {}, "items": [queue]},
            f"{queues}/orders": queue,
            f"{core}/secrets": {"kind": "SecretList", "metadata": {}, "items": [secret]},
            f"{core}/secrets/orders-admin": secret,
            f"{core}/pods": {"kind": "PodList", "metadata": {}, "items": [pod]},
            f"{core}/pods/orders-0/log": f'{{"event":"started","key":"{cls.secret_key}"}}\n',
            f"{core}/pods/orders-0:7652/proxy/metrics": "sluice_queues 1\n",
        })

    def test_messages_go_to_and_fro(self):
        self.sluice("pub", "orders", "--body", "hello")
        self.assertEqual(self.sluice("peek", "orders", "--json").count('"hello"'), 1)
        self.assertIn("orders", self.sluice("stat", "orders"))
        self.assertIn("orders", self.sluice("stat"))
        self.assertEqual(self.sluice("sub", "orders", "--max", "1", "--settle", "reject"),
                         "hello\n")
        self.assertIn("redrove 1", self.sluice("redrive", "orders"))
        self.assertEqual(self.sluice("sub", "orders", "--max", "1"), "hello\n")
        self.assertIn("--namespace=shop port-forward --address=127.0.0.1 service/orders :7650",
                      self.calls()[0][1])
        self.assertEqual({token for _, token in self.api.asked}, {f"Bearer {TOKEN}"})
        self.assert_nothing_runs()

    def test_the_same_program_with_a_namespace(self):
        out = self.sluice("--namespace", "shop", "stat", "orders", "--json", program="sluice")
        self.assertEqual(json.loads(out)["name"], "orders")
        error = self.sluice("-n", "elsewhere", "stat", "orders", program="sluice", expect=1)
        self.assertIn("there is no Queue orders in namespace elsewhere", error)

    def test_an_endpoint_wins(self):
        before = self.calls()
        error = self.sluice("--endpoint", self.broker.endpoint, "stat", "orders", expect=77)
        self.assertIn("lets in only who has a key", error)
        self.assertEqual(self.calls(), before)

    def test_list_and_describe(self):
        self.assertRegex(self.sluice("list"), r"QUEUE +READY .*\norders +True +12 ")
        self.assertEqual(json.loads(self.sluice("list", "--json"))[0]["metadata"]["name"],
                         "orders")
        self.assertIn("queue       orders\n", self.sluice("describe", "orders"))
        self.assertEqual(json.loads(self.sluice("describe", "orders", "--json"))["events"], [])
        self.assertIn("there are orders", self.sluice("describe", "order", expect=1))

    def test_explain_says_why(self):
        out = self.sluice("explain", "orders")
        self.assertIn("BacklogPerReplica", out)
        self.assertIn("ready 500; 0 to 5 allowed", out)

    def test_a_consumer_that_is_stopped_leaves_no_kubectl(self):
        process = self.start("sub", "orders")
        before = len(self.calls())
        harness.wait_until(lambda: len(self.calls()) > before, "kubectl is called")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=harness.SECONDS_MAX)
        harness.wait_until(lambda: not pathlib.Path(f"/proc/{self.calls()[-1][0]}").exists(),
                           "kubectl has ended")

    def test_nor_does_one_that_is_killed(self):
        process = self.start("sub", "orders")
        before = len(self.calls())
        harness.wait_until(lambda: len(self.calls()) > before, "kubectl is called")
        process.kill()
        process.communicate(timeout=harness.SECONDS_MAX)
        harness.wait_until(lambda: not pathlib.Path(f"/proc/{self.calls()[-1][0]}").exists(),
                           "kubectl has ended")

    def test_a_support_bundle_has_everything_but_secrets(self):
        path = f"{self.folder}/bundle.tar.gz"
        self.assertEqual(self.sluice("support-bundle", "--out", path), path + "\n")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        packed = pathlib.Path(path).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            files = {one.name: archive.extractfile(one).read().decode()
                     for one in archive.getmembers()}
        for name in ("queues/orders.json", "brokers/orders/secrets.json", "events.json",
                     "brokers/orders/orders-0.broker.log", "brokers/orders/orders-0.metrics.txt",
                     "brokers/orders/statistics.json"):
            self.assertIn(name, files)
        encoded = base64.b64encode(self.secret_key.encode()).decode()
        for name, text in files.items():
            self.assertNotIn(self.secret_key, text, name)
            self.assertNotIn(encoded, text, name)
            self.assertNotIn(TOKEN, text, name)
        self.assertIn('"key":"(removed)"', files["brokers/orders/orders-0.broker.log"])
        self.assertIn("exists", self.sluice("support-bundle", "--out", path, expect=1))

    def test_without_a_kubeconfig_it_says_which_file(self):
        error = self.sluice("--kubeconfig", f"{self.folder}/none", "list", expect=1)
        self.assertIn(f"{self.folder}/none", error)

    def test_completion_for_kubectl(self):
        script = f"{self.folder}/kubectl_complete-sluice"
        pathlib.Path(script).write_text(self.sluice("completion", "kubectl"), encoding="utf-8")
        environment = {**self.environment(),
                       "PATH": f"{harness.BIN}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", script, "support-"], text=True, capture_output=True,
                              env=environment, check=True)
        self.assertEqual(done.stdout, "support-bundle\n:0\n")


if __name__ == "__main__":
    harness.main()
