"""A full state on its way: the frames of its sender, and the parts at its receiver.

The receiver stores the parts apart from its data ("staged") until all have arrived.
"""

from __future__ import annotations

from collections.abc import Iterator

from bayou.frames import StateChunk, StateFinish
from bayou.payloads import ListPart, StatePages
from bayou.seals import BEGINNING, folded_part
from bayou.store import AntiEntropyStore


def state_frames(
    store: AntiEntropyStore, plan: int, count_max: int, bytes_max: int
) -> Iterator[StateChunk | StateFinish]:
    """Yield the frames of the full state. The lists come last, so that they have every entry that the pages need.

    If this replica itself installs another state meanwhile, the frames begin again, with a part whose `first` is true.
    """
    cursor, generation, number, first, end = (0, ""), "", 0, True, None
    while end is None:
        part = store.state_part(cursor, count_max, bytes_max)
        if generation not in {"", part.generation}:
            cursor, generation, first = (0, ""), "", True
            continue
        generation = part.generation
        yield StateChunk(plan, number, first, part.pages, ())
        number, first, cursor, end = number + 1, False, part.cursor, part.end
    for lists in store.list_parts():
        yield StateChunk(plan, number, False, StatePages(), lists)
        number += 1
    yield StateFinish(plan, number, end)


class Staging:
    """Stores the parts of one full state, in order and each once. A missing part would make the state inconsistent.

    If the state `is_checked`, `digest` is the running hash of its parts, and no entry of a list is stored before
    `store_lists`: the store could not take it back. `is_empty` says whether the parts have no page.
    """

    def __init__(self, store: AntiEntropyStore, *, is_checked: bool) -> None:
        self._store = store
        self._is_checked = is_checked
        self._lists: list[ListPart] = []
        self._taken = 0
        self.digest = BEGINNING
        self.is_empty = True
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
        lists = () if self._is_checked else chunk.lists
        number = self._store.stage("" if chunk.first else self.number, chunk.pages, lists)
        if number is None:
            return False
        self.number = number
        self._taken += 1
        self.is_empty = self.is_empty and not chunk.pages.count
        if self._is_checked:
            self.digest = folded_part(self.digest, chunk)
            self._lists = [*([] if chunk.first else self._lists), *chunk.lists]
        return True

    def forget_lists(self) -> None:
        """Give up the entries of lists that were kept back."""
        self._lists = []

    def store_lists(self) -> None:
        """Store the entries of lists that were kept back."""
        if self._lists:
            self._store.stage(self.number, StatePages(), tuple(self._lists))
            self.forget_lists()
