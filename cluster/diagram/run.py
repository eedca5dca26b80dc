"""Runs a script and draws what happened."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.diagram.layout import lay_out
from cluster.diagram.recorder import Recorder
from cluster.diagram.svg import draw
from cluster.diagram.words import Words
from cluster.drivers.driver import Driver
from cluster.language.runner import Runner


def draw_run(title: str, runner: Runner, driver: Driver, lines: Iterable[str]) -> str:
    """Run all lines, and return the SVG of what happened. The servers of `driver` must record their frames."""
    recorder = Recorder(driver)
    names: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        runner.step(line)
        recorder.note(number, line, runner.world)
        names |= {label: identifier for identifier, label in runner.world.labels.items()}
    words = Words(names, recorder.labels, recorder.writes)
    return draw(title, recorder.steps, lay_out(recorder.steps), words)
