"""docs/teaching.md: its scripts print what it says, and each command that it shows can be given."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import pytest

from cluster.compare.play import read_script
from cluster.drivers.private_redis import private_redis
from cluster.drivers.simulated import InProcess
from cluster.lessons.catalogue import find_lesson
from tests.support.scenario_harness import HOUSE, ran

DOCUMENT = (HOUSE / "docs" / "teaching.md").read_text(encoding="utf-8")
BLOCKS = {(kind, name): text for kind, name, text in re.findall(r"^```(\w+) (\w+)\n(.*?)^```$", DOCUMENT, re.M | re.S)}
NAMES = sorted({name for _, name in BLOCKS})


@pytest.fixture(scope="module")
def simulation() -> Iterator[InProcess]:
    with private_redis() as client:
        yield InProcess(client)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_prints_what_the_document_says(name: str, simulation: InProcess) -> None:
    result = ran(simulation, BLOCKS["script", name])
    simulation.close()
    assert result.notes == []
    assert result.printed == BLOCKS["output", name].splitlines()


def test_its_lessons_and_scripts_are_there() -> None:
    named = set(re.findall(r"cluster\.py lesson (\w+)`", DOCUMENT)) | set(re.findall(r"`… (\w+)`", DOCUMENT))
    assert len(named) >= 9
    for name in named:
        find_lesson(name)
    for path in set(re.findall(r"scenarios/compare/\w+\.test", DOCUMENT)):
        read_script((HOUSE / path).read_text(encoding="utf-8").splitlines())


def test_the_plan_is_50_minutes_without_a_gap() -> None:
    spans = [tuple(map(int, span)) for span in re.findall(r"^\| (\d+)–(\d+) \|", DOCUMENT, re.M)]
    assert spans[0][0] == 0
    assert spans[-1][1] == 50
    assert all(one[1] == other[0] for one, other in itertools.pairwise(spans))
    assert spans == [tuple(map(int, span)) for span in re.findall(r"^### (\d+)–(\d+) · ", DOCUMENT, re.M)]
