"""Keys: who is let in, what for, and what the others are told."""

import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import urllib.error
import urllib.request

import broker_test
from broker_test import harness


class Access(broker_test.BrokerTest):
    def setUp(self):
        self.guarded = self.world()
        self.folder = pathlib.Path(self.guarded.data).parent / "keys"
        self.folder.mkdir()

    def sluice(self, *arguments, **options):
        return subprocess.run([broker_test.program("sluice"), *arguments], capture_output=True,
                              text=True, timeout=broker_test.SECONDS_MAX, check=False, **options)

    def make_key(self, name, roles, queues="*"):
        done = self.sluice("keys", "generate", "--broker", str(self.folder / "broker"),
                           "--client", str(self.folder / name), "--id", name,
                           "--role", roles, "--queues", queues, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def start(self, http=""):
        child = subprocess.Popen(
            [broker_test.program("sluice-sidecar"), "broker", "--data", self.guarded.data,
             "--listen", "tcp://127.0.0.1:0", "--control", "tcp://127.0.0.1:0", "--http", http,
             "--keys", str(self.folder / "broker"), "-f", self.guarded.manifest,
             "--rotate-quiet", "200ms", "--log-format", "json"],
            stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.stderr.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.ready = self.wait_for_event(child, "ready")
        self.endpoint = self.ready["endpoint"]
        return child

    def metric(self, name):
        """Of the series with these labels, as Prometheus sees it; at most a second old."""
        with urllib.request.urlopen(f"{self.ready['http']}/metrics", timeout=20) as answer:
            lines = answer.read().decode().splitlines()
        found = [line.rsplit(" ", 1)[1] for line in lines if line.startswith(f"{name} ")]
        return float(found[0]) if found else 0

    def wait_for_metric(self, name, at_least):
        harness.wait_until(lambda: self.metric(name) >= at_least, f"{name} >= {at_least}")

    def wait_for_event(self, child, name):
        for line in child.stderr:
            event = json.loads(line)
            if event["event"] == name:
                return event
        self.fail(f"the broker ended without {name}")

    def ask(self, name, *arguments, **options):
        keys = ["--keys", str(self.folder / name)] if name else []
        return self.sluice("--endpoint", self.endpoint, *keys, "--timeout", "5", *arguments,
                           **options)

    def test_each_key_does_what_its_roles_say(self):
        queue = self.guarded.queue
        self.make_key("worker", "produce,consume", queue)
        self.make_key("elsewhere", "produce", "other-*")
        self.make_key("viewer", "inspect")
        self.start("127.0.0.1:0")
        self.assertEqual(self.ask("worker", "pub", queue, "--body", "hello").returncode, 0)
        taken = self.ask("worker", "sub", queue, "--max", "1")
        self.assertEqual((taken.returncode, taken.stdout), (0, "hello\n"))
        self.assertEqual(self.ask("viewer", "stat", queue).returncode, 0)
        denied = self.ask("viewer", "pub", queue, "--body", "no")
        self.assertEqual(denied.returncode, 77, denied.stderr)
        self.assertIn("key viewer: needs the role produce", denied.stderr)
        denied = self.ask("elsewhere", "pub", queue, "--body", "no")
        self.assertEqual(denied.returncode, 77, denied.stderr)
        self.assertIn("key elsewhere", denied.stderr)
        denied = self.ask("worker", "purge", queue, "--yes")
        self.assertEqual(denied.returncode, 77, denied.stderr)
        self.assertIn("needs the role admin", denied.stderr)
        self.wait_for_metric('sluice_commands_denied_total{role="produce"}', 1)
        self.wait_for_metric('sluice_commands_denied_total{role="admin"}', 1)
        self.wait_for_metric('sluice_frames_refused_total{reason="PermissionDenied"}', 3)
        self.assertEqual(self.metric(f'sluice_messages_published_total{{queue="{queue}"}}'), 1)

    def test_who_has_no_key_or_a_wrong_one_is_told(self):
        queue = self.guarded.queue
        self.make_key("worker", "produce,consume")
        self.start("127.0.0.1:0")
        late = self.make_key("late", "produce")
        known = self.folder / "broker" / "authorized_keys"
        known.write_text("".join(line for line in known.read_text().splitlines(True)
                                 if not line.startswith("late")))
        wrong = self.ask("late", "pub", queue, "--body", "no")
        self.assertEqual(wrong.returncode, 77, wrong.stderr)
        self.assertIn("the broker refused this key", wrong.stderr)
        none = self.ask(None, "pub", queue, "--body", "no")
        self.assertEqual(none.returncode, 77, none.stderr)
        self.assertIn("only who has a key", none.stderr)
        (self.folder / "late" / "broker.pub").write_text(late["publicKey"])
        other = self.ask("late", "pub", queue, "--body", "no")
        self.assertEqual(other.returncode, 77, other.stderr)
        self.assertIn("broker.pub is not this broker's key", other.stderr)
        self.wait_for_metric('sluice_handshake_failures_total{reason="auth"}', 1)
        self.wait_for_metric('sluice_handshake_failures_total{reason="server_key"}', 1)
        # A client without a key may see the other side's mechanism first, and leave.
        harness.wait_until(lambda: sum(
            self.metric(f'sluice_handshake_failures_total{{reason="{reason}"}}')
            for reason in ("mechanism", "broken_off")) > 0, "who has no key is counted")
        self.assertEqual(self.metric(f'sluice_messages_published_total{{queue="{queue}"}}'), 0)

    def test_an_endpoint_that_is_asked_for_wins(self):
        queue = self.guarded.queue
        self.make_key("worker", "produce")
        self.start()
        keys = ["--keys", str(self.folder / "worker"), "--timeout", "5"]
        pub = ["pub", queue, "--body", "x"]
        endpoint = self.folder / "worker" / "endpoint"
        endpoint.write_text(self.endpoint)
        self.assertEqual(self.sluice(*keys, *pub).returncode, 0)
        endpoint.write_text("tcp://127.0.0.1:1")
        self.assertEqual(self.sluice("--endpoint", self.endpoint, *keys, *pub).returncode, 0)
        self.assertEqual(self.sluice(*keys, *pub, env=dict(
            os.environ, SLUICE_ENDPOINT=self.endpoint)).returncode, 0)
        self.assertEqual(self.sluice("--keys", str(self.folder / "worker"), "--timeout", "0.3",
                                     *pub).returncode, 69)

    def test_keys_come_and_go_while_the_broker_runs(self):
        queue = self.guarded.queue
        self.make_key("worker", "produce,consume")
        self.start()
        self.make_key("late", "produce")
        harness.wait_until(
            lambda: self.ask("late", "pub", queue, "--body", "x").returncode == 0, "a new key")
        known = self.folder / "broker" / "authorized_keys"
        known.write_text(known.read_text().replace("late", "# late"))
        harness.wait_until(
            lambda: self.ask("late", "pub", queue, "--body", "x").returncode != 0, "a gone key")
        known.write_text("nonsense\n")
        self.assertEqual(self.ask("worker", "pub", queue, "--body", "x").returncode, 0)

    def test_the_brokers_key_changes_while_it_runs(self):
        queue = self.guarded.queue
        self.make_key("worker", "produce,consume")
        child = self.start()
        self.assertEqual(self.ask("worker", "pub", queue, "--body", "old").returncode, 0)
        broker = str(self.folder / "broker")
        begun = self.sluice("keys", "rotate", "--broker", broker, "--listen", "tcp://127.0.0.1:0")
        self.assertEqual(begun.returncode, 0, begun.stderr)
        child.send_signal(signal.SIGHUP)
        event = self.wait_for_event(child, "rotation_begun")
        self.assertEqual(event["leaves"], self.endpoint)
        shown = self.sluice("keys", "show", "--broker", broker, "--json")
        self.assertEqual(json.loads(shown.stdout)["next"]["brokerKey"], begun.stdout.strip())
        again = self.sluice("keys", "rotate", "--broker", broker, "--listen", "tcp://127.0.0.1:0")
        self.assertIn("--finish ends it", again.stderr)
        (self.folder / "worker" / "broker.pub").write_text(begun.stdout)
        self.endpoint = event["endpoint"]
        self.assertEqual(self.ask("worker", "pub", queue, "--body", "new").returncode, 0)
        done = self.wait_for_event(child, "rotation_done")
        self.assertEqual(done["closed"], event["leaves"])
        finished = self.sluice("keys", "rotate", "--broker", broker, "--finish")
        self.assertEqual(finished.stdout, begun.stdout, finished.stderr)
        self.assertEqual(sorted(os.listdir(broker)), ["authorized_keys", "server.key"])
        taken = self.ask("worker", "sub", queue, "--max", "2")
        self.assertEqual((taken.returncode, taken.stdout), (0, "old\nnew\n"))

    def test_the_api_answers_on_this_machine_only(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))  # sends nothing; asks for our own address
            except OSError:
                self.skipTest("this machine has loopback addresses only")
            address = probe.getsockname()[0]
        if address.startswith("127."):
            self.skipTest("this machine has loopback addresses only")
        self.make_key("worker", "produce")
        child = self.start("0.0.0.0:0")
        port = self.ready["http"].rsplit(":", 1)[1]

        def get(host, path):
            try:
                with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=20) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()

        for path in ("/healthz", "/readyz", "/metrics"):
            self.assertEqual(get(address, path)[0], 200, path)
        for path in ("/api/v1/queues", f"/api/v1/queues/{self.guarded.queue}"):
            status, text = get(address, path)
            self.assertEqual(status, 403, path)
            self.assertIn("loopback", text)
            self.assertEqual(get("127.0.0.1", path)[0], 200, path)
        self.assertIsNone(child.poll())

    def test_plain_text_stays_on_this_machine(self):
        done = subprocess.run(
            [broker_test.program("sluice-sidecar"), "broker", "--data", self.guarded.data,
             "--listen", "tcp://0.0.0.0:0", "--control", "tcp://127.0.0.1:0", "--http", "",
             "-f", self.guarded.manifest],
            capture_output=True, text=True, timeout=broker_test.SECONDS_MAX, check=False)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--insecure-plain-text", done.stderr)

    def test_a_secret_that_everybody_may_read_is_refused(self):
        self.make_key("worker", "produce")
        secret = self.folder / "worker" / "client.key"
        self.assertEqual(stat.S_IMODE(os.stat(secret).st_mode), 0o600)
        secret.chmod(0o644)
        self.start()
        done = self.ask("worker", "pub", self.guarded.queue, "--body", "x")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("chmod 0600", done.stderr)


if __name__ == "__main__":
    broker_test.main()
