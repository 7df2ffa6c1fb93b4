"""Flags, help, exit codes: everything that needs no broker, or none that answers."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import harness

COMMANDS = ["up", "pub", "sub", "peek", "stat", "queue", "queue list", "queue describe",
            "queue delete", "redrive", "purge", "log", "log verify", "log dump", "bench",
            "explain", "simulate-scaling", "completion", "list", "describe", "support-bundle"]


def run(*arguments, **environment):
    return subprocess.run([harness.program(), *arguments], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=harness.SECONDS_MAX, check=False,
                          env={**os.environ, **environment})


def nobody():
    """An endpoint at which nobody listens: bound, so that nobody else takes it."""
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    return taken, f"tcp://127.0.0.1:{taken.getsockname()[1]}"


class Usage(unittest.TestCase):
    def test_every_command_has_help(self):
        for command in COMMANDS:
            with self.subTest(command):
                done = run(*command.split(), "--help")
                self.assertEqual(done.returncode, 0)
                self.assertEqual(done.stderr, "")
                if command not in ("queue", "log"):
                    self.assertIn("Examples:\n  ", done.stdout)
                self.assertLessEqual(max(map(len, done.stdout.splitlines())), 110)

    def test_hidden_commands_are_hidden(self):
        self.assertNotIn("bench-producer", run("--help").stdout)

    def test_the_version_is_told(self):
        self.assertRegex(run("--version").stdout, r"^sluice \d+\.\d+\.\d+\n$")

    def test_wrong_flags_are_exit_code_2(self):
        for command in ["", "nothing", "pub", "pub q", "pub q --body x --lines", "pub q --nothing",
                        "pub q --body x --delay soon", "pub q --body x --header x",
                        "sub q --settle maybe", "sub q --max 0", "sub q --idle-exit soon",
                        "sub q --exec true --settle ack", "redrive q --sequence 5-4",
                        "redrive q --reason Whim", "purge q --older-than long", "queue",
                        "keys rotate --broker /nowhere --listen here",
                        "keys rotate --broker /nowhere --listen tcp://a:1 --control here",
                        "keys generate --broker /x --client /y --id a --write-endpoint here",
                        "bench --fsync Sometimes", "bench --size 3", "completion tcsh",
                        "stat --timeout 0", "redrive q --rate 0", "peek q --max 0",
                        "stat --endpoint here", "stat --endpoint tcp://a", "sttat", "queue lst",
                        "sub two words", "sub q --jsn", "pub q --file /", "up --data /etc/passwd",
                        "explain -f /", "explain --object /",
                        "simulate-scaling --policy p --trace /",
                        "sub q --max 99999999999999999999", "queue list x",
                        "queue seek q --to foo", "queue seek q --to time:junk",
                        "queue seek q --to sequence:0",
                        "backup --data /etc --to /etc/new", "backup --data /etc --to /etc/",
                        "restore --from /etc --data /etc/new"]:
            with self.subTest(command):
                done = run(*command.split())
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertNotEqual(done.stderr, "")

    def test_wrong_flags_are_told_with_what_is_right(self):
        for command, told in [
                ("sub q --max 0", "--max: a number from 1 on is expected, not 0"),
                ("redrive q --rate -3", "--rate: a number from 1 on is expected, not -3"),
                ("stat --endpoint foo", "tcp://HOST:PORT is expected"),
                ("sub q --max 99999999999999999999", "--max: 99999999999999999999 is too large"),
                ("sttat", 'there is no command "sttat"; is stat meant?'),
                ("queue lst", 'queue: there is no command "lst"; is list meant?'),
                ("sub q --jsn", "sub: there is no flag --jsn; is --json meant?"),
                ("stat --endpont=x", "stat: there is no flag --endpont; is --endpoint meant?"),
                ("sub two words", 'sub: one word too many: "words"'),
                ("queue list two", 'queue list: one word too many: "two"'),
                ("log verfy", 'log: there is no command "verfy"; is verify meant?'),
                ("explain -f /", "--file: / is a folder"),
                ("explain --object /", "--object: / is a folder"),
                ("simulate-scaling --policy p --trace /", "--trace: / is a folder"),
                ("queue seek q --to time:junk", "--to: "),
                ("pub q --file /", "--file: / is a folder"),
                ("up --data /etc/passwd", "--data: /etc/passwd is a file"),
                ("backup --data /etc --to /etc/new", "--to: /etc/new lies in /etc"),
                ("queue seek q --to foo", "--to: allowed are first, end, sequence:N")]:
            with self.subTest(command):
                told_here = run(*command.split()).stderr
                self.assertIn(told, told_here)
                self.assertNotIn("179769313486", told_here)

    def test_one_key_without_the_other_is_told(self):
        for one, other in (("CLIENT", "BROKER"), ("BROKER", "CLIENT")):
            done = run("stat", **{f"SLUICE_{one}_KEY": "x" * 40})
            self.assertEqual(done.returncode, 65)
            self.assertIn(f"SLUICE_{one}_KEY is set and SLUICE_{other}_KEY is not", done.stderr)

    def test_the_port_of_an_http_server_is_guessed(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"

            def answer():
                while True:
                    try:
                        peer, _ = server.accept()
                    except OSError:
                        return
                    with peer:
                        if peer.recv(4).startswith(b"GET"):
                            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

            thread = threading.Thread(target=answer, daemon=True)
            thread.start()
            done = run("stat", "--endpoint", endpoint, "--timeout", "0.5")
            server.shutdown(socket.SHUT_RDWR)
        thread.join()
        self.assertEqual(done.returncode, 69)
        self.assertIn("an HTTP server", done.stderr)
        self.assertIn("7650", done.stderr)

    def test_no_broker_is_exit_code_69_and_says_what_to_do(self):
        taken, endpoint = nobody()
        with taken:
            for command in ["pub q --body x", "sub q --max 1", "peek q", "stat", "queue list",
                            "redrive q", "purge q --yes"]:
                with self.subTest(command):
                    done = run(*command.split(), "--endpoint", endpoint, "--timeout", "0.2")
                    self.assertEqual(done.returncode, 69, done.stderr)
                    self.assertIn(endpoint, done.stderr)
                    self.assertIn("sluice up", done.stderr)

    def test_the_endpoint_may_stand_in_the_environment(self):
        taken, endpoint = nobody()
        with taken:
            done = run("stat", SLUICE_ENDPOINT=endpoint, SLUICE_TIMEOUT="0.2")
        self.assertIn(endpoint, done.stderr)

    def test_no_word_is_advised_that_is_far_from_what_was_typed(self):
        self.assertNotIn("meant?", run("foo").stderr)
        self.assertNotIn("meant?", run("sub", "q", "--colour").stderr)

    def test_a_wrong_endpoint_of_the_environment_is_told_where_one_is_needed(self):
        done = run("stat", SLUICE_ENDPOINT="here")
        self.assertEqual(done.returncode, 65)
        self.assertIn("SLUICE_ENDPOINT: tcp://HOST:PORT is expected", done.stderr)
        self.assertNotIn("--endpoint", done.stderr)
        self.assertEqual(run("completion", "bash", SLUICE_ENDPOINT="here").returncode, 0)
        taken, endpoint = nobody()
        with taken:
            done = run("stat", "--endpoint", endpoint, "--timeout", "0.1", SLUICE_ENDPOINT="here")
        self.assertEqual(done.returncode, 69)

    def test_the_guess_takes_no_longer_than_the_timeout(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint = f"tcp://127.0.0.1:{server.getsockname()[1]}"
            begin = time.monotonic()
            done = run("stat", "--endpoint", endpoint, "--timeout", "0.05")
            took = time.monotonic() - begin
        self.assertEqual(done.returncode, 69)
        self.assertLess(took, 0.9)

    def test_up_tells_of_a_folder_without_manifests(self):
        with tempfile.TemporaryDirectory() as folder:
            empty = os.path.join(folder, "queues")
            os.mkdir(empty)
            broker = harness.Broker(folder, [])
            broker.arguments += ["-f", empty]
            broker.start()
            broker.stop()
            events = [json.loads(line) for line in broker.log().splitlines()]
        told = [one for one in events if one["event"] == "no_manifests"]
        self.assertEqual([one["folder"] for one in told], [empty])

    def test_up_needs_the_sidecar_beside_it(self):
        with tempfile.TemporaryDirectory() as folder:
            alone = shutil.copy(harness.program(), folder)
            done = subprocess.run([alone, "up"], text=True, capture_output=True, check=False,
                                  timeout=harness.SECONDS_MAX)
        self.assertEqual(done.returncode, 1)
        self.assertIn("sluice-sidecar", done.stderr)

    def test_up_passes_a_wrong_manifest_on(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bad.yaml")
            with open(path, "w", encoding="utf-8") as out:
                out.write(harness.queue("orders", sharts=3))
            done = run("up", "-f", path, "--data", os.path.join(folder, "data"), "--port", "0",
                       "--control-port", "0", "--http-port", "0")
        self.assertEqual(done.returncode, 65)
        self.assertIn("sharts", done.stderr)

    def test_no_colours_where_there_is_no_terminal(self):
        done = run("log", "verify", "/nonexistent", TERM="xterm")
        self.assertNotIn("\033", done.stderr)


class Completion(unittest.TestCase):
    def script(self, shell):
        done = run("completion", shell)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def complete(self, *words, **environment):
        """What bash offers for the last word, cut at : and = as bash cuts it."""
        cut = [piece for word in words for piece in re.findall("[:=]+|[^:=]+", word) or [""]]
        quoted = " ".join(f"'{piece}'" for piece in cut)
        script = (self.script("bash") + f"COMP_WORDS=({quoted}); COMP_CWORD={len(cut) - 1}\n"
                  f"COMP_LINE='{' '.join(words)}'\n"
                  "_sluice; printf '%s\\n' \"${COMPREPLY[@]}\"\n")
        done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=False,
                              timeout=harness.SECONDS_MAX, env={**os.environ, **environment})
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_knows_commands_and_flags(self):
        self.assertIn("redrive", self.complete("sluice", "re"))
        self.assertIn("--settle", self.complete("sluice", "sub", "orders", "--se"))
        self.assertIn("--lines", self.complete("sluice", "pub", "orders", "--l"))
        self.assertIn("describe", self.complete("sluice", "queue", "d"))
        self.assertNotIn("bench-producer", self.complete("sluice", "b"))

    def test_bash_knows_what_stands_behind_a_flag(self):
        self.assertEqual(self.complete("sluice", "sub", "orders", "--settle", "re"),
                         ["release", "reject"])
        self.assertEqual(self.complete("sluice", "redrive", "orders", "--reason", "A"),
                         ["AttemptsExceeded"])
        self.assertEqual(self.complete("sluice", "sub", "orders", "--settle=fa"), ["fail"])
        self.assertIn("fail", self.complete("sluice", "sub", "orders", "--settle="))
        self.assertEqual(self.complete("sluice", "sub", "orders", "--max", ""), [])
        self.assertEqual(self.complete("sluice", "completion", "f"), ["fish"])
        # A value is no command, whatever it says.
        self.assertIn("--json", self.complete("sluice", "--context", "queue", "stat", "--j"))

    def test_bash_offers_files_and_folders_where_they_are_wanted(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "place"))
            with open(os.path.join(folder, "plan"), "w", encoding="utf-8"):
                pass
            begin = os.path.join(folder, "pla")
            both = [begin + "ce", begin + "n"]
            for words in (["pub", "q", "--file"], ["up", "-f"], ["up", "--file"],
                          ["explain", "-f"], ["explain", "--object"], ["list", "--kubeconfig"],
                          ["simulate-scaling", "--trace"], ["simulate-scaling", "--policy"],
                          ["simulate-scaling", "--svg"], ["support-bundle", "--out"]):
                self.assertEqual(sorted(self.complete("sluice", *words, begin)), both)
            for words in (["up", "--data"], ["log", "verify"], ["stat", "--keys"]):
                self.assertEqual(self.complete("sluice", *words, begin), both[:1])
            self.assertEqual(self.complete("sluice", "sub", "q", begin), [])
            # Readline puts it behind the cut.
            self.assertEqual(sorted(self.complete("sluice", "up", f"--file={begin}")), both)
            with open(os.path.join(folder, "at:noon=12"), "w", encoding="utf-8"):
                pass
            self.assertEqual(self.complete("sluice", "up", "-f", f"{folder}/at:noo"), ["noon=12"])

    def test_hidden_flags_are_not_offered(self):
        self.assertNotIn("--client-key", self.complete("sluice", "--"))
        self.assertIn("--keys", self.complete("sluice", "--"))

    def with_names(self):
        """An environment whose `sluice` knows two queues."""
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        path = os.path.join(folder, "sluice")
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n[ \"$3 $4\" = 'queue list' ] && echo orders && echo mails\n")
        os.chmod(path, 0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    def test_bash_asks_for_the_names_of_queues(self):
        names = self.with_names()
        self.assertEqual(self.complete("sluice", "sub", "o", **names), ["orders"])
        self.assertEqual(self.complete("sluice", "copy", "orders", "m", **names), ["mails"])
        self.assertNotIn("mails", self.complete("sluice", "sub", "orders", "", **names))

    def test_bash_counts_a_value_with_colons_as_one_word(self):
        names = self.with_names()
        for header in (["--header", "a=b"], ["--header=a=b"], ["--header", "a="]):
            self.assertEqual(self.complete("sluice", "pub", *header, "o", **names), ["orders"])
        self.assertIn("--json", self.complete("sluice", "--endpoint", "tcp://127.0.0.1:7650", "sub",
                                              "o", "--js"))

    def test_no_names_are_offered_that_another_broker_has(self):
        names = self.with_names()
        for line in (["--endpoint", "tcp://127.0.0.1:7650", "sub"], ["sub", "-n", "shop"],
                     ["--endpoint=tcp://a:1", "sub"], ["--keys", "k", "sub"], ["sub", "-nshop"],
                     ["--namespace", "shop", "sub"], ["--context", "c", "sub"],
                     ["--kubeconfig", "c", "sub"], ["describe"], ["support-bundle"]):
            with self.subTest(line):
                self.assertNotIn("orders", self.complete("sluice", *line, "o", **names))

    def test_kubectl_has_whole_words_and_no_line(self):
        path = os.path.join(tempfile.mkdtemp(), "kubectl-sluice")
        self.addCleanup(shutil.rmtree, os.path.dirname(path))
        os.symlink(harness.program(), path)
        with_program = {**os.environ, "PATH": f"{os.path.dirname(path)}:{os.environ['PATH']}"}
        for words, offered in ((["sub", "q", "--settle=fa"], ["fail"]),
                               (["pub", "--header", "a=b", "q", "--lin"], ["--lines"])):
            done = subprocess.run(["bash", "-c", self.script("kubectl"), "complete", *words],
                                  text=True, capture_output=True, check=False, env=with_program,
                                  timeout=harness.SECONDS_MAX)
            self.assertEqual((done.stdout.split(), done.stderr), (offered + [":0"], ""))

    def test_a_queue_may_be_called_like_a_command(self):
        self.assertEqual(self.complete("sluice", "pub", "log", "--l"), ["--lines"])
        self.assertEqual(self.complete("sluice", "redrive", "queue", "--rea"), ["--reason"])

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh_runs_it(self):
        names = {**os.environ, **self.with_names()}
        for line, offered in (("queue d", ["describe", "discard-damaged", "delete"]),
                              ("sub o", ["orders"]), ("copy orders m", ["mails"]),
                              ("sub --settle=fa", ["--settle=fail"]),
                              ("pub --header a=b o", ["orders"]),
                              ("--endpoint tcp://127.0.0.1:7650 sub o", [])):
            script = ("compdef() { : }\n" + self.script("zsh") + "f() { emulate -L sh\n"
                      "setopt kshglob noshglob braceexpand\n"
                      f"COMP_LINE='sluice {line}'; COMP_WORDS=(sluice {line})\n"
                      f"COMP_CWORD={len(line.split())}; _sluice\n"
                      "echo ${COMPREPLY[@]}; }; f\n")
            done = subprocess.run(["zsh", "-f", "-c", script], text=True, capture_output=True,
                                  check=False, env=names, timeout=harness.SECONDS_MAX)
            with self.subTest(line):
                self.assertEqual((done.stdout.split(), done.stderr), (offered, ""))

    @unittest.skipUnless(shutil.which("fish"), "there is no fish")
    def test_fish_runs_it(self):
        names = {**os.environ, **self.with_names()}
        for line, offered in (("queue des", ["describe"]), ("sub o", ["orders"]),
                              ("--endpoint=tcp://a:1 sub o", []), ("sub -n shop o", []),
                              ("--keys k sub o", []), ("describe o", [])):
            script = self.script("fish") + f"complete -C 'sluice {line}'\n"
            with tempfile.TemporaryDirectory() as home:
                done = subprocess.run(["fish", "-N", "-c", script], text=True, cwd=home,
                                      capture_output=True, check=False,
                                      env={**names, "HOME": home}, timeout=harness.SECONDS_MAX)
            with self.subTest(line):
                self.assertEqual((done.stdout.split(), done.stderr), (offered, ""))

    def test_the_other_shells_have_a_script(self):
        self.assertIn("bashcompinit", self.script("zsh"))
        self.assertIn("complete -c sluice", self.script("fish"))


if __name__ == "__main__":
    harness.main()
