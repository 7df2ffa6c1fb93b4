"""The tree under test: its files, and C++ text without what is not code."""

import functools
import pathlib
import re
import shutil
import subprocess

CPP = (".h", ".cc")
SCRIPTS = (".py", ".sh", ".cmake")

_NOT_CODE = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'
    """, re.S | re.X)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


def blank(text):
    """As many lines as before, and nothing on them."""
    return re.sub(r"[^\n]", " ", text)


def strip_comments(text):
    return _NOT_CODE.sub(lambda m: blank(m[0]) if m[0].startswith("/") else m[0], text)


def strip_comments_and_strings(text):
    return _NOT_CODE.sub(lambda m: blank(m[0]), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def includes(text):
    """[(line, quoted, path)] of the include directives."""
    code = strip_comments(text)
    return [(line_of(code, m.start(2)), m[1] == '"', m[2]) for m in _INCLUDE.finditer(code)]


class Tree:
    """Paths relative to the root -> texts. Tests hand in a dictionary instead of a folder."""

    def __init__(self, files, read):
        self.files = sorted(files)
        self._read = read

    @staticmethod
    def of_texts(texts):
        return Tree(texts, texts.__getitem__)

    @staticmethod
    def of_folder(root):
        root = pathlib.Path(root)
        read = functools.lru_cache(maxsize=None)(
            lambda path: (root / path).read_text(encoding="utf-8"))
        return Tree([p for p in list_files(root) if (root / p).is_file()], read)

    def text(self, path):
        return self._read(path)

    def with_suffix(self, *suffixes):
        return [p for p in self.files if p.endswith(suffixes)]

    def cpp(self):
        return self.with_suffix(*CPP)

    def written(self):
        """Everything that a person writes as a program."""
        return [p for p in self.files
                if p.endswith(CPP + SCRIPTS) or p.endswith("CMakeLists.txt") or p == ".ci/run"]


def list_files(root):
    """What git tracks; where git says nothing (a source archive), what lies there."""
    if shutil.which("git"):
        git = subprocess.run(["git", "-C", str(root), "ls-files", "-z"], capture_output=True,
                             text=True, check=False)
        if git.returncode == 0:
            return [p for p in git.stdout.split("\0") if p]
    skip = {"build", "sluice-data", ".git"}
    return [str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*")
            if p.is_file() and p.relative_to(root).parts[0] not in skip]
