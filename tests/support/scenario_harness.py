"""Run a script of the scenario language in a test, and return what it printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.drivers.driver import Driver
from cluster.language.runner import Runner

ROOT = Path(__file__).parent.parent.parent
SCENARIOS = sorted((ROOT / "scenarios").glob("*.test"))
COURSE = sorted((ROOT.parent / "shared" / "scripts").glob("*.test"))  # empty if the scripts are not on this machine


@dataclass(frozen=True, slots=True)
class ScriptResult:
    """The output of a script, its notes, and the number of its failed expectations."""

    printed: list[str]
    notes: list[str]
    failures: int


def run_script(driver: Driver, script: str | Sequence[str]) -> ScriptResult:
    """Run a whole script, and return its output."""
    printed: list[str] = []
    notes: list[str] = []
    runner = Runner(driver, printed.append, notes.append)
    runner.run(script.splitlines() if isinstance(script, str) else script)
    return ScriptResult(printed, notes, runner.failures)
