"""The space-time diagram of a script: its lanes, marks, arrows and gaps, in the SVG that `run --diagram` writes."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
import redis

from cluster.drivers.simulated import SimulatedDriver
from cluster.language.runner import Runner
from cluster.run import draw_run
from tests.support.scenario_harness import ROOT

SVG = "{http://www.w3.org/2000/svg}"
REPLAY = ROOT / "scenarios" / "roll_back_and_replay.test"


class Drawing:
    """An SVG, and what it shows."""

    def __init__(self, text: str) -> None:
        self.root = ElementTree.fromstring(text)

    def groups(self, name: str) -> Iterator[ElementTree.Element]:
        """Yield the SVG groups (`g`) of a class, without those of the legend."""
        for part in self.root:
            if part.get("class") == "row":
                yield from (found for found in part.iter(f"{SVG}g") if name in found.get("class", "").split())

    def marks(self, lane: str) -> list[str]:
        """Return a text for each mark of a lane, from left to right: what happened, and the first line of the tooltip
        without its label."""
        found = [mark for mark in self.groups("event") if mark.get("data-lane") == lane]
        return [f"{mark.get('data-what')} {title(mark).splitlines()[0].partition(': ')[2]}" for mark in found]

    def lane(self, name: str) -> ElementTree.Element:
        """Return the SVG group of a replica's lane. The drawing must have one row only."""
        (found,) = (
            part for part in self.root.iter(f"{SVG}g") if part.get("data-lane") == name and part.get("data-colour")
        )
        return found

    def titles(self, name: str) -> list[str]:
        return [title(found) for found in self.groups(name)]


def title(element: ElementTree.Element) -> str:
    return element.findtext(f"{SVG}title") or ""


@pytest.fixture
def driver(simulation_redis: redis.Redis) -> Iterator[SimulatedDriver]:
    """Return a simulated cluster that records its frames."""
    found = SimulatedDriver(simulation_redis, records_frames=True)
    yield found
    found.close()


def drawn(driver: SimulatedDriver, script: str) -> Drawing:
    notes: list[str] = []
    found = draw_run("A script", Runner(driver, lambda _: None, notes.append), driver, script.splitlines())
    assert notes == []
    return Drawing(found)


def test_what_happened_at_each_replica_is_in_its_lane_in_order(driver: SimulatedDriver) -> None:
    drawing = drawn(driver, REPLAY.read_text(encoding="utf-8"))
    colours = {part.get("data-lane"): part.get("data-colour") for part in drawing.root.iter(f"{SVG}g")
               if part.get("data-colour")}  # fmt: skip
    assert colours == {"zero": "0", "one": "1", "two": "2", "three": "3"}
    at_three = drawing.marks("three")
    assert at_three[:4] == [
        "received create 4", "received create 5", "received create 6", "accepted neil’s reserve 19",
    ]  # fmt: skip
    assert at_three[4:] == [
        "rolled_back 1 write", "received priyal’s reserve 18", "replayed neil’s reserve 19",
        "rolled_back 2 writes", "received vish’s reserve 17", "replayed priyal’s reserve 18",
        "replayed neil’s reserve 19",
        "committed vish’s reserve 17", "committed priyal’s reserve 18", "committed neil’s reserve 19",
    ]  # fmt: skip


def test_the_mark_of_a_roll_back_has_the_steps_of_the_replay(driver: SimulatedDriver) -> None:
    drawing = drawn(driver, REPLAY.read_text(encoding="utf-8"))
    replays = [text.splitlines()[1:] for text in drawing.titles("event") if text.startswith("rolled back at three")]
    assert replays == [
        ["↶ neil’s reserve 19: 6.12 09:00", "↷ neil’s reserve 19: 6.12 09:00 → 10:00"],
        [
            "↶ neil’s reserve 19: 6.12 10:00",
            "↶ priyal’s reserve 18: 6.12 09:00",
            "↷ priyal’s reserve 18: 6.12 09:00 → 10:00",
            "↷ neil’s reserve 19: 6.12 10:00 → 11:00",
        ],
    ]


def test_a_mark_says_what_its_write_is(driver: SimulatedDriver) -> None:
    drawing = drawn(driver, REPLAY.read_text(encoding="utf-8"))
    lines = next(text for text in drawing.titles("event") if text.startswith("replayed at three: neil")).splitlines()
    assert lines[1] == "tentative"
    assert lines[2].startswith("stamp 19 of three: ")
    assert "room:6.12/2026-12-01" in lines[3]
    assert lines[4:] == [
        "check: first_choice_free; merge procedure: first_free_alternative",
        "outcome before: updated 29935260/29935320 6.12",
        "outcome: merged 29935320/29935380 6.12",
    ]
    numbers = {"".join(found.itertext()) for found in drawing.root.iter(f"{SVG}text") if found.get("class") == "stamp"}
    assert {"19", "19 #6"} <= numbers


def test_frames_are_arrows_to_the_right_grouped_by_session(driver: SimulatedDriver) -> None:
    drawing = drawn(driver, REPLAY.read_text(encoding="utf-8"))
    arrows = list(drawing.groups("arrow"))
    assert len(arrows) > 60
    for arrow in arrows:
        path = arrow.find(f"{SVG}path")
        assert path is not None
        x1, _, x2, _ = map(float, re.findall(r"-?[\d.]+", path.get("d", "")))
        assert x1 < x2, title(arrow)
    assert not any("half" in arrow.get("class", "") for arrow in arrows)
    for session in drawing.groups("session"):
        pairs = {frozenset(re.findall(r"from (\w+) to (\w+)", title(found))[0]) for found in session.iter(f"{SVG}g")
                 if found is not session}  # fmt: skip
        kinds = Counter(found.get("data-kind") for found in session.iter(f"{SVG}g"))
        assert (len(pairs), kinds["hello"], kinds["done"]) == (1, 2, 2)
    carried = drawing.titles("arrow")
    assert "hello, from one to two\nCSN 3\nV: one 17, two 5, three 6, zero 6\nstanding: False" in carried
    assert any("priyal’s reserve 18, committed as number 5 (a notification without the write)" in text
               for text in carried)  # fmt: skip
    assert "acknowledgement, from two to three\nplan: 0\nreplan: False" in carried


def test_a_cut_link_and_a_crashed_replica_leave_gaps(driver: SimulatedDriver) -> None:
    script = "joinServer a\njoinServer b\njoinClient v b\nbreakConnection a b\nput v k 1\nrestoreConnection a b\n"
    drawing = drawn(driver, script + "crash b\njoinClient w a\nput w l 2\nrecover b\n")
    (track,) = drawing.groups("track")
    assert track.get("data-link") == "a-b"
    assert len(segments(track, "linked")) == 2
    lane = drawing.lane("b")
    assert len(segments(lane, "lane")) == 2
    whole, (first, second) = segments(drawing.lane("a"), "lane"), segments(lane, "lane")
    assert first[1] < second[0] < second[1] == whole[0][1]


def segments(group: ElementTree.Element, name: str) -> list[tuple[float, float]]:
    """Return the x coordinates (start, end) of each horizontal line of a class in a group."""
    paths = [path.get("d", "") for path in group.findall(f"{SVG}path") if path.get("class") == name]
    return [
        (float(found[1]), float(found[2])) for path in paths if (found := re.match(r"M([\d.]+) .*H([\d.]+)$", path))
    ]


def test_a_full_state_is_shown(driver: SimulatedDriver) -> None:
    script = (ROOT / "scenarios" / "full_state.test").read_text(encoding="utf-8")
    drawing = drawn(driver, script)
    assert any(text == "full state installed at one" for text in drawing.titles("event"))
    assert "end of a full state, from zero to one" in "\n".join(drawing.titles("arrow"))


def test_names_of_users_stay_text(driver: SimulatedDriver) -> None:
    drawing = drawn(driver, "joinServer a\njoinClient <b>&'\" a\nput <b>&'\" k 1\n")
    assert drawing.marks("a") == ["accepted <b>&'\"’s put 3"]


def test_a_script_in_which_nothing_happens_has_an_empty_diagram(driver: SimulatedDriver) -> None:
    drawing = drawn(driver, "# nothing\n")
    assert drawing.titles("event") == drawing.titles("arrow") == []
    assert title(drawing.root) == "A script"


@pytest.mark.process
@pytest.mark.parametrize("options", [["--in-process"], []], ids=["in process", "real"])
def test_run_writes_the_diagram_and_prints_the_same(options: list[str], tmp_path: Path) -> None:
    script = ROOT / "scenarios" / "displaced.test"
    result = run(tmp_path, str(script), "--check", str(script.with_suffix(".sol")), "--diagram", "it.svg", *options)
    assert (result.returncode, result.stderr) == (0, "")
    drawing = Drawing((tmp_path / "it.svg").read_text(encoding="utf-8"))
    assert drawing.marks("three")[-5:] == [
        "rolled_back 1 write", "received vish’s reserve 11", "replayed priyal’s reserve 12",
        "committed vish’s reserve 11", "committed priyal’s reserve 12",
    ]  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize(("path", "problem"), [("none/it.svg", "No such file or directory"), (".", "Is a directory")])
def test_a_wrong_path_is_reported_before_the_script_runs(path: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "it.test").write_text("joinServer a\njoinClient c a\nget c k\n")
    result = run(tmp_path, "--in-process", "it.test", "--diagram", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert problem in result.stderr
    assert "--diagram" in result.stderr


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "cluster.py"), "run", *options]
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8", timeout=100
    )
