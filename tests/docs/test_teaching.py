"""docs/teaching.md and docs/course.md: the scripts print the output that the documents show, and every command runs."""

from __future__ import annotations

import re
import shlex
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from cli.arguments.command_line import parse
from cluster.drivers.simulated import SimulatedDriver
from cluster.main import main
from tests.support.scenario_harness import ROOT, run_script

PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("teaching.md", "course.md")}
TEXT = "\n".join(PAGES.values())
BLOCKS = {(kind, name): text for kind, name, text in re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", TEXT, re.M | re.S)}
NAMES = sorted({name for _, name in BLOCKS})
COMMANDS = sorted(
    set(re.findall(r"`python ((?:cluster|client)\.py[^`]*)`", TEXT))
    | set(re.findall(r"^    python ((?:cluster|client)\.py.*?)\s*(?:#.*)?$", TEXT, re.M))
)
UNTIL_CTRL_C = {"class", "up"}
PROCESSES = {"demo"}  # start real replicas, as a script does without --in-process


def is_process(command: str) -> bool:
    words = command.split()
    return words[1] in PROCESSES or (words[1] == "run" and not {"--in-process", "--help"} & set(words))


@pytest.mark.parametrize("name", NAMES)
def test_a_script_prints_what_the_page_says(name: str, simulation: SimulatedDriver) -> None:
    result = run_script(simulation, BLOCKS["script", name])
    assert result.notes == []
    assert result.printed == BLOCKS["output", name].splitlines()


@pytest.mark.parametrize(
    "command",
    [pytest.param(one, marks=pytest.mark.process) if is_process(one) else one for one in COMMANDS],
)
def test_a_command_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *words = shlex.split(command)
    if program == "client.py":
        assert parse(words).command
        return
    for folder in ("scenarios", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / "mine.test").write_text(BLOCKS["script", NAMES[0]], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers of pytest stay
    if words[0] in UNTIL_CTRL_C or "--help" in words:
        with pytest.raises(SystemExit) as ended:
            main([*words, "--help"])
        assert ended.value.code == 0
        return
    assert main(words) == 0


@pytest.mark.parametrize("page", PAGES)
def test_the_minutes_of_each_plan_follow_one_another(page: str) -> None:
    """Each plan in a document begins at minute 0 and has no gap."""
    spans = [(int(start), int(end)) for start, end in re.findall(r"^\| (\d+)–(\d+) \|", PAGES[page], re.M)]
    plans = [span for span in spans if span[0] == 0]
    assert plans
    for (_, before), (after, _) in pairwise(spans):
        assert after in {0, before}


def test_each_exercise_has_a_row() -> None:
    for path in (ROOT / "exercises").glob("exercise*"):
        number, title = re.fullmatch(r"# Exercise (\d)\. (.*)\.", path.read_text().splitlines()[0]).groups()  # type: ignore[union-attr]
        assert f"| {number} {title} |" in PAGES["course.md"]
