"""Digests of the committed log. Each CSN has one digest, a text that depends on all commits up to that CSN.

If two replicas have the same digest at a CSN, their logs are the same up to that CSN. Equal ids of the commits at that
CSN do not prove this: a copy of a primary may have committed the same write at the same CSN, but after other commits.

The namespace stores the digest at OSN, the CSN of the last commit that was dropped from the log
(lua/engine/digest.lua). Later digests are computed on request from the ids in the log, and some of them are kept in
memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

STEP = 1000  # commits between two digests that are kept; so many ids are read at a time


@dataclass(frozen=True, slots=True)
class _Mark:
    """The digest at a CSN. `id` is the id of the commit with this CSN, or empty if the CSN is OSN."""

    csn: int
    id: bytes
    digest: str


class LogDigests:
    """The digests of one replica's log. `read(first, last)` runs lua/commands/read_ids.lua. Any thread may call
    `at`."""

    def __init__(self, read: Callable[[int, int], list[Any]]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._generation = b""
        self._kept: dict[int, _Mark] = {}  # by CSN, which is a multiple of STEP
        self._newest: _Mark | None = None

    def at(self, csn: int, generation: str | None = None) -> str:
        """Return the digest at a CSN, 40 hexadecimal digits. Return '' if the digest is not known.

        The digest is not known if the CSN is lower than OSN, or higher than the CSN of the newest commit. If an older
        release has dropped commits from the log, no digest is known, because the release did not store the digest at
        OSN. If `generation` is given, the digest is not known in a namespace with another generation.
        """
        with self._lock:
            mark = self._nearest(csn)
            while True:
                if mark is None:
                    self._generation, osn, noted, _ = self._ids(1, 0)
                    if osn > csn or not noted:
                        return ""
                    mark = _Mark(osn, b"", noted.decode())
                found, osn, _, ids = self._ids(mark.csn if mark.id else mark.csn + 1, self._end(mark, csn))
                is_there = ids[:1] == [mark.id] if mark.id else osn == mark.csn
                if found != self._generation or not is_there:
                    self._kept, self._newest, mark = {}, None, None  # another log, or one that begins later
                    continue
                ids = ids[1:] if mark.id else ids
                mark = self._after(mark, ids) if ids else mark
                if mark.csn == csn:
                    return mark.digest if generation in {None, found.decode()} else ""
                if not ids:
                    return ""

    def _nearest(self, csn: int) -> _Mark | None:
        known = [self._kept.get(csn // STEP * STEP), self._newest]
        return max((one for one in known if one and one.csn <= csn), key=lambda one: one.csn, default=None)

    @staticmethod
    def _end(mark: _Mark, csn: int) -> int:
        """Return the CSN at which the next read of ids ends. It is the next multiple of STEP after the mark, but at
        most `csn`. The digest at each multiple of STEP is kept in memory."""
        return min(csn, mark.csn // STEP * STEP + STEP)

    def _ids(self, first: int, last: int) -> tuple[bytes, int, bytes, list[bytes]]:
        """Return the generation, OSN, the digest at OSN, and the ids in the log from the CSN `first` up to `last`."""
        generation, osn, noted, *ids = self._read(first, last)
        return generation, osn, noted, ids

    def _after(self, mark: _Mark, ids: list[bytes]) -> _Mark:
        digest = mark.digest
        for identifier in ids:
            digest = hashlib.sha1(digest.encode() + identifier, usedforsecurity=False).hexdigest()
        self._newest = _Mark(mark.csn + len(ids), ids[-1], digest)
        if self._newest.csn % STEP == 0:
            self._kept[self._newest.csn] = self._newest
        return self._newest
