"""The records of a chaos run: the acknowledged operations, the destroyed data, and counts of faults and answers."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bayou.stamps import write_id

Slot = tuple[datetime, datetime]
RESERVE, MOVE, CANCEL, INSERT = "reserve", "move", "cancel", "insert"  # the last one inserts a record


@dataclass(frozen=True, slots=True)
class Wanted:
    """The request of an operation RESERVE or MOVE. `slots` are in order of preference."""

    room: str
    slots: tuple[Slot, ...]
    merge: Any


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An operation that a replica acknowledged.

    `identifier` is the id of a reservation, or CLIENT/NUMBER for a record. `origin` and `stamp` identify the write. If
    the write is unknown, `origin` is None and `stamp` is 0. `asked_once` is true if no earlier attempt of the same
    request can have been accepted. `told` is the room and the slot in the answer of the replica.
    """

    identifier: str
    op: str
    label: str
    origin: str | None
    stamp: int
    asked_once: bool
    wanted: Wanted | None = None
    told: tuple[str, Slot] | None = None

    @property
    def write(self) -> str | None:
        return None if self.origin is None else write_id(self.stamp, self.origin)


@dataclass(frozen=True, slots=True)
class Before:
    """A write that a client session knew before the session made another write. `guarantee` is MW if the session had
    made the known write, and WFR if the session had only read the known write."""

    guarantee: str
    identifier: str
    write: str


@dataclass(slots=True)
class Books:
    """The records of a run. All threads may call its methods."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    lasting: set[str] = field(default_factory=set)  # writes that no other write can turn into duplicates
    before: dict[str, list[Before]] = field(default_factory=lambda: defaultdict(list))  # by write of a session
    followed: list[tuple[str, str]] = field(default_factory=list)  # (reservation, write) of each entry of `before`
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)  # (identifier, op), also without an answer
    destroyed: set[str] = field(default_factory=set)  # held only by a storage whose log was torn
    unexpected: list[str] = field(default_factory=list)  # answers that no client should ever get, and failed starts
    guarantees: Counter[str] = field(default_factory=Counter)  # checks of each session guarantee
    answers: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    freezes: Counter[str] = field(default_factory=Counter)
    recoveries_s: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, entry: Acknowledged, before: list[Before]) -> None:
        """Record an operation, and the writes that the client session knew before the operation."""
        with self._lock:
            self.acknowledged.append(entry)
            if entry.write is not None and entry.asked_once:
                self.lasting.add(entry.write)
                if before:
                    self.before[entry.write] = before
                    self.followed.append((entry.identifier, entry.write))

    def ask(self, identifier: str, op: str) -> None:
        with self._lock:
            self.asked[identifier, op] += 1

    def entries(self) -> list[Acknowledged]:
        """Return all acknowledged operations."""
        with self._lock:
            return list(self.acknowledged)

    def check(self, guarantee: str, holds: bool, problem: str) -> None:
        """Count a check of a session guarantee. If `holds` is False, record `problem` as an error."""
        with self._lock:
            self.guarantees[guarantee] += 1
            if not holds:
                self.unexpected.append(f"{guarantee}: {problem}")

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
        """Record how many seconds passed until a replica answered again."""
        with self._lock:
            self.recoveries_s.append(seconds)
