"""The space-time diagram that `run --diagram` writes into a web page. The tests open this web page in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from cluster.drivers.simulated import SimulatedDriver
from cluster.language.runner import Runner
from cluster.run import draw_run
from tests.support.browser import Page, browser
from tests.support.scenario_harness import ROOT

SCENARIOS = ROOT / "scenarios"

# Clicks each piece that a selector finds, and returns what the page then says about it, with the piece's data.
CLICKED = """
return [...document.querySelectorAll(`#timeline ${arguments[0]}`)].map((piece) => {
  piece.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const text = (part) => part.textContent;
  const details = document.querySelector("#timeline .details");
  const lines = [...details.querySelectorAll("dt")].map((name) => [text(name), text(name.nextSibling)]);
  return { ...piece.dataset, classes: [...piece.classList], title: text(details.querySelector("h3")), lines };
});
"""
PATHS = "return [...document.querySelectorAll(arguments[0])].map((path) => path.getAttribute('d'))"
WINDOWS = "return [...document.querySelectorAll('#rows [viewBox]')].map((row) => row.viewBox.baseVal)"
TEXTS = "return [...document.querySelectorAll(arguments[0])].map((each) => each.textContent)"

Open = Callable[[str], "Drawing"]


class Drawing:
    """A web page with a diagram, open in a browser."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        page.open(file.as_uri())
        page.wait_for("document.querySelector('#legend')?.childElementCount > 1")
        assert page.problems() == []

    def pieces(self, selector: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.run(CLICKED, selector)
        return found

    def marks(self, lane: str) -> list[str]:
        """Return the marks in the lane of a replica, from left to right. Each text says what happened, and to which
        write."""
        found = self.pieces(f".event[data-lane='{lane}']")
        return [f"{mark['what']} {mark['title'].partition(': ')[2]}".strip() for mark in found]

    def texts(self, selector: str) -> list[str]:
        found: list[str] = self.page.run(TEXTS, selector)
        return found

    def segments(self, selector: str) -> list[tuple[float, float]]:
        """Return the two ends of each horizontal line, as x coordinates."""
        paths = self.page.run(PATHS, selector)
        return [(float(x[1]), float(x[2])) for path in paths if (x := re.match(r"M([\d.]+) .*H([\d.]+)$", path))]


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as opened:
        yield opened


@pytest.fixture
def drawn(page: Page, simulation_redis: redis.Redis, tmp_path: Path) -> Iterator[Open]:
    """Return a function that runs a script in a simulated cluster, and opens the diagram of the run."""
    driver = SimulatedDriver(simulation_redis, records_frames=True)

    def draw(script: str) -> Drawing:
        notes: list[str] = []
        text = draw_run("A script", Runner(driver, lambda _: None, notes.append), driver, script.splitlines())
        assert notes == [] or "retireServer" in script
        file = tmp_path / "it.html"
        file.write_text(text, encoding="utf-8")
        return Drawing(page, file)

    yield draw
    driver.close()


def scenario(name: str) -> str:
    return (SCENARIOS / f"{name}.test").read_text(encoding="utf-8")


@pytest.mark.browser
def test_what_happened_at_each_replica_is_in_its_lane_in_order(drawn: Open) -> None:
    drawing = drawn(scenario("roll_back_and_replay"))
    assert drawing.texts("#timeline .name") == ["zero", "one", "two", "three"]
    at_three = drawing.marks("three")
    assert at_three[:4] == ["received create", "received create", "received create", "accepted neil’s reserve"]
    assert at_three[4:] == [
        "rolled_back", "received priyal’s reserve", "replayed neil’s reserve",
        "rolled_back", "received vish’s reserve", "replayed priyal’s reserve", "replayed neil’s reserve",
        "committed vish’s reserve", "committed priyal’s reserve", "committed neil’s reserve",
    ]  # fmt: skip


@pytest.mark.browser
def test_the_mark_of_a_roll_back_has_the_steps_of_the_replay(drawn: Open) -> None:
    drawing = drawn(scenario("roll_back_and_replay"))
    replays = [mark["lines"] for mark in drawing.pieces("[data-what=rolled_back][data-lane=three]")]
    assert replays == [
        [
            ["writes", "1"],
            ["19", "↶ neil’s reserve: 6.12 09:00–10:00"],
            ["19", "↷ neil’s reserve: 6.12 09:00–10:00 → 10:00–11:00"],
        ],
        [
            ["writes", "2"],
            ["19", "↶ neil’s reserve: 6.12 10:00–11:00"],
            ["18", "↶ priyal’s reserve: 6.12 09:00–10:00"],
            ["18", "↷ priyal’s reserve: 6.12 09:00–10:00 → 10:00–11:00"],
            ["19", "↷ neil’s reserve: 6.12 10:00–11:00 → 11:00–12:00"],
        ],
    ]


@pytest.mark.browser
def test_a_mark_says_what_its_write_is(drawn: Open) -> None:
    drawing = drawn(scenario("roll_back_and_replay"))
    mark = drawing.pieces("[data-what=replayed][data-lane=three]")[0]
    lines = dict(mark["lines"])
    assert mark["title"] == "replayed at three: neil’s reserve"
    assert lines["state"] == "tentative"
    assert lines["stamp"].startswith("19 of three (")
    assert "room:6.12/2026-12-01" in lines["pages"]
    assert (lines["check"], lines["merge procedure"]) == ("first_choice_free", "first_free_alternative")
    assert lines["outcome before"] == "updated 29935260/29935320 6.12"
    assert lines["outcome"] == "merged 29935320/29935380 6.12"
    assert {"19", "19 #6"} <= set(drawing.texts("#timeline .stamp"))


@pytest.mark.browser
def test_arrows_say_what_frames_carry_and_stand_on_the_ground_of_their_session(drawn: Open) -> None:
    drawing = drawn(scenario("roll_back_and_replay"))
    arrows = drawing.pieces(".arrow")
    assert len(arrows) > 60
    kinds = [arrow["kind"] for arrow in arrows]
    bands = drawing.page.run("return document.querySelectorAll('#timeline .band').length")
    assert kinds.count("hello") == kinds.count("done") == 2 * bands
    carried = [[arrow["title"], *arrow["lines"]] for arrow in arrows]
    vector = ["V", "one 17, two 5, three 6, zero 6"]
    assert ["hello, from one to two", ["CSN", "3"], vector, ["standing", "false"]] in carried
    assert any(name == "notification" and text.startswith("priyal’s reserve, committed as number 5")
               for _, *lines in carried for name, text in lines)  # fmt: skip
    assert ["acknowledgement, from two to three", ["plan", "0"], ["replan", "false"]] in carried
    colours = set()
    for arrow in arrows:
        writes = [text for name, text in arrow["lines"] if name in {"write", "notification"}]
        if "notifies" not in arrow["classes"] and writes:
            are_committed = all("committed as number" in text for text in writes)
            assert ("committed" in arrow["classes"], "tentative" in arrow["classes"]) == (
                are_committed,
                not are_committed,
            )
            colours.add(are_committed)
    assert colours == {True, False}


@pytest.mark.browser
@pytest.mark.parametrize("name", ["roll_back_and_replay", "stamps_never_commit", "full_state", "chain"])
def test_both_ends_of_each_frame_are_found_and_arrows_go_to_the_right(drawn: Open, name: str) -> None:
    drawing = drawn(scenario(name))
    paths = drawing.page.run(PATHS, "#timeline .arrow .near")
    assert len(paths) > 10
    for path in paths:
        x1, _, x2, _ = map(float, re.findall(r"-?[\d.]+", path))
        assert x1 < x2
    assert drawing.pieces(".arrow.half") == []


@pytest.mark.browser
def test_a_cut_link_and_a_crashed_replica_leave_gaps(drawn: Open) -> None:
    script = "joinServer a\njoinServer b\njoinClient v b\nbreakConnection a b\nput v k 1\nrestoreConnection a b\n"
    drawing = drawn(script + "crash b\njoinClient w a\nput w l 2\nrecover b\n")
    assert drawing.texts("#timeline .names .soft") == ["a – b"]
    assert len(drawing.segments("#timeline [data-track=a-b] .linked")) == 2
    (whole,) = drawing.segments("#timeline [data-lane=a] .lane")
    first, second = drawing.segments("#timeline [data-lane=b] .lane")
    assert first[1] < second[0] < second[1] == whole[1]


@pytest.mark.browser
def test_a_full_state_is_shown(drawn: Open) -> None:
    drawing = drawn(scenario("full_state"))
    assert "installed at one" in [mark["title"] for mark in drawing.pieces(".event")]
    assert "end of a full state, from zero to one" in [arrow["title"] for arrow in drawing.pieces(".arrow")]


@pytest.mark.browser
def test_a_server_that_joins_again_has_a_lane_of_its_own(drawn: Open) -> None:
    drawing = drawn("joinServer a\njoinServer B\nretireServer B\njoinServer B\njoinClient v B\nput v k 1\n")
    assert drawing.texts("#timeline .name") == ["a", "B", "b-2"]
    assert drawing.marks("b-2")[-2:] == ["accepted v’s put", "committed v’s put"]


@pytest.mark.browser
def test_names_of_users_stay_text(drawn: Open) -> None:
    drawing = drawn("joinServer a\njoinClient </script><b>&'\" a\nput </script><b>&'\" k 1\n")
    assert drawing.marks("a") == ["accepted </script><b>&'\"’s put"]


@pytest.mark.browser
def test_a_script_in_which_nothing_happens_has_an_empty_diagram(drawn: Open) -> None:
    drawing = drawn("# nothing\n")
    assert drawing.pieces(":is(.event, .arrow)") == []
    assert drawing.page.run("return document.title") == "A script"


@pytest.mark.browser
def test_the_lines_of_the_script_are_above_their_columns_and_below_the_diagram(drawn: Open) -> None:
    drawing = drawn("joinServer a\n# nothing\njoinServer b\npause\njoinClient v a\nput v k 1\n")
    assert drawing.texts("#lines li") == ["1 joinServer a", "3 joinServer b", "6 put v k 1"]
    assert drawing.texts("#timeline .number") == ["1", "3 joinServer b", "6"]


@pytest.mark.browser
def test_on_paper_the_diagram_is_in_rows_that_begin_with_a_step(drawn: Open) -> None:
    drawing = drawn(scenario("roll_back_and_replay"))
    whole = drawing.page.run("return document.querySelector('#drawn').getAttribute('width')")
    rows = drawing.page.run(WINDOWS)
    onsets = {float(path[1:].split()[0]) for path in drawing.page.run(PATHS, "#timeline .onset")}
    assert len(rows) > 2
    assert {row["x"] for row in rows} <= onsets
    assert max(row["width"] for row in rows) <= 1400
    assert float(whole) - 50 < sum(row["width"] for row in rows) < float(whole)


@pytest.mark.browser
@pytest.mark.process
@pytest.mark.parametrize("options", [["--in-process"], []], ids=["in process", "real"])
def test_run_writes_the_diagram_and_prints_the_same(options: list[str], page: Page, tmp_path: Path) -> None:
    script = SCENARIOS / "displaced.test"
    result = run(tmp_path, str(script), "--check", str(script.with_suffix(".sol")), "--diagram", "it.html", *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert Drawing(page, tmp_path / "it.html").marks("three")[-5:] == [
        "rolled_back", "received vish’s reserve", "replayed priyal’s reserve",
        "committed vish’s reserve", "committed priyal’s reserve",
    ]  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("none/it.html", "No such file or directory"),
        ("it.html", "Is a directory"),
        ("it.svg", "a diagram is a web page: its name must end in .html, such as it.html"),
    ],
)
def test_a_wrong_path_is_reported_before_the_script_runs(path: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "it.test").write_text("joinServer a\njoinClient c a\nget c k\n")
    (tmp_path / "it.html").mkdir()
    result = run(tmp_path, "--in-process", "it.test", "--diagram", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert problem in result.stderr
    assert "--diagram" in result.stderr


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "cluster.py"), "run", *options]
    return subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8", timeout=100
    )
