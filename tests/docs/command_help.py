"""What the programs themselves say of their commands and flags, by `--help`."""

import pathlib
import re
import subprocess

# The names of a flag at the beginning of a line, and the value that it takes, if any.
NAME = r"-{1,2}[a-zA-Z][\w-]*(?:\{\w+\})?"
FLAG = re.compile(rf"^ +({NAME}(?:,{NAME})*)(?: ((?!\(Env|Excludes|Needs)\S+))?", re.M)
CHOICES = re.compile(r"\{([\w,-]+)\}")


class Help:
    """Of one command of ours: its flags, the commands below it, and the text."""

    def __init__(self, text):
        self.text = text
        self.values = {}  # flag -> what its value looks like; "" where it takes none
        for names, value in FLAG.findall(text):
            for name in names.split(","):
                self.values[name.split("{")[0]] = value
        below = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
        self.commands = re.findall(r"^  ([a-z][\w-]*)", below[1], re.M) if below else []

    def choices(self, flag):
        """The words that the flag's value is one of; empty when anything goes."""
        found = CHOICES.search(self.values.get(flag, ""))
        return found[1].split(",") if found else []


class Programs:
    """Asks each command once."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._known = {}

    def help(self, *words):
        """`words` are a program and its commands. None: there is no such command."""
        if words not in self._known:
            done = subprocess.run([str(self.folder / words[0]), *words[1:], "--help"], text=True,
                                  capture_output=True, check=False)
            self._known[words] = Help(done.stdout) if done.returncode == 0 else None
        return self._known[words]
