"""`sluice backup` and `restore`: of a broker at work, of a stopped one, and what is refused."""

import json
import os
import shutil
import subprocess

import harness


class Backup(harness.CliTest):
    MANIFESTS = [harness.queue("orders")]

    def restored_broker(self, backup, name):
        """A broker on the restored folder, in place of the one that the tests share."""
        folder = os.path.join(self.folder, name)
        os.mkdir(folder)
        broker = harness.Broker(folder, self.MANIFESTS)
        self.sluice("restore", "--from", backup, "--data", broker.data)
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def bodies(self, broker):
        shared, type(self).broker = self.broker, broker
        try:
            lines = self.json_lines("sub", "orders", "--json", "--idle-exit", "500ms")
        finally:
            type(self).broker = shared
        return [line["body"] for line in lines]

    def test_a_broker_at_work_is_backed_up_and_restored(self):
        self.publish("orders", "one", "two", "three")
        backup = os.path.join(self.folder, "backup")
        done = self.sluice("backup", "--data", self.broker.data, "--to", backup, "--json")
        report = json.loads(done.stdout)
        self.assertTrue(report["brokerRuns"])
        self.assertEqual(report["corrupt"], [])
        self.assertGreater(report["bytes"], 4_096)
        self.publish("orders", "four")
        self.assertIn('"command":"backup"', self.broker.log())
        harness.wait_until(lambda: '"result":"released"' in self.broker.log(),
                           "the broker lets go")
        self.assertNotIn("PIN", os.listdir(self.broker.data))

        broker = self.restored_broker(backup, "first")
        self.assertIn('"restored":true', broker.log())
        self.assertEqual(self.bodies(broker), ["one", "two", "three"])
        # Another one of the same backup is not the first one again.
        again = self.restored_broker(backup, "second")
        self.assertEqual(self.bodies(again), ["one", "two", "three"])
        incarnations = {json.loads(line)["incarnation"]
                        for one in (self.broker, broker, again) for line in one.log().splitlines()
                        if json.loads(line).get("event") == "recovered"}
        self.assertEqual(len(incarnations), 3)
        self.assertEqual(self.bodies(self.broker), ["one", "two", "three", "four"])

    def test_a_stopped_folder_and_what_is_refused(self):
        folder = os.path.join(self.folder, "stopped")
        os.mkdir(folder)
        broker = harness.Broker(folder, self.MANIFESTS).start()
        broker.stop()
        backup = os.path.join(folder, "backup")
        done = self.sluice("backup", "--data", broker.data, "--to", backup)
        self.assertIn("in", done.stdout)
        again = self.sluice("backup", "--data", broker.data, "--to", backup, expect=75)
        self.assertIn("not empty", again.stderr)
        self.sluice("backup", "--data", os.path.join(folder, "none"), "--to", backup, expect=1)
        done = self.sluice("restore", "--from", backup, "--data", broker.data, expect=75)
        self.assertIn("not empty", done.stderr)
        done = self.sluice("restore", "--from", broker.data, "--data", os.path.join(folder, "x"),
                           expect=1)
        self.assertIn("no backup here", done.stderr)

        # A changed byte: told, and nothing starts on the folder.
        segment = os.path.join(backup, "segments", os.listdir(os.path.join(backup, "segments"))[0])
        with open(segment, "r+b") as file:
            file.seek(4_300)
            byte = file.read(1)
            file.seek(4_300)
            file.write(bytes([byte[0] ^ 1]))
        target = os.path.join(folder, "broken")
        done = self.sluice("restore", "--from", backup, "--data", target, expect=1)
        self.assertIn("not as it was", done.stderr)
        shutil.copy(os.path.join(folder, "queue-0.yaml"), os.path.join(folder, "q.yaml"))
        done = self.sluice("up", "--data", target, "--port", 0, "--control-port", 0, "--http-port",
                           0, "-f", os.path.join(folder, "q.yaml"), expect=65)
        self.assertIn("INCOMPLETE", done.stderr)

    def test_where_a_backup_may_lie(self):
        folder = os.path.join(self.folder, "places")
        data = os.path.join(folder, "data")
        os.makedirs(data)

        def backup(data, to, cwd):
            return subprocess.run([harness.program(), "backup", "--data", data, "--to", to],
                                  text=True, capture_output=True, check=False, cwd=cwd,
                                  timeout=harness.SECONDS_MAX)
        for source, to, cwd in ((".", "monday", data), ("data", "data/a/b", folder),
                                (data, "monday", data), (".", os.path.join(data, "x"), data),
                                ("../data", "./monday", data)):
            with self.subTest(source=source, to=to):
                done = backup(source, to, cwd)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn("lies in", done.stderr)
        # What cannot be looked at is no reason to say so of another folder.
        os.symlink("loop", os.path.join(folder, "loop"))
        for source, to in (("loop", "monday"), ("loop/data", "monday"), ("data", "../monday")):
            with self.subTest(source=source, to=to):
                done = backup(source, to, folder)
                self.assertNotEqual(done.returncode, 2, done.stderr)
                self.assertNotIn("lies in", done.stderr)


if __name__ == "__main__":
    harness.main()
