"""What clients were told, and what storage was destroyed: the books against which the end is checked."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A reservation that a client was told of, by which replica, and under which write if the answer said so."""

    identifier: str
    label: str
    origin: str | None
    stamp: int


@dataclass(slots=True)
class Books:
    """Every thread may write into it."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    cancelled: dict[str, Acknowledged] = field(default_factory=dict)  # the cancellation was acknowledged, so
    cancels_asked: set[str] = field(default_factory=set)
    destroyed: set[str] = field(default_factory=set)  # held by one storage alone when that was torn
    unexpected: list[str] = field(default_factory=list)  # answers that no client should ever get, and failed starts
    answers: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    freezes: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, entry: Acknowledged) -> None:
        with self._lock:
            self.acknowledged.setdefault(entry.identifier, entry)

    def entries(self) -> list[Acknowledged]:
        with self._lock:
            return [*self.acknowledged.values(), *self.cancelled.values()]

    def answer(self, name: str) -> None:
        with self._lock:
            self.answers[name] += 1

    def surprise(self, text: str) -> None:
        with self._lock:
            self.unexpected.append(text)

    def kill(self, kind: str) -> None:
        with self._lock:
            self.kills[kind] += 1

    def recovered(self, seconds: float) -> None:
        with self._lock:
            self.recoveries_s.append(seconds)
