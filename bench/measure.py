"""How figures are taken: the compared sides run in turn, A B A B …, in one process, and the median counts.

When a shared machine gets slower for a while, it does so for both sides, and the ratio stays.
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
    """The size of a run: 1 for the table; tests run a small part of the work in one round."""

    scale: float = 1.0

    def of(self, count: int, least: int = 1) -> int:
        """The share of a full run's `count`, but not less than `least`."""
        return max(round(count * self.scale), least)

    def rounds(self, count: int) -> int:
        return count if self.scale >= 1 else 1


def in_turn(rounds: int, *measures: Measure) -> list[float]:
    """The median of each measure over `rounds`; where there are several, one more runs first as a warm-up."""
    warm_up = int(rounds > 1)
    taken = [[measure() for measure in measures] for _ in range(warm_up + rounds)]
    return [median(figures) for figures in zip(*taken[warm_up:], strict=True)]


def seconds_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def report(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)
