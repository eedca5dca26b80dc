"""Every scenario can be played as a lesson. The pictures show how each write has changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.lessons.catalogue import COMMENT, NoLesson, find_lesson, lessons, read_lesson
from cluster.lessons.picture import Column, Entry, changes, columns
from tests.support.scenario_harness import ROOT, SCENARIOS


def test_every_scenario_is_a_lesson() -> None:
    assert [lesson.name for lesson in lessons()] == [script.stem for script in SCENARIOS]


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_the_steps_of_a_lesson_are_all_lines_of_its_script(script: Path) -> None:
    lesson = read_lesson(script)
    assert [line for step in lesson.steps for line in step.lines] == script.read_text(encoding="utf-8").splitlines()
    for step in lesson.steps:
        assert any(line.strip() and not line.strip().startswith(COMMENT) for line in step.lines)
    assert all(step.narration for step in lesson.steps[1:])


def test_an_unknown_name_suggests_a_similar_one() -> None:
    with pytest.raises(NoLesson, match=r"^There is no lesson displacd\. Did you mean displaced\?"):
        find_lesson("displacd")


def test_a_script_without_a_claim_is_refused(tmp_path: Path) -> None:
    (tmp_path / "it.test").write_text("joinServer 0\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must begin with a line"):
        read_lesson(tmp_path / "it.test")


def entry(name: str, thing: str = "6.12", *, final: bool = False, outcome: str = "updated") -> Entry:
    return Entry(name, name, "committed" if final else "tentative", thing, final, outcome)


@pytest.mark.parametrize(
    ("before", "now", "shown"),
    [
        ([], [entry("a")], {"a": "new"}),
        ([entry("a")], [entry("a")], {}),
        ([entry("a")], [entry("a"), entry("b")], {"b": "new"}),
        ([entry("a")], [entry("b"), entry("a")], {"b": "new", "a": "replayed"}),
        ([entry("a")], [entry("b", "7.01"), entry("a")], {"b": "new"}),
        ([entry("a")], [entry("a", final=True)], {"a": "final"}),
        ([entry("a")], [entry("a", final=True, outcome="merged")], {"a": "replayed"}),
        ([entry("a", final=True)], [entry("a", final=True)], {}),
        ([entry("a", final=True)], [entry("a")], {"a": "replayed"}),
    ],
)
def test_changes_show_what_has_happened_to_each_write(
    before: list[Entry], now: list[Entry], shown: dict[str, str]
) -> None:
    assert changes(before, now) == shown


def test_columns_stand_side_by_side_where_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = [
        Column("one", True, True, 3, ("vish",), (entry("a", final=True), entry("b")), {"b": "new"}),
        Column("two", False, False, 0, (), (), {}),
    ]
    assert list(columns(shown, 60)) == [
        " one ★ primary                 two ✖ crashed",
        " CSN 3 ☺ vish",
        " ✓ a",
        "+? b",
        "",
    ]
    assert len(list(columns(shown, 30))) == 5 + 3


@pytest.mark.process
def test_without_a_terminal_a_lesson_does_not_wait_for_enter() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "cluster.py"), "lesson", "roll_back_and_replay"],
        capture_output=True, check=False, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=60,
        env={"COLUMNS": "100", "PATH": ""},
    )  # fmt: skip
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "↻? neil 6.12 11:00" in shown.stdout
    assert "◆✓ neil 6.12 11:00" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100
