"""tests/manifests as an API server sees it; its README has the form of the comments."""

import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "manifests"
BETWEEN = " | "


class Manifest:
    """One file of the table."""

    def __init__(self, path):
        self.path = path
        self.name = path.stem
        self.text = path.read_text()

    def documents(self):
        """What kubectl would send: the documents, without those that hold comments only."""
        def holds_something(document):
            lines = (line.strip() for line in document.splitlines())
            return any(line and not line.startswith("#") and line != "..." for line in lines)

        return [one for one in re.split(r"(?m)^---[ \t\r]*$", self.text) if holds_something(one)]

    def _comment(self, word):
        found = re.search(rf"(?m)^# {word}: (.*)$", self.text)
        return found.group(1) if found else None

    def expected(self):
        """What the API server's answer has to contain; None where it takes the manifest."""
        parts = self._comment("server")
        return parts.split(BETWEEN) if parts else None

    def why_here_only(self):
        return self._comment("here only")

    def is_marked_here_only(self):
        return self.text.startswith("# error (here only): ")

    def is_of_another_kind(self):
        """kubectl asks another resource about it."""
        return re.search(r"(?m)^kind: (?!Queue$|queue$)", self.text) is not None


def manifests(folder):
    return [Manifest(path) for path in sorted((FOLDER / folder).glob("*.yaml"))]
