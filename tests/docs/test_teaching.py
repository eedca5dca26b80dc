"""docs/teaching.md: its scripts print the output that the page shows, and each command on the page is valid."""

from __future__ import annotations

import re

import pytest

from cluster.compare.play import read_script
from cluster.drivers.simulated import SimulatedDriver
from cluster.lessons.catalogue import find_lesson
from tests.support.scenario_harness import ROOT, run_script

DOCUMENT = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
BLOCKS = {(kind, name): text for kind, name, text in re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", DOCUMENT, re.M | re.S)}
NAMES = sorted({name for _, name in BLOCKS})


@pytest.mark.parametrize("name", NAMES)
def test_a_script_prints_what_the_document_says(name: str, simulation: SimulatedDriver) -> None:
    result = run_script(simulation, BLOCKS["script", name])
    assert result.notes == []
    assert result.printed == BLOCKS["output", name].splitlines()


def test_its_lessons_and_scripts_are_there() -> None:
    named = set(re.findall(r"cluster\.py lesson (\w+)`", DOCUMENT)) | set(re.findall(r"`… (\w+)`", DOCUMENT))
    assert named
    for name in named:
        find_lesson(name)
    for path in set(re.findall(r"scenarios/compare/\w+\.test", DOCUMENT)):
        read_script((ROOT / path).read_text(encoding="utf-8").splitlines())
