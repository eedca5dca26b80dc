"""Decides what a replica must do after a session has shown that a server id was used twice.

A server id is used twice if somebody runs a copy of a replica's data. The copy may run instead of the replica, or at
the same time. Then two writes may have the same place in the order of their server. If somebody runs a copy of the
primary's data, two different committed logs may also have the same epoch. docs/design.md, "A copy that has run", says
how the replicas become equal again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

from bayou.anti_entropy import Report
from bayou.errors import PeerRefusalCode
from bayou.state import State

CONTRADICTIONS = 2  # sessions in a row with one peer, because one faulty frame must change nothing
PAUSE_S = 3600.0  # before a peer can make the primary begin another epoch; a faulty peer must not do so for ever


# UNPROVEN: the peer has other commits in the place of commits here, so it does not send the writes that it claims.
_CONTRADICTING = {PeerRefusalCode.DIVERGED, PeerRefusalCode.FOREIGN_COMMIT, PeerRefusalCode.UNPROVEN}


class Cure(Enum):
    """What a replica does if its server id was used twice."""

    NEW_ID = "new id"  # take another server id, because a peer holds writes of the present id that are not here
    NEW_EPOCH = "new epoch"  # go on as the primary under another id, in a new epoch that prevails


class Healing:
    """Decides what one replica does after its sessions. `now_s` is a clock in seconds that never falls back."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._contradictions: dict[str, int] = {}  # label of a peer -> sessions in a row
        self._epochs: dict[str, float] = {}  # label of a peer -> when it made this replica begin an epoch

    def cure(self, report: Report, state: State) -> Cure | None:
        """Return what the replica must do after the session that `report` describes; None if there is nothing to do.
        `state` is the present state of the replica."""
        is_lost = report.lost == state.server
        if not state.is_primary:
            return Cure.NEW_ID if is_lost else None
        is_contradicted = self._is_contradicted(report)
        last = self._epochs.get(report.peer)
        may_begin = last is None or self._now_s() - last >= PAUSE_S
        return Cure.NEW_EPOCH if may_begin and (is_lost or is_contradicted) else None

    def note_epoch(self, peer: str) -> None:
        """Record that the sessions with this peer have made this primary begin an epoch, or give up its history. For
        PAUSE_S seconds, this peer cannot make this replica begin another epoch."""
        self._epochs[peer] = self._now_s()
        self._contradictions.pop(peer, None)

    def _is_contradicted(self, report: Report) -> bool:
        """Return whether this peer has contradicted this primary in CONTRADICTIONS sessions in a row, up to this
        session. A peer contradicts this primary if the peer has commits of the present epoch that this primary did not
        make."""
        if not report.has_ended:
            return False
        if report.error is None or not report.has_same_history:
            self._contradictions.pop(report.peer, None)
        elif report.code in _CONTRADICTING:
            self._contradictions[report.peer] = self._contradictions.get(report.peer, 0) + 1
        return self._contradictions.get(report.peer, 0) >= CONTRADICTIONS
