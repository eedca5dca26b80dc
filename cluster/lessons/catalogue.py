"""Reads scripts as lessons: the scripts in scenarios/, or a script in any other file.

The first line of a script may be a comment with the claim of the lesson. The source of the claim follows in brackets.

Every later comment begins a step, and is the narration of this step. If there are commands before the first of these
comments, they are a step without narration. In a script without later comments, each command ends a step. The commands
in _PREPARING do not end a step.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.language.parser import COMMENT

FOLDER = Path(__file__).parent.parent.parent / "scenarios"
_OPENING = re.compile(r"#\s*(.+?)\s*\(([^()]+)\)\.")
_PREPARING = {"joinServer", "joinClient", "breakConnection", "pause", "clock"}


class NoLesson(Exception):
    """There is no lesson and no file with this name. If a lesson has a similar name, the message suggests this
    lesson."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a lesson. `lines` are all lines of the step, with comments. `narration` may be empty."""

    narration: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A script as a lesson. `claim` and `source` are empty if the first line of the script does not have them."""

    name: str
    claim: str
    source: str
    steps: tuple[Step, ...]


def lessons() -> list[Lesson]:
    """Return the lessons of scenarios/, sorted by name."""
    return [read_lesson(path) for path in _scripts().values()]


def find_lesson(name: str) -> Lesson:
    """Return the lesson of scenarios/ with this name. If there is no such lesson, read the script in the file `name`.
    Raise NoLesson if there is no such file. Raise OSError if the file cannot be read."""
    scripts = _scripts()
    path = scripts.get(name, Path(name))
    if name in scripts or path.exists():
        return read_lesson(path)
    close = difflib.get_close_matches(name, scripts, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise NoLesson(
        f"There is no lesson {name}, and no script file {name}.{hint} `python cluster.py lesson` lists the lessons."
    )


def read_lesson(path: Path) -> Lesson:
    """Read a script as a lesson. Raise OSError if it cannot be read."""
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    opening = _OPENING.fullmatch(lines[0].strip()) if lines else None
    if opening is None:
        return Lesson(path.stem, "", "", _steps((), lines))
    return Lesson(path.stem, f"{opening[1]}.", opening[2], _steps(lines[:1], lines[1:]))


def _scripts() -> dict[str, Path]:
    return {path.stem: path for path in sorted(FOLDER.glob("*.test")) if path.is_file()}


def _steps(opening: Sequence[str], lines: Sequence[str]) -> tuple[Step, ...]:
    """Split the lines of a script into steps. The lines in `opening` are the first lines of the first step."""
    steps: list[Step] = []
    narration: list[str] = []
    taken = list(opening)
    has_commands = is_complete = False
    is_narrated = any(line.strip().startswith(COMMENT) for line in lines)
    for line in lines:
        text = line.strip()
        if has_commands and (text.startswith(COMMENT) or (is_complete and text)):
            steps.append(Step(" ".join(narration), tuple(taken)))
            narration, taken, has_commands, is_complete = [], [], False, False
        if text.startswith(COMMENT):
            narration.append(text.lstrip("#/ "))
        elif text:
            has_commands = True
            is_complete = not is_narrated and text.split()[0] not in _PREPARING
        taken.append(line)
    return (*steps, Step(" ".join(narration), tuple(taken)))
