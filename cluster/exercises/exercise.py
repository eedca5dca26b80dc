"""`cluster.py exercise`: gives a student a file to edit. If the student already has the file, the command plays the
file and checks the demands of the exercise."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from cluster import screens
from cluster.exercises.checks import EXERCISES, Exercise, Finding, Played
from cluster.language.parser import COMMENT
from cluster.language.runner import Runner
from cluster.run import simulation
from cluster.waiting import on_stop, raise_stopped
from replica.events.marks import paint

FOLDER = Path(__file__).parent.parent.parent / "exercises"
WRONG = 2


def exercise(number: int | None) -> int:
    """List the exercises if `number` is None. Otherwise copy the file of this exercise into the current folder. If the
    current folder already has this file, check the file instead.

    Return 1 if the file does not meet all demands yet. Return 2 if there is no exercise with this number. Return 0 in
    all other cases. Raise Stopped if the user stops the program, and OSError if a file cannot be read or written.
    """
    if number is None:
        for found, one in EXERCISES.items():
            print(f"{found}  {_task(one)[0].partition('. ')[2]}  {paint(one.file, attrs=['dark'])}")
        print("\npython cluster.py exercise N copies the file of exercise N here. Run it again to check your file.")
        return 0
    if number not in EXERCISES:
        print(f"There is no exercise {number}. `python cluster.py exercise` lists them.", file=sys.stderr)
        return WRONG
    chosen = EXERCISES[number]
    file = Path(chosen.file)
    title, *task = _task(chosen)
    print(paint(f" {title} ", attrs=["reverse", "bold"]))
    if not file.exists():
        shutil.copyfile(FOLDER / chosen.file, file)
        print("\n".join(task))
        print(f"\nEdit {file}, and run this command again to check it.")
        return 0
    on_stop(raise_stopped)
    return _check(chosen, file)


def _check(chosen: Exercise, file: Path) -> int:
    lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    played = play(chosen.script or lines)
    print("What the cluster did:")
    for one in played:
        if one.printed or one.note:
            print(paint(f"  ❯ {textwrap.shorten(one.line, screens.width() - 4, placeholder=' …')}", attrs=["dark"]))
        for printed in one.printed:
            print(f"      {printed}")
        if one.note:
            print(paint(f"      ‼ {one.note}", "magenta"))
    print()
    findings = [*_given(chosen, lines), *chosen.find(played)]
    for finding in findings:
        print(paint(f"✓ {finding.demand}", "green") if finding.is_met else paint(f"✗ {finding.demand}", "red"))
        if not finding.is_met:
            print(f"    {finding.instead}")
    is_done = all(finding.is_met for finding in findings)
    print(f"\n{'Done.' if is_done else f'Not yet. Edit {file}, and run this command again.'}")
    return int(not is_done)


def play(lines: Sequence[str]) -> list[Played]:
    """Play a script in the simulation. Return each command with its results."""
    printed: list[str] = []
    notes: list[str] = []
    found = []
    with simulation() as driver:
        runner = Runner(driver, printed.append, notes.append)
        for line in lines:
            printed.clear()
            notes.clear()
            runner.step(line)
            if line.strip() and not line.strip().startswith(COMMENT):
                servers = {client.id: client.server for client in runner.world.clients.values()}
                found.append(
                    Played(line.strip(), tuple(printed), servers, "; ".join(note.partition(": ")[2] for note in notes))
                )
    return found


def _given(chosen: Exercise, lines: Sequence[str]) -> Iterator[Finding]:
    """Check that the student's script still has all lines of the original script, in the original order. Comments do
    not count. Yield one finding. If the student writes rules instead of a script, yield nothing."""
    if chosen.script is not None:
        return
    left = iter([line.strip() for line in lines])
    given = [
        line for line in (FOLDER / chosen.file).read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    missing = next((line for line in given if line not in left), "")
    yield Finding("all given lines are there, in the given order", not missing, f"missing, or moved: {missing}")


def _task(chosen: Exercise) -> list[str]:
    """Return the comment lines at the beginning of the file of an exercise. These lines have the title and the task."""
    lines = (FOLDER / chosen.file).read_text(encoding="utf-8").splitlines()
    count = next(place for place, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("# ") for line in lines[:count]]
