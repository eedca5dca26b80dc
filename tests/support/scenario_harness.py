"""What tests of the scenario language share: running a script in the simulation, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.drivers.driver import Driver
from cluster.language.runner import Runner

HOUSE = Path(__file__).parent.parent.parent
SCENARIOS = sorted((HOUSE / "scenarios").glob("*.test"))
COURSE = sorted((HOUSE.parent / "shared" / "scripts").glob("*.test"))  # where this tree stands beside them


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script printed, what was said beside it, and how many expectations did not hold."""

    printed: list[str]
    notes: list[str]
    failures: int


def ran(driver: Driver, script: str | Sequence[str]) -> Ran:
    """Run a script to its end."""
    printed: list[str] = []
    notes: list[str] = []
    runner = Runner(driver, printed.append, notes.append)
    runner.run(script.splitlines() if isinstance(script, str) else script)
    return Ran(printed, notes, runner.failures)
