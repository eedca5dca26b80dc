"""Takes several measures in turn (A B A B …) in one process, and returns the median of each measure.

If other work slows the machine down for a while, all measures get worse, and their ratios stay the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

Measure = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Size:
    """The amount of work in a run. `scale` is 1 for the table of the benchmark, and less than 1 for tests. If `scale`
    is less than 1, `rounds` returns 1."""

    scale: float = 1.0

    def of(self, count: int, least: int = 1) -> int:
        """Return `count` times `scale`, but at least `least`."""
        return max(round(count * self.scale), least)

    def rounds(self, count: int) -> int:
        return count if self.scale >= 1 else 1


def in_turn(rounds: int, *measures: Measure) -> list[float]:
    """Run all measures once in each round, and return the median of each measure. If `rounds` is more than 1, a warm-up
    round runs first. The warm-up round does not count."""
    warm_up = int(rounds > 1)
    taken = [[measure() for measure in measures] for _ in range(warm_up + rounds)]
    return [median(figures) for figures in zip(*taken[warm_up:], strict=True)]


def seconds_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def report(text: str) -> None:
    """Print a line of progress to standard error."""
    print(text, file=sys.stderr, flush=True)
