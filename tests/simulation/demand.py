"""The error for a violated invariant, and a counter for the checks of each invariant."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Violation(AssertionError):
    """The error for a violated invariant. `number` is the invariant's number in docs/design.md."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(f"invariant {number}: {text}")
        self.number, self.text = number, text


class Demand:
    """A callable that checks an invariant, and counts the checks of each invariant.

    If the argument `holds` is false, the call raises Violation. `words` become the message of the error.
    """

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def __call__(self, number: int, holds: bool, *words: Any) -> None:
        self.counts[number] += 1
        if not holds:
            raise Violation(number, " ".join(map(str, words)))
