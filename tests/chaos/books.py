"""The records of a chaos run: the acknowledged requests, the destroyed data, and counts of faults and answers."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A reservation or a cancellation that a replica acknowledged.

    `origin` and `stamp` identify the write. They are None and 0 if the write is unknown.
    """

    identifier: str
    label: str
    origin: str | None
    stamp: int


@dataclass(slots=True)
class Books:
    """The records of a run. All threads may call its methods."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    cancelled: dict[str, Acknowledged] = field(default_factory=dict)  # whose cancellation was acknowledged
    cancels_asked: set[str] = field(default_factory=set)
    destroyed: set[str] = field(default_factory=set)  # held only by a storage whose log was torn
    unexpected: list[str] = field(default_factory=list)  # answers that no client should ever get, and failed starts
    answers: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    freezes: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, entry: Acknowledged) -> None:
        """Record a reservation, unless it is recorded already."""
        with self._lock:
            self.acknowledged.setdefault(entry.identifier, entry)

    def entries(self) -> list[Acknowledged]:
        """Return all acknowledged reservations and cancellations."""
        with self._lock:
            return [*self.acknowledged.values(), *self.cancelled.values()]

    def answer(self, name: str) -> None:
        with self._lock:
            self.answers[name] += 1

    def note_unexpected(self, text: str) -> None:
        """Record an error of the run, such as an answer that no client should get, or a failed start."""
        with self._lock:
            self.unexpected.append(text)

    def kill(self, kind: str) -> None:
        with self._lock:
            self.kills[kind] += 1

    def recovered(self, seconds: float) -> None:
        """Record how long a replica took until it served again."""
        with self._lock:
            self.recoveries_s.append(seconds)
