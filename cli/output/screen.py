"""The screen: colours, marks, aligned columns, error messages, and JSON for programs. This module does not import
the commands.

Text from users or replicas goes through `clean` before it is printed on a terminal.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from termcolor import colored

from bayou.names import JOINERS, is_readable
from cli.problems import Problem

# The mark and the colour of each state are the same on every screen of the project (replica/events/marks.py). A colour
# that begins with `on_` is a background, with black letters on it: yellow letters cannot be read on a light terminal.
STATES = {
    "tentative": ("?", "on_yellow"),
    "committed": ("✓", "green"),
    "rejected": ("✗", "red"),
    "conflict": ("✗", "red"),
    "forbidden": ("✗", "red"),
    "cancelled": ("–", "dark_grey"),
}
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_WORD = re.compile(r"( *)([^ ]+)")
REPLICA_COLORS = ("cyan", "magenta", "blue", "light_green", "light_blue", "light_red", "light_magenta")


@dataclass(frozen=True)
class Cell:
    """The text of a table cell, and its colour."""

    text: str
    color: str | None = None


Row = Sequence[Cell | str]


@dataclass
class Screen:
    """Prints the results of a command. `width` is in columns; None means no limit, as in a pipe."""

    color: bool
    width: int | None
    as_json: bool = False

    def paint(self, text: str, color: str | None = None, bold: bool = False) -> str:
        if not self.color or self.as_json or not (color or bold):
            return text
        if color and color.startswith("on_"):
            return colored(text, "black", color, force_color=True)
        return colored(text, color, attrs=["bold"] if bold else None, force_color=True)

    def line(self, text: str = "") -> None:
        """Print a line for people; with --json, print nothing."""
        if not self.as_json:
            print(wrapped(text, self.width), flush=True)

    def json(self, data: Any) -> None:
        """Print a line of JSON for programs; without --json, print nothing."""
        if self.as_json:
            print(json.dumps(data, ensure_ascii=False), flush=True)

    def note(self, text: str) -> None:
        """Print a remark to standard error. The results of a command go to standard output."""
        print(
            self.paint(wrapped(f"· {clean(text)}", width_of_terminal(sys.stderr)), "dark_grey"),
            file=sys.stderr,
            flush=True,
        )

    def problem(self, problem: Problem) -> None:
        """Print a problem to standard error, as text for people. With --json, print the problem to standard output."""
        self.json(problem.as_json())
        if not self.as_json:
            sys.stdout.flush()
            text = f"{self.paint('✗', 'red')} {clean(problem.message)} [{clean(problem.code)}]"
            print(wrapped(text, width_of_terminal(sys.stderr)), file=sys.stderr, flush=True)

    def mark(self, state: str) -> Cell:
        sign, color = STATES.get(state, ("·", None))
        return Cell(sign, color)

    def state(self, state: str, count: int | None = None) -> str:
        """Return a state with its mark and colour, such as `? tentative`. With a count, return `? 3 tentative`."""
        mark = self.mark(state)
        return self.paint(f"{mark.text} {'' if count is None else f'{count} '}{clean(state)}", mark.color)

    def details(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print details of the last printed line. Print each (name, text) pair on a separate, indented line."""
        for name, text in lines:
            self.line(f"  {self.paint(f'{name:<6}', 'dark_grey')} {text}")

    def table(self, rows: Sequence[Row], indent: int = 0, cut: int | None = None, heading: Sequence[str] = ()) -> None:
        """Print rows in aligned columns. `heading` is printed above them. If the rows are wider than the screen,
        shorten the column with the number `cut`. Without `cut`, shorten the last column."""
        if heading:
            rows = [[Cell(name, "dark_grey") for name in heading], *rows]
        cells = [[Cell(clean(cell)) if isinstance(cell, str) else Cell(clean(cell.text), cell.color) for cell in row]
                 for row in rows]  # fmt: skip
        if not cells:
            return
        columns = max(len(row) for row in cells)
        widths = [max((width_of(row[at].text) for row in cells if at < len(row)), default=0) for at in range(columns)]
        if self.width is not None:
            flexible = columns - 1 if cut is None else cut
            excess = indent + sum(widths) + 2 * (columns - 1) - self.width
            widths[flexible] = max(min(8, widths[flexible]), widths[flexible] - max(0, excess))
        for row in cells:
            parts = []
            for at, cell in enumerate(row):
                text = shorten(cell.text, widths[at])
                padding = " " * (widths[at] - width_of(text)) if at < len(row) - 1 else ""
                parts.append(self.paint(text, cell.color) + padding)
            self.line((" " * indent + "  ".join(parts)).rstrip())


def screen_for(out: TextIO, as_json: bool = False) -> Screen:
    """Return the screen for an output. Only a terminal has colours and a limited width. NO_COLOR turns colours off."""
    terminal = out.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return Screen(terminal and not plain, width_of_terminal(out), as_json)


def width_of_terminal(out: TextIO) -> int | None:
    """Return the width of the terminal in columns. Return None if `out` is not a terminal."""
    return shutil.get_terminal_size().columns if out.isatty() else None


def wrapped(text: str, width: int | None) -> str:
    """Break each line that is wider than `width` columns. Break a line only at blanks. Indent the new lines by two
    columns more than the broken line. Colour codes have no width."""
    if width is None:
        return text
    return "\n".join(_wrapped_line(line, width) for line in text.split("\n"))


def _wrapped_line(line: str, width: int) -> str:
    if width_of(_ESCAPE.sub("", line)) <= width:
        return line
    indent = len(line) - len(line.lstrip(" ")) + 2
    broken, used = "", 0
    for gap, word in _WORD.findall(line):
        columns = width_of(_ESCAPE.sub("", word))
        if used and used + len(gap) + columns > width and used > indent:
            broken += f"\n{' ' * indent}{word}"
            used = indent + columns
        else:
            broken += gap + word
            used += len(gap) + columns
    return broken


def clean(text: object) -> str:
    """Replace each character that could move the cursor or change the terminal. The replacement is a space."""
    return "".join(sign if is_readable(sign) else " " for sign in str(text))


def width_of(text: str) -> int:
    """Return the number of terminal columns that a text takes."""
    return sum(_columns(sign) for sign in text)


def shorten(text: str, width: int) -> str:
    """Return the text. If the text is wider than `width` columns, cut it and end it with an ellipsis (…)."""
    if width_of(text) <= width:
        return text
    taken, used = [], 0
    for sign in text:
        used += _columns(sign)
        if used > width - 1:
            break
        taken.append(sign)
    return "".join(taken) + "…"


def brief(request: str) -> str:
    """Shorten a request id for a column. A generated id is cut to 8 characters. Any other id is cut to 24 columns.

    An occurrence of a series keeps its day, as in 8f3a12cd~2026-12-08.
    """
    request, mark, day = request.partition("~")
    random = len(request) == 16 and all(sign in "0123456789abcdef" for sign in request)
    return (request[:8] if random else shorten(clean(request), 24)) + mark + clean(day)


def _columns(sign: str) -> int:
    if unicodedata.combining(sign) or sign in JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1
