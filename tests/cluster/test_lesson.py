"""Every scenario can be played as a lesson. The pictures mark each write that is new, was replayed or became final."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bayou.stamps import write_id
from cluster import screens
from cluster.drivers.driver import BEGINNING_US
from cluster.drivers.simulated import SimulatedDriver
from cluster.language.parser import COMMENT
from cluster.lessons import catalogue
from cluster.lessons.catalogue import NoLesson, find_lesson, lessons, read_lesson
from cluster.lessons.frames import screenfuls
from cluster.lessons.lesson import Player, lesson
from cluster.lessons.picture import Column, Entry, changes, columns, newest_changed, small_stamp
from tests.support.cluster_command import ClusterCommand, cluster_command
from tests.support.scenario_harness import ROOT, SCENARIOS
from tests.support.terminal import Terminal

__all__ = ["cluster_command"]  # a fixture


def test_every_scenario_is_a_lesson() -> None:
    assert [lesson.name for lesson in lessons()] == [script.stem for script in SCENARIOS]


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_the_steps_of_a_lesson_are_all_lines_of_its_script(script: Path) -> None:
    lesson = read_lesson(script)
    assert [line for step in lesson.steps for line in step.lines] == script.read_text(encoding="utf-8").splitlines()
    for step in lesson.steps:
        assert any(line.strip() and not line.strip().startswith(COMMENT) for line in step.lines)
    is_narrated = any(step.narration for step in lesson.steps)
    assert all(bool(step.narration) == is_narrated for step in lesson.steps[1:])


def test_an_unknown_name_suggests_a_similar_one() -> None:
    with pytest.raises(NoLesson, match=r"^There is no lesson displacd, .*\. Did you mean displaced\?"):
        find_lesson("displacd")


def test_any_script_is_a_lesson(tmp_path: Path) -> None:
    script = tmp_path / "it.test"
    script.write_text(
        "// Two servers.\njoinServer 0\njoinServer 1\n# A song.\njoinClient c 0\nput c a 1\n", encoding="utf-8"
    )
    found = find_lesson(str(script))
    assert (found.name, found.claim, [step.narration for step in found.steps]) == (
        "it",
        "",
        ["Two servers.", "A song."],
    )


def test_a_script_without_comments_has_a_step_for_each_command_that_may_show_something(tmp_path: Path) -> None:
    script = tmp_path / "it.test"
    lines = [
        "joinServer 0",
        "joinServer 1",
        "joinClient c 0",
        "put c a 1",
        "",
        "get c a",
        "pause",
        "breakConnection 0 1",
        "start",
    ]
    script.write_text("\n".join(lines), encoding="utf-8")
    assert [step.lines for step in read_lesson(script).steps] == [
        ("joinServer 0", "joinServer 1", "joinClient c 0", "put c a 1", ""),
        ("get c a",),
        ("pause", "breakConnection 0 1", "start"),
    ]


def test_an_empty_file_is_a_lesson_with_an_empty_step(tmp_path: Path) -> None:
    (tmp_path / "it.test").write_bytes(b"")
    assert [step.lines for step in read_lesson(tmp_path / "it.test").steps] == [()]


def test_a_stray_file_does_not_break_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.test").write_bytes(b"joinServer \xff\n")
    (tmp_path / "folder.test").mkdir()
    (tmp_path / "good.test").write_text("# It works (Terry 1995, section 4).\njoinServer 0\n", encoding="utf-8")
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    assert lesson(None) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[:4] == ["good", "    It works. Terry 1995, section 4", "mine", "    (no claim in its first line)"]


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
        Column("one", True, True, 3, ("vish",), (entry("a", final=True), entry("b")), {"b": "new"}, 2),
        Column("two", False, False, 0, (), (), {}, 0),
    ]
    assert list(columns(shown, 60)) == [
        " one ★ primary                 two ✖ crashed",
        " CSN 3 ☺ vish",
        "   2 of membership",
        " ✓ a",
        "+? b",
    ]
    assert list(columns(shown, 60, 1))[2:] == ["   … 1 before", "+? b"]
    assert len(list(columns(shown, 30))) == 5 + 1 + 2
    assert list(columns(shown, 30, 1))[-3:] == ["", " two ✖ crashed", ""]


def test_a_picture_knows_how_many_writes_show_all_changes() -> None:
    log = (entry("a"), entry("b"), entry("c"))
    assert newest_changed(Column("one", True, True, 0, (), log, {"b": "new"}, 0)) == 2
    assert newest_changed(Column("one", True, True, 0, (), log, {}, 0)) == 0


def test_a_narrow_column_continues_a_write_on_the_next_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    shown = [Column("one", True, False, 1, (), (entry("priyal 6.12 11:30–12:30"),), {}, 0)]
    assert list(columns(shown, 20))[2:] == [" ?priyal 6.12", "   11:30–12:30"]


def test_the_frames_of_a_session_are_shown_with_their_sizes(
    simulation: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    player = Player(find_lesson("one_session"), simulation)
    simulation.watch = player.note_frame
    shown = [*player.steps()]
    found = next(text for text in shown if "the sessions of step 3" in text)
    frames = re.findall(r"^(one → two|two → one)  (\w+) +(\d+) B  [0-9a-f ]+", found, re.M)
    assert [frame[1] for frame in frames][:2] == ["Hello", "Hello"]
    assert [frame[1] for frame in frames][-2:] == ["Done", "Done"]
    assert f"{len(frames)} frames, {sum(int(frame[2]) for frame in frames)} bytes" in found
    assert "I hold all commits up to CSN 1 and all writes up to V one:4 two:10." in found
    assert "✓ #3 is the write 10@two, which you hold: only its number is sent." in found
    assert '"merge":"first_free_alternative"' in found
    assert max(map(len, found.split("\n"))) <= 80


def test_frames_are_put_on_screens_that_fit() -> None:
    blocks = [["a"] * 3, ["b"] * 3, ["c"] * 9, ["d"]]
    assert [len(lines) for lines in screenfuls(blocks, 7)] == [6, 9, 1]
    assert [len(lines) for lines in screenfuls(blocks, None)] == [16]


def test_the_rules_of_a_write_are_shown_before_it(simulation: SimulatedDriver) -> None:
    shown = [*Player(find_lesson("rules_travel"), simulation).steps()]
    assert shown[0].startswith(" examples/meetings/meetings.yaml ")
    assert "key: [room, day, start]" in shown[0]
    assert "step 1 of 7" in shown[1]
    assert sum("expect: []" in text for text in shown) == 1  # each file once


@pytest.fixture
def screen(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Yields a function that plays a lesson on a terminal of 24 lines of 80 columns, or of another size."""
    opened: list[Terminal] = []

    def play(name: str, size: tuple[int, int] = (24, 80)) -> Terminal:
        environment = {"PATH": os.environ["PATH"], "TERM": "xterm"}
        opened.append(Terminal("cluster.py", "lesson", name, environment=environment, cwd=tmp_path, size=size))
        return opened[-1]

    yield play
    for terminal in opened:
        terminal.close()


@pytest.mark.process
def test_a_lesson_goes_on_and_back(screen: Callable[..., Terminal]) -> None:
    terminal = screen("tentative_and_committed")
    terminal.expect("step 1 of 4")
    terminal.expect("⏎ on   q end")
    assert "back" not in terminal.raw
    terminal.type("\r")
    terminal.expect("step 2 of 4")
    terminal.expect("r1 6.12 2026-12-01T09:00/10:00 tentative")
    terminal.expect("← back")
    assert "\x1b[43m\x1b[30m? vish 6.12 09:00" in terminal.raw
    terminal.type("\x1b[D")
    terminal.expect("step 1 of 4")
    terminal.type(" ")
    terminal.expect("step 2 of 4")
    terminal.expect("r1 6.12 2026-12-01T09:00/10:00 tentative")  # the same step again: nothing was reserved twice
    terminal.type("\x1b[6~")
    terminal.expect("step 3 of 4")
    terminal.expect("calendar one 6.12 2026-12-01")
    terminal.expect("(nothing)")
    terminal.type("\r")
    terminal.expect("step 4 of 4")
    terminal.expect("q end")
    terminal.type("\r")
    assert terminal.ended() == 0


@pytest.mark.process
def test_ctrl_c_ends_a_lesson_and_leaves_the_terminal_as_it_was(screen: Callable[..., Terminal]) -> None:
    terminal = screen("displaced")
    terminal.expect("q end")
    terminal.process.send_signal(signal.SIGINT)
    terminal.expect("Stopped. Nothing is left running.")
    assert terminal.ended() == 130


@pytest.mark.process
def test_a_step_that_is_too_high_says_what_it_needs(screen: Callable[..., Terminal]) -> None:
    terminal = screen("tentative_and_committed", (10, 80))
    terminal.expect("too high: this needs")
    terminal.expect("lines, the terminal has 10")


@pytest.mark.parametrize("name", ["stamps_never_commit", "commit_travels", "chain", "wrong_clock"])
def test_four_servers_fit_on_80_columns_and_24_lines(
    name: str, simulation: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setattr(screens, "stops", lambda: True)
    for text in Player(find_lesson(name), simulation).steps():
        shown = text.split("\n")
        assert max(map(len, shown)) <= 80
        assert len(shown) <= 23, text


def test_a_text_that_is_no_script_is_reported(
    cluster_command: ClusterCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("some words\n", encoding="utf-8")
    for name, status, problem in [
        ("notes.txt", 1, "no line is a command of the scenario language: is this a script?\n"),
        (".", 2, ".: Is a directory.\n"),
        ("none.test", 2, "There is no lesson none.test, and no script file none.test."),
    ]:
        ended = cluster_command("lesson", name)
        assert ended.returncode == status
        assert ended.stderr.startswith(problem)


@pytest.mark.parametrize(("microseconds", "shown"), [(17_000_000, "₁₇"), (7_205_000_002, "₇₂₀₅₊₂"), (0, "₀")])
def test_a_stamp_is_shown_in_small_digits(microseconds: int, shown: str) -> None:
    assert small_stamp(write_id(BEGINNING_US + microseconds, "zero~aaaaaa")) == shown


@pytest.mark.process
def test_without_a_terminal_a_lesson_does_not_wait_for_enter() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "cluster.py"), "lesson", "roll_back_and_replay"],
        capture_output=True, check=False, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=60,
        env={"COLUMNS": "100", "PATH": ""},
    )  # fmt: skip
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "↻? neil 6.12 11:00 ₁₉" in shown.stdout
    neil, priyal = "neil’s reserve 19: 6.12", "priyal’s reserve 18: 6.12"
    replay = f"↶ {neil} 10:00 ↶ {priyal} 09:00 ↷ {priyal} 09:00 → 10:00 ↷ {neil} 10:00 → 11:00"
    assert " ".join(shown.stdout.split()).count(replay) == 2  # at two and at three
    assert "◆✓ neil 6.12 11:00 ₁₉" in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= 100
