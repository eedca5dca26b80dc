"""Count the product's lines of code in each folder: `python -m bench.code_size [REVISION]`.

The program counts lines of Python, Lua, JavaScript and CSS in the top folder and in the folders of FOLDERS. With a
REVISION of git, the program counts that revision instead of the current files.

Blank lines, comments, docstrings and generated code do not count. Examples in the OpenAPI document do not count either.
An example is an argument, a variable or a key with the name `example` or `examples`. So better explanations do not make
the product look larger.

The module is in bench/ because it is a measurement, and because modules in bench/ are linted and typed.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import tarfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FOLDERS = ("bayou", "storage", "apps", "replica", "cli", "cluster", "web")
TOP = "(top)"
GENERATED = {"a_e_pb2.py"}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
EXAMPLES = {"example", "examples"}
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}

# Strings come first, so that the `//` in one is no comment. The group "comment" is removed.
COMMENTS = {
    ".lua": re.compile(
        r"""\[(=*)\[.*?\]\1\]|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?P<comment>--\[(=*)\[.*?\]\3\]|--[^\n]*)""",
        re.DOTALL,
    ),
    ".js": re.compile(
        r"""`(?:\\.|[^`\\])*`|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'"""
        r"""|(?P<comment>/\*.*?\*/|//[^\n]*)|(?<=[(,=:\[!&|?{};\s])/(?![*/\s])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/""",
        re.DOTALL,
    ),
    ".css": re.compile(r"""\"(?:\\.|[^"\\\n])*\"|'(?:\\.|[^'\\\n])*'|(?P<comment>/\*.*?\*/)""", re.DOTALL),
}

Span = tuple[tuple[int, int], tuple[int, int]]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.code_size", description="Count the product's lines of code.")
    parser.add_argument(
        "revision", nargs="?", metavar="REVISION", help="a revision of git (default: the files as they are)"
    )
    lines = count(parser.parse_args().revision)
    suffixes = [".py", *COMMENTS]
    print(f"{'folder':10}" + "".join(f"{suffix:>8}" for suffix in suffixes) + f"{'all':>8}")
    for folder in (TOP, *FOLDERS, "all"):
        row = [
            sum(n for (at, kind), n in lines.items() if kind == suffix and folder in {at, "all"}) for suffix in suffixes
        ]
        print(f"{folder:10}" + "".join(f"{number or '':>8}" for number in row) + f"{sum(row):>8}")


def count(revision: str | None = None) -> Counter[tuple[str, str]]:
    """Count the lines of code for each (folder, suffix). With a revision of git, count that revision; with None, count
    the current files."""
    lines: Counter[tuple[str, str]] = Counter()
    for path, text in _files(revision):
        folder = path.parts[0] if len(path.parts) > 1 else TOP
        if folder not in {TOP, *FOLDERS} or path.name in GENERATED:
            continue
        if path.suffix == ".py":
            lines[folder, path.suffix] += python_lines(text)
        elif path.suffix in COMMENTS:
            lines[folder, path.suffix] += other_lines(text, COMMENTS[path.suffix])
    return lines


def python_lines(text: str) -> int:
    """Count the lines with at least one token that is not part of a comment, a docstring or an example."""
    spans = list(_skipped(ast.parse(text)))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT and not any(start <= token.start < end for start, end in spans):
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines)


def _skipped(tree: ast.AST) -> Iterator[Span]:
    """Yield the positions of the docstrings and the examples."""
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            yield _span(node.body[0])
        elif isinstance(node, ast.keyword | ast.Assign | ast.AnnAssign) and _name(node) in EXAMPLES:
            yield _span(node)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value in EXAMPLES:
                    yield _span(key)[0], _span(value)[1]


def _name(node: ast.keyword | ast.Assign | ast.AnnAssign) -> str | None:
    if isinstance(node, ast.keyword):
        return node.arg
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return target.id.lower() if isinstance(target, ast.Name) else None


def _span(node: ast.stmt | ast.expr | ast.keyword) -> Span:
    """Return the position of a node, from its first character to the comma, colon or bracket that follows it."""
    return (node.lineno, node.col_offset), (node.end_lineno or node.lineno, (node.end_col_offset or 0) + 1)


def other_lines(text: str, pattern: re.Pattern[str]) -> int:
    """Count the lines of Lua, JavaScript or CSS that hold more than comments."""
    code = pattern.sub(lambda match: "\n" * match[0].count("\n") if match["comment"] else match[0], text)
    return sum(bool(line.strip()) for line in code.splitlines())


def _files(revision: str | None) -> Iterator[tuple[PurePosixPath, str]]:
    if revision is None:
        names = subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines()
        yield from (
            (PurePosixPath(name), Path(name).read_text("utf-8"))
            for name in names
            if _counts(name) and Path(name).exists()
        )
        return
    archive = subprocess.run(["git", "archive", revision], check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in files.getmembers():
            file = files.extractfile(member) if member.isfile() and _counts(member.name) else None
            if file is not None:
                yield PurePosixPath(member.name), file.read().decode()


def _counts(name: str) -> bool:
    return PurePosixPath(name).suffix in {".py", *COMMENTS}


if __name__ == "__main__":
    main()
