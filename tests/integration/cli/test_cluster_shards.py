"""kubectl sluice from outside of a cluster, on a queue whose shards are at two brokers."""

import json
import pathlib

import harness
import test_cluster

SHARDS = 2
UNAVAILABLE = 69


def endpoint_of(shard):
    return f"tcp://wide-{shard}.wide-shards.shop.svc:7650"


class Shards(test_cluster.PluginCase):
    """Queue `wide` in namespace shop; what its brokers say of each other leads nowhere here."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.brokers = [cls.start_broker(shard) for shard in range(SHARDS)]
        core, queues = "/api/v1/namespaces/shop", "/apis/sluice.dev/v1alpha1/namespaces/shop/queues"
        queue = {"apiVersion": "sluice.dev/v1alpha1", "kind": "Queue",
                 "metadata": {"name": "wide", "namespace": "shop", "uid": "u"},
                 "spec": {"shards": SHARDS}}
        cls.api.answers.update({
            queues: {"kind": "QueueList", "metadata": {}, "items": [queue]},
            f"{queues}/wide": queue,
            f"{core}/secrets/wide-admin": test_cluster.secret_of("wide", cls.client_keys)})
        cls.forward_to(range(SHARDS))

    @classmethod
    def forward_to(cls, shards):
        cls.write_programs({f"pod/wide-{shard}": cls.brokers[shard].endpoint for shard in shards})

    @classmethod
    def start_broker(cls, shard):
        folder = pathlib.Path(cls.folder, f"shard-{shard}")
        folder.mkdir()
        broker = harness.Broker(str(folder), [harness.queue("wide", shards=SHARDS)])
        broker.arguments = [
            harness.program("sluice-sidecar"), "broker", "--data", broker.data,
            "--file", str(folder / "queue-0.yaml"), "--listen", "tcp://127.0.0.1:0",
            "--control", "tcp://127.0.0.1:0", "--http", "127.0.0.1:0", "--keys", cls.broker_keys,
            "--shards", str(SHARDS), "--shard", str(shard), "--log-format", "json",
            "--shard-endpoints", ",".join(map(endpoint_of, range(SHARDS)))]
        broker.start()
        cls.addClassCleanup(broker.stop)
        return broker

    def json_lines(self, *arguments):
        return [json.loads(line) for line in self.sluice(*arguments, "--json").splitlines()]

    def test_every_command_reaches_all_shards(self):
        count = 8
        for number in range(count):
            self.sluice("pub", "wide", "--key", f"key-{number}", "--body", "hello")
        peeked = self.json_lines("peek", "wide", "--max", "100")
        self.assertEqual(len(peeked), count)
        self.assertEqual({one["shard"] for one in peeked}, set(range(SHARDS)))
        stat = json.loads(self.sluice("stat", "wide", "--json"))
        self.assertEqual(stat["subscriptions"][0]["messages"]["ready"], count)

        rejected = self.json_lines("sub", "wide", "--max", str(count), "--settle", "reject")
        self.assertEqual({one["shard"] for one in rejected}, set(range(SHARDS)))
        self.assertIn(f"redrove {count}", self.sluice("redrive", "wide"))
        self.assertIn(f"removed {count}", self.sluice("purge", "wide", "--yes"))
        self.assertEqual(self.json_lines("peek", "wide"), [])
        for shard in range(SHARDS):
            self.assertTrue(any(f" pod/wide-{shard} :7650" in call for _, call in self.calls()))
        self.assert_nothing_runs()

    def test_messages_of_one_shard_are_chosen_by_their_numbers(self):
        for number in range(8):
            self.sluice("pub", "wide", "--key", f"key-{number}", "--body", "hello")
        there = self.json_lines("peek", "wide", "--max", "100")
        ones = [one["sequence"] for one in there if one["shard"] == 1]
        chosen = f"1:{ones[0]}"
        self.assertIn(f"would remove 1 message: {chosen}",
                      self.sluice("purge", "wide", "--sequence", chosen, "--dry-run"))
        self.assertIn("removed 1", self.sluice("purge", "wide", "--sequence", chosen, "--yes"))
        self.assertIn(f"removed {len(ones) - 1}",
                      self.sluice("purge", "wide", "--shard", "1", "--yes"))
        left = self.json_lines("peek", "wide", "--max", "100")
        self.assertEqual(left, [one for one in there if one["shard"] == 0])
        for how in ("--yes", "--dry-run", "--json"):
            self.sluice("purge", "wide", "--shard", "2", how, expect=65)
        self.sluice("purge", "wide", "--yes")
        self.assert_nothing_runs()

    def partly(self, *arguments):
        """What a command says of the shards that are there; it must say that shard 1 is not."""
        with self.start("--timeout", "1", *arguments) as process:
            out, error = process.communicate(timeout=harness.SECONDS_MAX)
        self.assertEqual(process.returncode, UNAVAILABLE, f"{arguments}\n{out}\n{error}")
        self.assertIn("no way to pod/wide-1", error)
        self.assertIn("no such pod", error)
        self.assertIn("shard 1 does not answer", error)
        return out

    def test_what_can_answer_does_while_a_shard_is_away(self):
        for number in range(8):
            self.sluice("pub", "wide", "--key", f"key-{number}", "--body", "hello")
        here = sum(one["shard"] == 0 for one in self.json_lines("peek", "wide", "--max", "100"))
        self.assertGreater(here, 0)
        self.assertLess(here, 8)
        self.forward_to([0])
        self.addCleanup(self.forward_to, range(SHARDS))

        stat = json.loads(self.partly("stat", "wide", "--json"))
        self.assertEqual(stat["subscriptions"][0]["messages"]["ready"], here)
        peeked = self.partly("peek", "wide", "--max", "100", "--json").splitlines()
        self.assertEqual({json.loads(one)["shard"] for one in peeked}, {0})
        self.assertEqual(len(peeked), here)
        self.assertIn(f"would remove {here}", self.partly("purge", "wide", "--dry-run"))
        # One shard is enough where it is the one that is meant.
        self.assertIn(f"would remove {here}", self.sluice(
            "--timeout", "1", "purge", "wide", "--shard", "0", "--dry-run"))
        self.assertIn("shard 1 does not answer", self.sluice(
            "--timeout", "1", "purge", "wide", "--shard", "1", "--yes", expect=UNAVAILABLE))
        # What would be done by halves is not done.
        self.assertIn("shard 1 does not answer", self.sluice(
            "--timeout", "1", "queue", "seek", "wide", "--to", "end", expect=UNAVAILABLE))
        # Who has no key is published elsewhere, and consumers get what is there.
        self.sluice("--timeout", "1", "pub", "wide", "--body", "hello")
        taken = [json.loads(line) for line in self.sluice(
            "--timeout", "1", "sub", "wide", "--max", str(here), "--json").splitlines()]
        self.assertEqual({one["shard"] for one in taken}, {0})
        self.forward_to(range(SHARDS))
        self.assertIn(f"removed {8 - here + 1}", self.sluice("purge", "wide", "--yes"))
        self.assert_nothing_runs()


if __name__ == "__main__":
    harness.main()
