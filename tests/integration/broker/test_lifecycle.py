"""Starts and stops: alone on a folder, in order under load, and not with wrong input."""

import http.client
import os
import pathlib
import shutil
import subprocess

import broker_test


class Lifecycle(broker_test.BrokerTest):
    def run_broker(self, world, *arguments, listen="tcp://127.0.0.1:0"):
        """A second broker beside `world`'s, to its end."""
        return subprocess.run(
            [broker_test.program("sluice-sidecar"), "broker", "--data", world.data,
             "--listen", listen, "--control", "tcp://127.0.0.1:0", "--http",
             "127.0.0.1:0", "-f", world.manifest, *arguments],
            capture_output=True, text=True, timeout=broker_test.SECONDS_MAX, check=False)

    def get(self, world, path):
        link = http.client.HTTPConnection("127.0.0.1", world.http, timeout=10)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def test_the_revision_is_told_where_the_tree_has_one(self):
        root = pathlib.Path(__file__).resolve().parents[3]
        if not (root / ".git").exists():
            self.skipTest("the source is no git repository")
        world = self.world()
        world.start_broker()
        self.assertRegex(self.get(world, "/metrics")[1],
                         r'sluice_build_info\{[^}]*revision="[0-9a-f]{12,}(-dirty)?"')

    def test_two_brokers_never_share_a_folder(self):
        world = self.world()
        world.start_broker()
        done = self.run_broker(world)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn(str(world.broker.pid), done.stderr)
        self.publish(world, ["still served"])
        self.assertEqual(len(self.drain(world, "--max", "1")), 1)

    def test_an_address_in_use_is_told(self):
        world = self.world()
        world.start_broker()
        other = self.world()
        done = self.run_broker(other, listen=world.endpoint)
        self.assertEqual(done.returncode, 75, done.stderr)
        self.assertIn(str(world.port), done.stderr)

    def test_a_stop_under_load_keeps_what_was_acknowledged(self):
        world = self.world()
        world.start_broker()
        child = world.client("pub", world.queue, "--lines", "--json", stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stdin.close)
        sent = 0
        for _ in range(50):
            child.stdin.write("".join(f"{sent + i}\n" for i in range(200)))
            child.stdin.flush()
            sent += 200
        child.stdout.readline()  # load has begun
        world.broker.terminate()
        self.assertEqual(world.broker.wait(broker_test.SECONDS_MAX), 0, world.log_tail())
        world.start_broker()
        self.assertFalse(world.events("recovered")[-1]["unclean"])
        child.stdin.close()
        acknowledged = 1 + sum(1 for _ in child.stdout)
        self.assertEqual(child.wait(broker_test.SECONDS_MAX), 0)
        self.assertEqual(acknowledged, sent)
        bodies = [one["body"] for one in self.drain(world)]
        self.assertEqual(bodies, [str(i) for i in range(sent)])

    def test_probes_and_metrics(self):
        world = self.world()
        world.start_broker()
        self.assertEqual(self.get(world, "/healthz")[0], 200)
        self.assertEqual(self.get(world, "/readyz")[0], 200)
        self.publish(world, "abc")
        self.wait_for_messages(world, ready=3)
        status, text = self.get(world, "/metrics")
        self.assertEqual(status, 200)
        line = [one for one in text.splitlines()
                if one.startswith("sluice_queue_messages_ready{")]
        self.assertEqual(len(line), 1, text)
        self.assertEqual(float(line[0].split()[-1]), 3.0)
        self.assertIn('queue="torture"', line[0])
        self.assertEqual(self.get(world, "/api/v1/queues/torture")[0], 200)
        self.assertEqual(self.get(world, "/api/v1/queues/nothing")[0], 404)

    def test_wrong_manifests_are_refused_before_anything_is_touched(self):
        world = self.world()
        with open(world.manifest, "w", encoding="utf-8") as out:
            out.write("apiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: x}\n"
                      "spec: {delivery: {maxAttemps: 3}}\n")
        done = self.run_broker(world)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn("queue.yaml:4", done.stderr)
        self.assertIn("maxAttemps", done.stderr)
        self.assertFalse(os.path.exists(world.data))

    def test_every_example_runs(self):
        for example in sorted((broker_test.TESTS.parent / "examples").glob("*.yaml")):
            with self.subTest(example.name):
                world = self.world()
                shutil.copy(example, world.manifest)
                world.start_broker()

    def test_fields_of_later_versions_are_refused(self):
        for spec in ("{ordering: Grouped}", "{priorities: 3}"):
            world = self.world()
            with open(world.manifest, "w", encoding="utf-8") as out:
                out.write("apiVersion: sluice.dev/v1alpha1\nkind: Queue\nmetadata: {name: x}\n"
                          f"spec: {spec}\n")
            done = self.run_broker(world)
            self.assertEqual(done.returncode, 65, done.stderr)
            self.assertIn("not in this version", done.stderr)

    def test_wrong_flags_are_refused(self):
        world = self.world()
        for arguments in (["--segment-bytes", "3"], ["--session-ttl", "soon"],
                          ["--sessions-max", "0"], ["--log-level", "loud"]):
            done = self.run_broker(world, *arguments)
            self.assertEqual(done.returncode, 2, f"{arguments} {done.stderr}")
            self.assertIn(arguments[0], done.stderr)
        for listen in ("nowhere", "tcp://127.0.0.1", "tcp://127.0.0.1:70000", "127.0.0.1:0"):
            done = self.run_broker(world, listen=listen)
            self.assertEqual(done.returncode, 2, f"{listen} {done.stderr}")
            self.assertIn("--listen", done.stderr)


if __name__ == "__main__":
    broker_test.main()
