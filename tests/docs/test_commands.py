#!/usr/bin/env python3
"""Each command that a page of the documentation shows exists, with the flags that it shows.

    test_commands.py --bin FOLDER

Ours are asked by `--help`. Of kubectl and helm the verbs and flags that we use are known here: a
word that is not among them is either a slip or new.
"""

import os
import pathlib
import re
import subprocess
import sys
import unittest

import command_help
import command_lines

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = None
KUBECTL_VERBS = {"annotate", "apply", "create", "delete", "describe", "exec", "explain", "get",
                 "label", "logs", "patch", "port-forward", "rollout", "run", "scale", "top", "wait"}
KUBECTL_FLAGS = {"-A", "-f", "-l", "-n", "-o", "--all", "--all-namespaces", "--field-selector",
                 "--for", "--from-file", "--from-literal", "--namespace", "--overwrite",
                 "--previous", "--raw", "--recursive", "--replicas", "--selector", "--server-side",
                 "--show-managed-fields", "--since", "--sort-by", "--tail", "--timeout", "--type",
                 "-p", "--watch", "-w"}
HELM_VERBS = {"install", "lint", "template", "test", "uninstall", "upgrade"}
HELM_FLAGS = {"--create-namespace", "--install", "--logs", "--namespace", "-n", "--reuse-values",
              "--set", "--take-ownership", "--timeout", "--values", "-f", "--wait"}
# So many at least are on the pages: fewer means that they were not found any more.
COMMANDS_MIN = 200


def pages():
    yield ROOT / "README.md"
    yield ROOT / "CONTRIBUTING.md"
    for folder in ("docs", "helm", "examples", "bench", "tests"):
        yield from sorted((ROOT / folder).rglob("*.md"))


def is_flag(word):
    return re.match(r"--?[a-zA-Z]", word) is not None


def is_placeholder(word):
    """QUEUE, A-B, orders: what somebody puts something else for, or a name."""
    return not re.fullmatch(r"[a-z][a-z-]*", word)


class Checker:
    """Says what is wrong with a command line, one after the other."""

    def __init__(self, programs):
        self.programs = programs
        self.scripts = {}

    def problems(self, words):
        if words[0] == "kubectl" and "sluice" in words[1:2]:
            words = words[1:]
        if words[0] in command_lines.OURS:
            yield from self.of_ours(words)
        elif words[0] == "kubectl":
            yield from self.of_table(words, KUBECTL_VERBS, KUBECTL_FLAGS)
        elif words[0] == "helm":
            yield from self.of_table(words, HELM_VERBS, HELM_FLAGS)
        else:
            yield from self.of_script(words)

    @staticmethod
    def of_table(words, verbs, flags):
        named = [word for word in words[1:] if not is_flag(word)]
        if not verbs & set(named) and not all(map(is_placeholder, named)):
            yield f"none of {named} is a command of {words[0]}"
        for word in words[1:]:
            if is_flag(word) and word.split("=")[0] not in flags:
                yield f"unknown flag {word}"

    def of_ours(self, words):
        path, rest = words[:1], words[1:]
        root = here = self.programs.help(words[0])
        while rest:
            word, rest = rest[0], rest[1:]
            if is_flag(word):
                name, equals, value = word.partition("=")
                known = here if name in here.values else root
                if name not in known.values:
                    yield f"{' '.join(path)} has no flag {name}"
                elif known.values[name] and not equals:
                    if not rest or is_flag(rest[0]):
                        continue  # a list of flags, not a command
                    value, rest = rest[0], rest[1:]
                choices = known.choices(name)
                if value and choices and not value.isupper() and value not in choices:
                    yield f"{name} takes one of {choices}, not {value}"
            elif here.commands:
                if word in here.commands:
                    path.append(word)
                    here = self.programs.help(*path)
                elif not is_placeholder(word):
                    yield f"{' '.join(path)} has no command {word}"
                    return

    def of_script(self, words):
        """One of the repository's own: there, and knows the flags."""
        name = words[0].removeprefix("./")
        path = ROOT / name
        if is_built(name) or any(map(is_placeholder_of_path, path.parts)):
            return
        if not path.exists():
            yield f"{name} is not there"
            return
        flags = [word.split("=")[0] for word in words[1:] if word.startswith("--") and word != "--"]
        if flags and os.access(path, os.X_OK):
            known = self.script_help(path)
            for flag in flags:
                if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", known):
                    yield f"{name} has no flag {flag}"

    def script_help(self, path):
        if path not in self.scripts:
            self.scripts[path] = subprocess.run(
                [str(path), "--help"], text=True, capture_output=True, check=False, cwd=ROOT,
                stdin=subprocess.DEVNULL, timeout=60).stdout
        return self.scripts[path]


def is_built(name):
    return name.startswith("build/")


def is_placeholder_of_path(part):
    return part.isupper() and len(part) > 1


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.programs = command_help.Programs(BIN)

    def test_they_exist_with_these_flags(self):
        checker, count = Checker(self.programs), 0
        for page in pages():
            for words in command_lines.of_page(page.read_text(encoding="utf-8")):
                count += 1
                with self.subTest(page=str(page.relative_to(ROOT)), command=" ".join(words)):
                    self.assertEqual(list(checker.problems(list(words))), [])
        print(f"{count} commands", file=sys.stderr)
        self.assertGreater(count, COMMANDS_MIN)

    def test_slips_are_found(self):
        checker = Checker(self.programs)
        for line in ("sluice stats orders", "sluice peek orders --dead", "kubectl gte pods",
                     "kubectl get pods --fields x", "helm upgrade sluice --instal",
                     "sluice queue show orders", "kubectl sluice -n shop lst",
                     "sluice redrive orders --reason AttemptExceeded",
                     "sluice-sidecar brokers", "sluice-operator --broker-tag 1",
                     "echo hello | sluice pub orders --line", "tests/cluster/upp",
                     "kubectl exec orders-0 -- sluice log check /data"):
            with self.subTest(command=line):
                found = [one for words in command_lines.of_page(f"```\n{line}\n```\n")
                         for one in checker.problems(list(words))]
                self.assertEqual(len(found), 1, found)

    def test_the_table_of_commands_has_all_of_them_with_their_flags(self):
        text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
        table = text.split("\n| command | |\n")[1].split("\n\n")[0]
        root, told = self.programs.help("sluice"), set()
        for command, names, flags in command_lines.of_table(table):
            with self.subTest(command=command):
                told |= {command} | {name for name in names if name in root.commands}
                self.assertIn(command, root.commands)
                known = {flag for one in self.below(command) for flag in one.values}
                self.assertEqual([flag for flag in flags if flag not in known], [])
        self.assertEqual(sorted(set(root.commands) - told), [])

    def below(self, command):
        """What is said of a command, and of those below it."""
        here = self.programs.help("sluice", command)
        return [self.programs.help("sluice"), here,
                *(self.programs.help("sluice", command, name) for name in here.commands)]

    def test_flags_of_the_operator_are_in_its_table(self):
        text = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
        section = text.split("\n## Flags\n")[1].split("\n## ")[0]
        known = set(self.programs.help("sluice-operator").values)
        told = set(re.findall(r"`(--[a-z][\w-]*)", section))
        self.assertEqual(told - known, set())
        told |= {one.replace("--no-", "--") for one in told}
        self.assertEqual({one for one in known if one.startswith("--")} - told,
                         {"--help", "--version"})


if __name__ == "__main__":
    at = sys.argv.index("--bin") if "--bin" in sys.argv else sys.exit(__doc__)
    BIN = pathlib.Path(sys.argv[at + 1])
    unittest.main(argv=sys.argv[:at] + sys.argv[at + 2:], verbosity=2)
