"""What an invariant that does not hold is, and how often each was asked for."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Violation(AssertionError):
    """An invariant does not hold. `number` is that of docs/design.md."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number}: {text}")
        self.number, self.text = number, text


class Demand:
    """Called with the number of an invariant and whether it holds; the words say what was found. Counts the calls."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def __call__(self, number: int, holds: bool, *words: Any) -> None:
        self.counts[number] += 1
        if not holds:
            raise Violation(number, " ".join(map(str, words)))
