"""Remembers which writes and commits this process has acknowledged to clients and peers. When Redis returns after a
restart, the namespace must still hold all of them.

Redis stores the changes in the order in which they were made. So a namespace that holds the last acknowledged change
holds all acknowledged changes. Then the replica may keep its id.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

from bayou.stamps import split_id
from bayou.state import State


class Acknowledged:
    """What this process has acknowledged: the last CSN and, for each server id of this replica, two stamps. One is the
    greatest stamp of the writes, the other is the greatest stamp of the committed writes. Any thread may call any
    method."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._stamps: dict[str, int] = {}
        self._committed: dict[str, int] = {}
        self._csn = 0
        self._server = ""

    def note_server(self, server: str) -> None:
        """Record the server id under which this replica writes now."""
        self._server = f"@{server}"

    def note_sent(self, ids: Iterable[str]) -> None:
        """Record that the writes with these ids are sent to a peer. Ignores writes that other servers accepted."""
        newest = max((identifier for identifier in ids if identifier.endswith(self._server)), default="")
        if newest and self._server:
            stamp, server = split_id(newest)
            self.note_write(server, stamp, is_committed=False)

    def note_write(self, server: str, stamp: int, *, is_committed: bool) -> None:
        with self._changing:
            for known in (self._stamps, self._committed) if is_committed else (self._stamps,):
                known[server] = max(known.get(server, 0), stamp)

    def note_csn(self, csn: int) -> None:
        with self._changing:
            self._csn = max(self._csn, csn)

    def forget_commits(self) -> None:
        """Forget the last CSN and all committed writes, because a full state has revoked some commits."""
        with self._changing:
            self._committed, self._csn = {}, 0

    def is_held(self, state: State) -> bool:
        """Return whether a namespace in this state holds the last acknowledged CSN and all acknowledged writes of its
        server id. If the server has retired, compare only the CSN."""
        own = state.server
        accepted, committed = state.vector.get(own, 0), state.committed_vector.get(own, 0)
        is_own_held = accepted >= self._stamps.get(own, 0) and committed >= self._committed.get(own, 0)
        # A server that has retired has no entry in the vectors.
        return (state.retired or is_own_held) and state.csn >= self._csn
