"""The error for a violated invariant, and a counter of how often each invariant was checked."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Violation(AssertionError):
    """An invariant does not hold. `number` is its number in docs/design.md."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number}: {text}")
        self.number, self.text = number, text


class Demand:
    """A callable that checks whether an invariant holds, and counts the checks of each invariant.

    If the invariant does not hold, the call raises Violation. `words` become the message.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def __call__(self, number: int, holds: bool, *words: Any) -> None:
        self.counts[number] += 1
        if not holds:
            raise Violation(number, " ".join(map(str, words)))
