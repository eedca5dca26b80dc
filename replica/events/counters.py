"""What happened at a replica since its start, in plain numbers."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from replica.events.expand import Transaction

METHODS = {"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}  # others would be a row each
COUNTED = ("accepted", "received", "committed", "moved", "rejected", "revoked")
BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


@dataclass
class Durations:
    """How long answers took: `counts[i]` of them up to BOUNDS_S[i] and beyond the bound before, the last more."""

    total_s: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_S) + 1))


class Counters:
    """The counters of one replica, which the rest of it feeds, from any thread."""

    def __init__(self) -> None:
        self.writes = dict.fromkeys(COUNTED, 0)
        self.rolled_back = 0
        self.answers: Counter[tuple[str, int]] = Counter()  # by method and status
        self.durations: dict[str, Durations] = {}  # by method
        self._counting = threading.Lock()

    def note(self, transaction: Transaction) -> None:
        """One step of the store."""
        with self._counting:
            self.rolled_back += transaction.rolled_back
            for event in transaction.events:
                if event.name in COUNTED:
                    self.writes[event.name] += 1
            for name, count in transaction.summed.items():
                self.writes[name] += count

    def note_answer(self, method: str, status: int, duration_s: float) -> None:
        """One answer, and how long it took."""
        known = method if method in METHODS else "other"
        with self._counting:
            self.answers[known, status] += 1
            durations = self.durations.setdefault(known, Durations())
            durations.total_s += duration_s
            durations.counts[bisect_left(BOUNDS_S, duration_s)] += 1
