"""The receiver's side of a full state. The parts are stored apart from the data ("staged") until all have arrived."""

from __future__ import annotations

from bayou.frames import StateChunk, StateFinish
from bayou.store import AntiEntropyStore


class Staging:
    """Stores the parts of one full state, in order and each once. A missing part would make the state inconsistent."""

    def __init__(self, store: AntiEntropyStore) -> None:
        self._store = store
        self._taken = 0
        self.number = ""  # of the staging in the store; empty before the first part

    def problem_of(self, frame: StateChunk | StateFinish) -> str | None:
        """Return why this frame cannot follow the parts that were taken so far; None if it can."""
        if frame.number > self._taken or (isinstance(frame, StateFinish) and frame.number < self._taken):
            return "a part of the full state is missing"
        begun = self.number or (isinstance(frame, StateChunk) and frame.first)
        return None if begun else "the full state has no first part"

    def take(self, chunk: StateChunk) -> bool:
        """Store a part; ignore a part that is stored already. Return False if the store has begun another staging
        meanwhile."""
        if chunk.number < self._taken:
            return True
        number = self._store.stage("" if chunk.first else self.number, chunk.pages, chunk.lists)
        if number is None:
            return False
        self.number = number
        self._taken += 1
        return True
