"""`cluster.py exercise`: each unsolved exercise fails with a helpful message, and each solution passes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.drivers.simulated import SimulatedDriver
from cluster.exercises import exercise as exercises
from cluster.exercises.checks import EXERCISES
from cluster.exercises.exercise import FOLDER, exercise
from tests.support.scenario_harness import ROOT

Check = Callable[[int], tuple[int, str]]
OVERLAPS = "start < :stop AND stop > :start"


@pytest.fixture
def check(
    simulation: SimulatedDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Check:
    """Return a function that runs the command for one exercise in an empty folder. The function returns the exit status
    and the output of the command."""

    @contextlib.contextmanager
    def simulated() -> Iterator[SimulatedDriver]:
        yield simulation
        simulation.close()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exercises, "simulation", simulated)
    monkeypatch.setattr(exercises, "on_stop", lambda _: None)

    def run(number: int) -> tuple[int, str]:
        status = exercise(number)
        return status, capsys.readouterr().out

    return run


def edit(number: int, before: str, after: str) -> None:
    """Replace a text in the solution of an exercise, and put the result into the current folder."""
    text = (FOLDER / "solutions" / EXERCISES[number].file).read_text(encoding="utf-8")
    assert before in text
    Path(EXERCISES[number].file).write_text(text.replace(before, after), encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "helpful"),
    [
        (1, "eve was told: 09:00 tentative\n"),
        (2, "✗ phone reads new at a\n    nobody read anything\n"),
        (3, "one holds: vish 9:30–10:30, priyal 10:00–11:00, neil 11:00–12:00\n"),
        (4, "the cluster said `w2 refused`: the check is too wide\n"),
    ],
)
def test_an_exercise_is_given_once_and_fails_as_it_is_given(check: Check, number: int, helpful: str) -> None:
    file = Path(EXERCISES[number].file)
    status, given = check(number)
    assert status == 0
    assert f"Edit {file}, and run this command again to check it." in given
    assert file.read_bytes() == (FOLDER / file).read_bytes()
    status, checked = check(number)
    assert status == 1
    assert helpful in checked
    assert f"Not yet. Edit {file}, and run this command again." in checked


@pytest.mark.parametrize("number", EXERCISES)
def test_the_solution_passes_and_is_not_overwritten(check: Check, number: int) -> None:
    file = Path(EXERCISES[number].file)
    shutil.copy(FOLDER / "solutions" / file, file)
    status, checked = check(number)
    assert status == 0
    assert "✗" not in checked
    assert checked.endswith("Done.\n")
    assert file.read_bytes() == (FOLDER / "solutions" / file).read_bytes()


@pytest.mark.parametrize(
    ("number", "before", "after", "helpful"),
    [
        (1, "restoreConnection b d", "restoreConnection a c\nrestoreConnection a d\nrestoreConnection b d",
         "Both reservations came to her server at once"),
        (1, "status eve r3\nrestoreConnection b c\n", "restoreConnection b c\nrestoreConnection a b\n",
         "Both reservations came to her server at once"),
        (1, "reserve bob", "reserve eve 7.01 2026-12-01T09:00/10:00\nreserve bob", "there are 4 reservations"),
        (1, "status eve r3", "status ann r3", "eve was told: 09:00 tentative\n"),
        (1, "joinServer d\n", "", "missing, or moved: joinServer d"),
        (2, "joinClient tablet b", "joinClient tablet a", "tablet read new at a"),
        (2, "get phone song\njoinClient tablet b\n", "joinClient tablet b\n",
         "tablet read old at b, phone read old at b"),
        (2, "get phone song\njoinClient tablet b\n", "get phone\njoinClient tablet b\n", "‼ usage: get CLIENT SONG"),
        (3, OVERLAPS, "start = :start", "two holds: "),
        (3, ":stop, :user)", ":stop, 'a guest')", "✗ at one vish, priyal and neil have one meeting each"),
        (3, "check:  {query", "chek:  {query", "‼ "),
        (4, OVERLAPS, "start = :start", "w3 updated"),
        (4, OVERLAPS, "start <= :stop AND stop >= :start", "w2 refused`: the check is too wide"),
        (4, "expect: []}", "expect: [}", "exercise4.yaml cannot be read as YAML"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_explained(check: Check, number: int, before: str, after: str, helpful: str) -> None:
    edit(number, before, after)
    status, checked = check(number)
    assert status == 1
    assert helpful in checked


def test_the_exercises_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert exercise(None) == 0
    assert "1  A reservation that moves twice.  exercise1.test" in capsys.readouterr().out
    assert exercise(9) == 2
    assert capsys.readouterr().err == "There is no exercise 9. `python cluster.py exercise` lists them.\n"


def test_the_texts_of_the_exercises_fit_on_80_columns() -> None:
    for one in EXERCISES.values():
        comments = [line for line in (FOLDER / one.file).read_text().splitlines() if line.startswith("#")]
        assert max(map(len, comments)) <= 80
    assert {path.name for path in FOLDER.glob("exercise*")} == {one.file for one in EXERCISES.values()}
    assert (ROOT / "exercises") == FOLDER
