"""Reading YAML so that a person can be told where it is wrong: plain data, and the line of every setting.

Every scalar stays the text that was typed (a room named 6.10 is not the number 6.1); only an empty value is None.
It knows YAML, and nothing of what the settings mean.
"""

from __future__ import annotations

from typing import Any

import yaml

Path = tuple[str | int, ...]  # keys and positions that lead to a setting


class YamlProblem(Exception):
    """What is wrong, and the line (from 1)."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Lines:
    """The line on which each setting stands; for one that is missing, that of what should hold it."""

    def __init__(self) -> None:
        self._lines: dict[Path, int] = {}

    def note(self, path: Path, line: int) -> None:
        self._lines[path] = line

    def of(self, path: Path) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def read(text: str) -> tuple[Any, Lines]:
    """The data and its lines; YamlProblem when it is not one document, or a key stands twice."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlProblem(mark.line + 1 if mark else 1, f"this is not YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlProblem(1, f"this is not YAML: {error}") from None
    lines = Lines()
    return (None if root is None else _plain(root, (), lines, ())), lines


def _plain(node: yaml.Node, path: Path, lines: Lines, above: tuple[yaml.Node, ...]) -> Any:
    line = node.start_mark.line + 1
    if node in above:
        raise YamlProblem(line, f"{path_text(path)} holds itself")
    lines.note(path, line)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, (*above, node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, place), lines, (*above, node)) for place, item in enumerate(node.value)]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _mapping(node: yaml.MappingNode, path: Path, lines: Lines, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlProblem(line, f"{path_text(path)} has a key that is not a word")
        inner = (*path, key.value)
        if key.value in found:
            raise YamlProblem(line, f"{path_text(inner)} stands twice (first on line {lines.of(inner)})")
        found[key.value] = _plain(value, inner, lines, above)
        lines.note(inner, line)
    return found


def path_text(path: Path) -> str:
    """`replicas.one.rest`, `rooms[2]`; `the file` for the whole."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"
