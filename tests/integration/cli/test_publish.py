"""`sluice pub`: every line has its answer, and a refused one is named."""

import json
import os
import signal
import subprocess

import harness


class Publish(harness.CliTest):
    MANIFESTS = [harness.queue(name) for name in
                 ("lines", "json", "idle", "files", "shaped", "delayed", "expired", "killed",
                  "odd")] + [
        harness.queue("wide", shards=4),
        harness.queue("small", limits={"messages": 5}),
        harness.queue("narrow", limits={"messageBytes": 16}),
    ]

    def test_json_has_a_line_for_each_message_in_order(self):
        count = 20_000
        text = "".join(f"message {i}\n" for i in range(count))
        lines = self.json_lines("pub", "json", "--lines", "--json", stdin=text)
        self.assertEqual([one["line"] for one in lines], list(range(1, count + 1)))
        self.assertEqual([one["sequence"] for one in lines],
                         list(range(lines[0]["sequence"], lines[0]["sequence"] + count)))
        self.assertEqual({one["shard"] for one in lines}, {0})

    def test_lines_of_several_shards_have_their_own_sequences(self):
        count = 20_000
        text = "".join(f"message {i}\n" for i in range(count))
        lines = self.json_lines("pub", "wide", "--lines", "--json", stdin=text)
        self.assertEqual([one["line"] for one in lines], list(range(1, count + 1)))
        where = {(one["shard"], one["sequence"]): one["line"] for one in lines}
        self.assertEqual(len(where), count)
        self.assertGreater(len({shard for shard, _ in where}), 1)
        got = self.json_lines("sub", "wide", "--json", "--max", count)
        for one in got:
            line = where[(one["shard"], one["sequence"])]
            self.assertEqual(one["body"], f"message {line - 1}")

    def test_without_json_a_summary_stands_on_stderr(self):
        done = self.sluice("pub", "lines", "--lines", stdin="a\nb")
        self.assertEqual(done.stdout, "")
        self.assertIn("published 2 messages to lines", done.stderr)

    def test_a_line_is_published_while_the_input_stays_open(self):
        process = self.start("pub", "idle", "--lines", "--json", stdin=subprocess.PIPE)
        for number in (1, 2):
            process.stdin.write(f"line {number}\n")
            process.stdin.flush()
            self.assertEqual(json.loads(process.stdout.readline())["line"], number)
        process.stdin.close()
        self.assertEqual(process.wait(harness.SECONDS_MAX), 0)

    def test_each_file_is_a_message(self):
        paths = []
        for number, content in enumerate([b"one\ntwo\n", b"\xff\xfe\x00"]):
            paths.append(os.path.join(self.folder, f"file-{number}"))
            with open(paths[-1], "wb") as out:
                out.write(content)
        self.sluice("pub", "files", "--file", paths[0], "--file", paths[1])
        got = self.json_lines("sub", "files", "--json", "--max", 2)
        self.assertEqual(got[0]["body"], "one\ntwo\n")
        self.assertEqual(got[1]["bodyBase64"], "//4A")

    def test_key_and_headers_travel(self):
        self.sluice("pub", "shaped", "--body", "x", "--key", "customer-4", "--header", "a=1",
                    "--header", "b=2=2")
        got = self.json_lines("sub", "shaped", "--json", "--max", 1)[0]
        self.assertEqual(got["key"], "customer-4")
        self.assertEqual(got["headers"], {"a": "1", "b": "2=2"})
        self.assertEqual(got["attempt"], 1)

    def test_a_delayed_message_comes_later(self):
        self.sluice("pub", "delayed", "--body", "later", "--delay", "1500ms")
        self.assertEqual(self.sluice("sub", "delayed", "--idle-exit", "200ms").stdout, "")
        self.assertEqual(self.sluice("sub", "delayed", "--max", 1).stdout, "later\n")

    def test_a_message_ends_with_its_time_to_live(self):
        self.sluice("pub", "expired", "--body", "gone", "--ttl", "50ms")
        self.wait_for_messages("expired", ready=0, inFlight=0, delayed=0)
        self.assertEqual(self.sluice("sub", "expired", "--idle-exit", "200ms").stdout, "")

    def test_a_full_queue_refuses_and_names_the_lines(self):
        self.publish("small", "1", "2", "3", "4")
        done = self.sluice("pub", "small", "--lines", "--json", stdin="5\n6\n7\n", expect=75)
        self.assertEqual(done.stdout, "")
        self.assertIn("lines 1-3 refused: QueueFull", done.stderr)
        self.wait_for_messages("small", ready=4)

    def test_a_line_that_is_too_large_stops_no_other(self):
        done = self.sluice("pub", "narrow", "--lines", "--json", expect=65,
                           stdin="fits\n" + "x" * 17 + "\nfits too\n")
        self.assertEqual([json.loads(line)["line"] for line in done.stdout.splitlines()], [1, 3])
        self.assertIn("line 2: body is 17 bytes", done.stderr)

    def test_odd_lines_are_messages_too(self):
        self.sluice("pub", "odd", "--lines", stdin="\n\r\nlast")
        got = self.json_lines("sub", "odd", "--json", "--max", 3)
        self.assertEqual([one["body"] for one in got], ["", "\r", "last"])

    def test_an_unknown_queue_is_named(self):
        done = self.sluice("pub", "nothing", "--body", "x", expect=1)
        self.assertIn("nothing", done.stderr)

    def test_a_stop_signal_ends_it_with_answers(self):
        process = self.start("pub", "killed", "--lines", "--json", stdin=subprocess.PIPE)
        process.stdin.write("a\n")
        process.stdin.flush()
        self.assertEqual(json.loads(process.stdout.readline())["line"], 1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(harness.SECONDS_MAX), 128 + signal.SIGINT)


if __name__ == "__main__":
    harness.main()
