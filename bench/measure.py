"""How figures are taken: what is compared runs in turn, A B A B …, in one process and one run, and the median counts.

So a machine that is shared, and slower at one time than at another, is slower for both sides; the ratio stays.
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
    """How large a run is: 1 is what the table is about; a test takes a small part of it, and fewer rounds."""

    scale: float = 1.0

    def of(self, count: int, least: int = 1) -> int:
        """So many of a full run's `count`."""
        return max(round(count * self.scale), least)

    def rounds(self, count: int) -> int:
        return count if self.scale >= 1 else 1


def in_turn(rounds: int, *measures: Measure) -> list[float]:
    """The median of each over so many rounds; where there are several, one more goes first and does not count."""
    warm_up = int(rounds > 1)
    taken = [[measure() for measure in measures] for _ in range(warm_up + rounds)]
    return [median(figures) for figures in zip(*taken[warm_up:], strict=True)]


def seconds_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
