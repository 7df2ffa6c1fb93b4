"""The command lines of a page: those in blocks of code, and those in backquotes."""

import re
import shlex

OURS = ("sluice", "sluice-sidecar", "sluice-operator")
OTHERS = ("kubectl", "helm")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
# Blocks of something else than commands.
NO_SHELL = ("yaml", "json", "cpp", "cmake", "ini", "promql")
COMMENT = re.compile(r"(^|\s)#.*$")


def _is_command(word):
    return word in OURS + OTHERS or word.startswith(("tests/", "./", "bench/", "helm/", "crds/"))


def _simple_commands(line):
    """What stands between pipes and the like, each as words; what is no shell is left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        tokens = list(lexer)
    except ValueError:
        return
    words = []
    for token in [*tokens, ";"]:
        if re.fullmatch(r"[|&;<>]+", token):
            if words:
                yield words
            # What a file is redirected to is no command.
            words = ["<"] if token[0] in "<>" else []
        else:
            words.append(token)


def _commands_of(line):
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from _commands_of(inner)
    for words in _simple_commands(line):
        while words and re.fullmatch(r"\w+=.*|time|sudo|nice|exec", words[0]):
            words = words[1:]
        if "--" in words:  # kubectl exec POD -- COMMAND
            at = words.index("--")
            if words[at + 1:] and _is_command(words[at + 1]):
                yield words[at + 1:]
            words = words[:at]
        if words and _is_command(words[0]):
            yield words


def _plain(text):
    """Without the marks for what may be left out, and what comes again."""
    return re.sub(r"[\[\]]|\.\.\.", " ", text)


def of_page(text):
    """Lists of words, each a command that the page shows."""
    for language, block in BLOCK.findall(text):
        if language in NO_SHELL:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            yield from _commands_of(_plain(COMMENT.sub("", line.removeprefix("$ "))))
    for quoted in re.findall(r"`([^`\n]+)`", BLOCK.sub("", text)):
        if quoted.split(" ", 1)[0] in OURS + OTHERS and " " in quoted:
            yield from _commands_of(_plain(quoted))


def of_table(text):
    """(command, flags) for each row of a table of our commands: docs/cli.md has one."""
    for row in re.findall(r"^\| (`.*)$", text, re.M):
        cell = re.split(r"(?<!\\)\|", row)[0].replace("\\|", "|")
        said = _plain(" ".join(re.findall(r"`([^`]*)`", cell))).split()
        names = [part.split()[0] for part in " ".join(said).split(" | ")
                 if re.match(r"[a-z]", part)]
        yield said[0], names, [word for word in said if word.startswith("--")]
