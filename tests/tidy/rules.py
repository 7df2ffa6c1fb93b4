"""One function a rule: takes a Tree, yields (path, line, what is wrong and what to do)."""

import pathlib
import re

import source
import table


def folder_of(path):
    """The folder of the include table that `path` lies in, or None."""
    inside = [f for f in table.MAY_INCLUDE if path.startswith(f + "/")]
    return max(inside, key=len, default=None)


def target_of(include):
    """The folder of the include table that a quoted include means, or None."""
    roots = [r for r in table.INCLUDE_ROOTS if include.startswith(r)]
    return table.INCLUDE_ROOTS[max(roots, key=len)] if roots else None


def include_direction(tree):
    """Headers are included along the layers only, by their path from lib/ or the root."""
    for path in tree.cpp():
        home = folder_of(path)
        if home is None:
            yield path, 1, "lies in no folder of the include table (tests/tidy/table.py)"
            continue
        allowed = table.MAY_INCLUDE[home]
        for line, quoted, include in source.includes(tree.text(path)):
            target = target_of(include)
            if target is None:
                if quoted:
                    yield path, line, (f'"{include}": ours are included by their path from lib/ or '
                                       "the root, all others in angle brackets")
            elif target != home and target not in allowed and "*" not in allowed:
                yield path, line, f"{home} may not include {target} ({include})"


def include_home(tree):
    """Packages stay in their adapters."""
    users = {}
    for path in tree.cpp():
        for line, _, include in source.includes(tree.text(path)):
            for pattern, homes in table.INCLUDE_HOMES.items():
                if not re.fullmatch(pattern, include):
                    continue
                users.setdefault(pattern, {}).setdefault(path, line)
                if not any(re.fullmatch(home, path) for home in homes):
                    where = ", ".join(homes) or "nowhere"
                    yield path, line, f"<{include}> belongs elsewhere: {where}"
    for pattern in table.ONE_FILE_ONLY:
        folders = set()
        for path, line in sorted(users.get(pattern, {}).items()):
            if folder_of(path) in folders:
                yield path, line, f"{pattern} is included by one file only, and there is another"
            folders.add(folder_of(path))


def purity(tree):
    """Pure folders take time, randomness and threads from outside."""
    for path in tree.cpp():
        inside = any(path.startswith(folder + "/") for folder in table.PURE)
        if not inside or re.fullmatch(table.IMPURE_PROGRAMS, path):
            continue
        code = source.strip_comments_and_strings(tree.text(path))
        for token in table.IMPURE_TOKENS:
            for match in re.finditer(token, code):
                yield path, source.line_of(code, match.start()), (
                    f"{match[0].strip()} in a pure folder: take it as an argument")


def own_header_first(tree):
    """x.cc begins with x.h: the cheapest proof that the header stands alone."""
    files = set(tree.files)
    for path in tree.with_suffix(".cc"):
        header = path[:-len(".cc")] + ".h"
        found = source.includes(tree.text(path))
        if header in files and found:
            line, _, first = found[0]
            if not header.endswith("/" + first) and header != first:
                yield path, line, f"the first include is its own header, {header}"


def pragma_once(tree):
    for path in tree.with_suffix(".h"):
        if not re.search(r"^#pragma once$", tree.text(path), re.M):
            yield path, 1, "no #pragma once"


def using_namespace(tree):
    """Names say where they come from; literals have no other way in."""
    for path in tree.cpp():
        code = source.strip_comments_and_strings(tree.text(path))
        for match in re.finditer(r"\busing\s+namespace\s+([\w:]+)", code):
            if "literals" not in match[1]:
                yield path, source.line_of(code, match.start()), f"using namespace {match[1]}"


_LOCAL_NAME = re.compile(
    r"^using (?:[\w:]*::(?P<declared>\w+)|(?P<alias>\w+) = [^;]+);"
    r"|^(?:static |inline )*constexpr\b[^=({]*?"
    r"\b(?P<constant>k[A-Z]\w*)(?:\[[^]]*\])?\s*[={(]", re.M)


def unused_names(tree):
    """What a source declares for itself it uses. The compilers and clang-tidy see that in the main
    file only, and in a unity build none of ours is one."""
    for path in tree.with_suffix(".cc"):
        code = source.strip_comments_and_strings(tree.text(path))
        for match in _LOCAL_NAME.finditer(code):
            name = match["declared"] or match["alias"] or match["constant"]
            if len(re.findall(rf"\b{name}\b", code)) == 1:
                line = source.line_of(code, match.start())
                yield path, line, f"{name} is used nowhere: take it out"


def leftovers(tree):
    """What is left to do has an issue: TODO(#12)."""
    for path in tree.written():
        for number, text in enumerate(tree.text(path).split("\n"), 1):
            match = re.search(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b(?!\(#\d+\))", text)
            if match:
                yield path, number, f"{match[0]} without an issue: write {match[0]}(#number)"


def columns(tree):
    for path in tree.written():
        for number, text in enumerate(tree.text(path).split("\n"), 1):
            if len(text) > table.COLUMNS_MAX:
                yield path, number, f"{len(text)} columns, {table.COLUMNS_MAX} at most"


def file_length(tree):
    for path in tree.written():
        limit = table.LINES_MAX_TESTS if path.startswith("tests/") else table.LINES_MAX
        count = tree.text(path).count("\n")
        if count > limit:
            yield path, count, f"{count} lines, {limit} at most: split it by its nouns"


def listed(tree):
    """Sources are listed by hand; one that nobody lists is compiled by nobody."""
    lists = {str(pathlib.PurePosixPath(p).parent): tree.text(p)
             for p in tree.with_suffix("CMakeLists.txt")}
    modules = "".join(tree.text(p) for p in tree.with_suffix(".cmake"))
    for path in tree.with_suffix(".cc"):
        pure = pathlib.PurePosixPath(path)
        named = any(
            re.search(rf"(?<![\w/.-]){re.escape(str(pure.relative_to(parent)))}(?![\w.-])",
                      lists[str(parent)])
            for parent in pure.parents if str(parent) in lists)
        if not named and path not in modules:
            yield path, 1, "no CMakeLists.txt lists this file"


ALL = {rule.__name__: rule
       for rule in (include_direction, include_home, purity, own_header_first, pragma_once,
                    using_namespace, unused_names, leftovers, columns, file_length, listed)}
