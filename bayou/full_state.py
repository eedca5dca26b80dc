"""The transfer of a full state: the frames that the sender makes, and the parts that the receiver collects.

The receiver stages the parts: it stores them apart from its own data until all parts have arrived.
"""

from __future__ import annotations

from collections.abc import Iterator

from bayou.application import membership_write
from bayou.frames import StateChunk, StateFinish
from bayou.payloads import ListPart, LoggedCommit, StateEnd, StatePages
from bayou.seals import BEGINNING, folded_part
from bayou.stamps import split_id, stamp_text
from bayou.state import Vector
from bayou.store import AntiEntropyStore
from bayou.write import Write, prev_of


def state_frames(
    store: AntiEntropyStore, plan: int, count_max: int, bytes_max: int
) -> Iterator[StateChunk | StateFinish]:
    """Yield the frames of the full state: the pages, then the lists, then the newest commits of the log. The lists are
    read after the pages, so that the lists have every entry that the pages need.

    This replica may meanwhile install another state, or drop some of these commits from its log. Then the frames begin
    again, with a part whose `first` is true.
    """
    number = 0
    while True:
        cursor, generation, first, end = (0, ""), "", True, None
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
        csn = end.csn - end.commits
        while csn < end.csn and (commits := store.commits_part(generation, csn, end, count_max, bytes_max)):
            yield StateChunk(plan, number, False, StatePages(), (), commits)
            number, csn = number + 1, commits[-1].csn
        if csn == end.csn:
            yield StateFinish(plan, number, end)
            return


class Staging:
    """Stores the parts of one full state. Each part is stored once and in order, because a missing part would make the
    state inconsistent.

    `is_empty` is true until a part has a page. If `is_checked` is true, the state is checked before it is installed
    (bayou/seal_check.py). Then `digest` is the running hash of the parts, and list entries stay in memory until
    `store_lists` is called. The store cannot remove a list entry, so no entry is stored before the check.
    """

    def __init__(self, store: AntiEntropyStore, *, is_checked: bool) -> None:
        self._store = store
        self._is_checked = is_checked
        self._lists: list[ListPart] = []
        self._taken = 0
        self._log = _StagedLog()
        self.digest = BEGINNING
        self.is_empty = True
        self.number = ""  # of the staging in the store; empty before the first part

    def problem_of(self, frame: StateChunk | StateFinish) -> str | None:
        """Return why this frame cannot follow the parts that were taken so far; None if this frame can follow."""
        if frame.number > self._taken or (isinstance(frame, StateFinish) and frame.number < self._taken):
            return "a part of the full state is missing"
        begun = self.number or (isinstance(frame, StateChunk) and frame.first)
        if not begun:
            return "the full state has no first part"
        fits = not isinstance(frame, StateFinish) or self._log.ends_with(frame.end)
        return None if fits else "the commits of the full state do not end with its last commit"

    def take(self, chunk: StateChunk) -> bool:
        """Store a part. Ignore a part that is stored already. Return False in two cases: the store has begun another
        staging, or the commits of the part do not follow the commits of the earlier parts."""
        if chunk.number < self._taken:
            return True
        log = _StagedLog() if chunk.first else self._log
        if not log.add(chunk.commits):
            return False
        lists = () if self._is_checked else chunk.lists
        number = self._store.stage("" if chunk.first else self.number, chunk.pages, lists, chunk.commits)
        if number is None:
            return False
        self.number, self._log = number, log
        self._taken += 1
        self.is_empty = self.is_empty and not chunk.pages.count
        if self._is_checked:
            self.digest = folded_part(self.digest, chunk)
            self._lists = [*([] if chunk.first else self._lists), *chunk.lists]
        return True

    def omitted(self, end: StateEnd) -> Vector:
        """Return the vector of all commits before the first commit that came with the state."""
        return self._log.vector_before(end.vector)

    def forget_lists(self) -> None:
        """Discard the list entries that are in memory."""
        self._lists = []

    def store_lists(self) -> None:
        """Store the list entries that are in memory."""
        if self._lists:
            self._store.stage(self.number, StatePages(), tuple(self._lists))
            self.forget_lists()


class _StagedLog:
    """Checks the commits that come with a full state. Their CSNs must be consecutive, and each commit must follow the
    previous commit of its server."""

    def __init__(self) -> None:
        self._last: LoggedCommit | None = None
        self._count = 0
        self._prevs: dict[str, int] = {}  # server -> `prev` of its first added write
        self._stamps: dict[str, int] = {}  # server -> the stamp of its last added write
        self._created: set[str] = set()  # servers
        self._retired: set[str] = set()  # servers

    def add(self, commits: tuple[LoggedCommit, ...]) -> bool:
        """Add the next commits. Return False if these commits do not follow the commits that were added before."""
        for one in commits:
            stamp, origin = split_id(one.id)
            prev = prev_of(one.body)
            if self._last is not None and one.csn != self._last.csn + 1:
                return False
            if self._stamps.get(origin, prev) != prev or origin in self._retired:
                return False
            self._prevs.setdefault(origin, prev)
            self._stamps[origin] = stamp
            if (write := membership_write(one.body)) is not None:
                self._note_member(write)
            self._last = one
            self._count += 1
        return True

    def _note_member(self, write: Write) -> None:
        if write.op == "create":
            self._created.add(f"{stamp_text(write.stamp)}:{write.origin}")
        elif write.op == "retire":
            self._retired.add(write.origin)

    def ends_with(self, end: StateEnd) -> bool:
        """Return whether these commits are the newest commits of the full state that `end` describes."""
        if self._last is None or self._count != end.commits:
            return self._count == end.commits
        stamps = {server: stamp for server, stamp in self._stamps.items() if server not in self._retired}
        covers = all(end.vector.get(server) == stamp for server, stamp in stamps.items())
        return covers and (self._last.id, self._last.csn) == (end.last, end.csn) and not self._retired & {*end.vector}

    def vector_before(self, vector: Vector) -> Vector:
        """Return the vector of all commits before the first added commit. `vector` is the vector of all commits up to
        the last added commit."""
        before = {**vector, **self._prevs}
        gone = {server for server, prev in self._prevs.items() if not prev} | self._created
        return {server: stamp for server, stamp in before.items() if server not in gone}
