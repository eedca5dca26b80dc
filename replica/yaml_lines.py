"""Reads YAML into plain data, and notes the line of every setting for error messages.

Every simple value stays the text that was typed, so a room named 6.10 does not become the number 6.1. Only an empty
value becomes None.
"""

from __future__ import annotations

from typing import Any

import yaml

Path = tuple[str | int, ...]  # keys and positions that lead to a setting


class YamlProblem(Exception):
    """The text is not valid YAML, or `read` does not accept it. `line` is the line of the problem, counted from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


class Lines(dict[Path, int]):
    """Maps the path of each setting to its line."""

    def of(self, path: Path) -> int:
        """Return the line of a setting. If the setting is missing, return the line of the setting that should contain
        it."""
        while path and path not in self:
            path = path[:-1]
        return self.get(path, 1)


def read(text: str) -> tuple[Any, Lines]:
    """Return the data of a YAML text, and the lines of all settings. Raises YamlProblem if the text is not one YAML
    document, or if a key appears twice."""
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
        raise YamlProblem(line, f"{path_text(path)} contains itself")
    lines[path] = line
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines, (*above, node))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, number), lines, (*above, node)) for number, item in enumerate(node.value)]
    return None if node.tag == "tag:yaml.org,2002:null" else node.value


def _mapping(node: yaml.MappingNode, path: Path, lines: Lines, above: tuple[yaml.Node, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlProblem(line, f"{path_text(path)} has a key that is not a text")
        inner = (*path, key.value)
        if key.value in found:
            raise YamlProblem(line, f"{path_text(inner)} appears twice (first on line {lines.of(inner)})")
        found[key.value] = _plain(value, inner, lines, above)
        lines[inner] = line
    return found


def path_text(path: Path) -> str:
    """Return the path of a setting as text, such as `replicas.one.rest` or `rooms[2]`. For the empty path, return `the
    file`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the file"
