"""Reads the scripts of scenarios/ as lessons.

The first line of a script is a comment with its claim and, in brackets, its source. Each later comment begins a step
and is the narration of that step. Commands before the first such comment are a step without narration.
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
    """There is no lesson with this name. The message suggests a similar one."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a lesson. `lines` are all lines of the step, with comments. `narration` may be empty."""

    narration: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    name: str
    claim: str
    source: str
    steps: tuple[Step, ...]


def lessons() -> list[Lesson]:
    """Return all lessons, sorted by name."""
    return [read_lesson(path) for path in sorted(FOLDER.glob("*.test"))]


def find_lesson(name: str) -> Lesson:
    """Return the lesson with this name. Raise NoLesson if there is none."""
    names = [path.stem for path in sorted(FOLDER.glob("*.test"))]
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise NoLesson(f"There is no lesson {name}.{hint} `python cluster.py lesson` lists them all.")
    return read_lesson(FOLDER / f"{name}.test")


def read_lesson(path: Path) -> Lesson:
    """Read a script as a lesson. Raise ValueError if its first line is not a claim with a source."""
    lines = path.read_text(encoding="utf-8").splitlines()
    opening = _OPENING.fullmatch(lines[0].strip()) if lines else None
    if opening is None:
        raise ValueError(f"{path} must begin with a line `# CLAIM (SOURCE).`")
    return Lesson(path.stem, f"{opening[1]}.", opening[2], _steps(lines))


def _steps(lines: Sequence[str]) -> tuple[Step, ...]:
    """Split a script into steps. The first line is the claim. A comment after a command begins a new step."""
    steps: list[Step] = []
    narration: list[str] = []
    taken = [lines[0]]
    has_commands = False
    for line in lines[1:]:
        text = line.strip()
        if text.startswith(COMMENT):
            if has_commands:
                steps.append(Step(" ".join(narration), tuple(taken)))
                narration, taken, has_commands = [], [], False
            narration.append(text.lstrip("#/ "))
        elif text:
            has_commands = True
        taken.append(line)
    return (*steps, Step(" ".join(narration), tuple(taken)))
