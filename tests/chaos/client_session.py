"""Remembers what one client session of a chaos run has written and read. Checks the session guarantees on each read.

The check uses only what a client sees: the histories of reservations. A history names the writes, and the CSN of each
committed write. Session tokens are not used.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping

from bayou.session_token import MR, MW, RYW, WFR
from tests.chaos.books import Acknowledged, Before, Books

BEFORE_MAX = 10  # how many of its own writes, and of the writes that it has read, a session remembers

History = Mapping[str, int | None]  # write -> CSN, None while tentative; in the order of the log


class ClientSession:
    """The memory of a client session. `owner` names the client in errors."""

    def __init__(self, owner: str, books: Books) -> None:
        self._owner = owner
        self._books = books
        self._own: dict[str, set[str]] = defaultdict(set)
        self._seen: dict[str, dict[str, int | None]] = defaultdict(dict)
        self._recent_own: deque[Before] = deque(maxlen=BEFORE_MAX)
        self._recent_seen: deque[Before] = deque(maxlen=BEFORE_MAX)

    def knows(self, identifier: str) -> bool:
        """Return whether the session has made or read this reservation."""
        return identifier in self._own or identifier in self._seen

    def before(self) -> list[Before]:
        """Return the newest writes that the session has made, and then the newest writes that it has read."""
        return [*self._recent_own, *self._recent_seen]

    def note_written(self, entry: Acknowledged) -> None:
        own = self._own[entry.identifier]
        if entry.write is not None and entry.asked_once:
            own.add(entry.write)
            self._recent_own.append(Before(MW, entry.identifier, entry.write))

    def note_read(self, identifier: str, history: History | None, label: str) -> None:
        """Remember the history of a reservation that a replica has shown, and check the guarantees RYW and MR.
        `history` is None if the replica did not know the reservation."""
        where = f"{label} showed {self._owner} {identifier}"
        if history is None:
            if self.knows(identifier):
                self._books.check(RYW if identifier in self._own else MR, False, f"{where} as unknown")
            return
        if own := self._own.get(identifier):
            self._books.check(RYW, own <= history.keys(), f"{where} without {own - history.keys()}")
        if seen := self._seen.get(identifier):
            lost = [
                write
                for write, csn in seen.items()
                if (history.get(write) != csn if csn else write not in history and write in self._books.lasting)
            ]
            self._books.check(MR, not lost, f"{where} without {lost}, which it had shown")
        new = [write for write in history if write not in self._seen[identifier]]
        self._seen[identifier] |= history
        self._recent_seen += [
            Before(WFR, identifier, write) for write in new if write not in self._own.get(identifier, ())
        ]

    def check_follows(self, after: str, after_csn: int | None, before: Before, history: History | None) -> None:
        """Check the guarantee MW or WFR on two writes. A client session first knew the write `before`, and then made
        the write `after`; see Before.

        This session has read the write `after`. Then it has read `history`, the history of the reservation of `before`.
        So `history` must show the write `before`. If `after` is committed, `before` must have a smaller CSN than
        `after`.
        """
        if before.write not in self._books.lasting:
            return
        csn = history.get(before.write) if history else None
        holds = bool(history and before.write in history) and (
            after_csn is None or (csn is not None and csn < after_csn)
        )
        shown = f"{self._owner} read {after} with CSN {after_csn}, then {before.identifier} as {history}"
        self._books.check(before.guarantee, holds, f"{shown}, without {before.write} or in another order")
