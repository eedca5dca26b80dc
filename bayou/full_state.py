"""A peer's full state as it arrives, part by part, at the receiver."""

from __future__ import annotations

from typing import Protocol

from bayou.frames import StateChunk, StateFinish
from bayou.payloads import ListPart, StatePages


class StateTarget(Protocol):
    """Where parts are staged; see storage/full_state.py."""

    def stage(self, staging: str, pages: StatePages, lists: tuple[ListPart, ...]) -> str | None: ...


class Staging:
    """Parts are taken each once and in order: without one of them, what is staged is the state of no moment."""

    def __init__(self, store: StateTarget) -> None:
        self._store = store
        self._taken = 0
        self.number = ""  # the store's, '' before the first part

    def problem_of(self, frame: StateChunk | StateFinish) -> str | None:
        """Why the frame has no place here, None when it has."""
        if frame.number > self._taken or (isinstance(frame, StateFinish) and frame.number < self._taken):
            return "a part of the full state is missing"
        begun = self.number or (isinstance(frame, StateChunk) and frame.first)
        return None if begun else "the full state has no beginning"

    def take(self, chunk: StateChunk) -> bool:
        """Stage a part; one that comes twice counts once. False when the store has begun another staging meanwhile."""
        if chunk.number < self._taken:
            return True
        number = self._store.stage("" if chunk.first else self.number, chunk.pages, chunk.lists)
        if number is None:
            return False
        self.number = number
        self._taken += 1
        return True
