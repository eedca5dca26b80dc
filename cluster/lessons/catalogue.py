"""The lessons: scripts of scenarios/, read as a claim, its source, and steps with narration.

A script opens with its claim and, in brackets, its source. Each later comment begins a step and tells it; what comes
before the first of them is a step without words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "scenarios"
COMMENT = ("#", "//")
_OPENING = re.compile(r"#\s*(.+?)\s*\(([^()]+)\)\.")


class NoLesson(Exception):
    """There is no lesson of that name; the message says which are near."""


@dataclass(frozen=True, slots=True)
class Step:
    """`narration` in sentences, perhaps none; `lines` are all lines of the script that belong to it, comments too."""

    narration: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    name: str
    claim: str
    source: str
    steps: tuple[Step, ...]


def lessons() -> list[Lesson]:
    """All of them, by name."""
    return [read_lesson(path) for path in sorted(FOLDER.glob("*.test"))]


def find_lesson(name: str) -> Lesson:
    """The lesson of that name; raises NoLesson."""
    names = [path.stem for path in sorted(FOLDER.glob("*.test"))]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise NoLesson(f"There is no lesson {name}.{hint} `python cluster.py lesson` lists them all.")
    return read_lesson(FOLDER / f"{name}.test")


def read_lesson(path: Path) -> Lesson:
    """A script as a lesson; ValueError where it does not open with a claim and its source."""
    lines = path.read_text(encoding="utf-8").splitlines()
    opening = _OPENING.fullmatch(lines[0].strip()) if lines else None
    if opening is None:
        raise ValueError(f"{path} does not open with `# CLAIM (SOURCE).`")
    return Lesson(path.stem, f"{opening[1]}.", opening[2], _steps(lines))


def _steps(lines: Sequence[str]) -> tuple[Step, ...]:
    """The first line is of the first step, and no narration; a comment behind a command begins a step."""
    steps: list[Step] = []
    told: list[str] = []
    taken = [lines[0]]
    has_commands = False
    for line in lines[1:]:
        text = line.strip()
        if text.startswith(COMMENT):
            if has_commands:
                steps.append(Step(" ".join(told), tuple(taken)))
                told, taken, has_commands = [], [], False
            told.append(text.lstrip("#/ "))
        elif text:
            has_commands = True
        taken.append(line)
    return (*steps, Step(" ".join(told), tuple(taken)))
