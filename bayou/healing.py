"""Decides what heals a replica, after a session has shown that a server id was used twice.

That happens if a copy of a replica's data runs: an older one instead of the replica, or one beside it. Then two writes
have the same place in the order of their server or, if the replica is the primary, two committed logs have the same
epoch. docs/design.md, "A copy that has run", says how the replicas become equal again.
"""

from __future__ import annotations

from enum import Enum

from bayou.anti_entropy import Report
from bayou.errors import PeerRefusalCode
from bayou.state import State

CONTRADICTIONS = 2  # sessions in a row with one peer: one faulty frame must change nothing


# `unproven`: the peer has commits in the place of those here, and so does not send the writes that its vector claims.
_CONTRADICTING = {PeerRefusalCode.DIVERGED, PeerRefusalCode.FOREIGN_COMMIT, PeerRefusalCode.UNPROVEN}


class Cure(Enum):
    """What a replica does after a session."""

    NEW_ID = "new id"  # another server id, because other writes than those here have the present one
    NEW_EPOCH = "new epoch"  # the primary goes on under another id, in an epoch to which all other commits give way


class Healing:
    """What the peers of one replica have shown.

    Each peer can make a primary begin an epoch once while this object lives, so that a faulty peer cannot do it again
    and again.
    """

    def __init__(self) -> None:
        self._contradictions: dict[str, int] = {}  # label of a peer -> sessions in a row
        self._healed: set[str] = set()

    def cure(self, report: Report, state: State) -> Cure | None:
        """Return what the replica in this state must do after the session of the report; None if nothing."""
        if report.lost == state.server:
            return Cure.NEW_EPOCH if state.is_primary else Cure.NEW_ID
        return Cure.NEW_EPOCH if state.is_primary and self._is_contradicted(report) else None

    def note_epoch(self, peer: str) -> None:
        """Note that this replica has begun an epoch, or has given way, because of this peer."""
        self._healed.add(peer)

    def _is_contradicted(self, report: Report) -> bool:
        """Return whether a peer has shown often enough that it holds commits of this epoch that this primary did not
        make."""
        if report.error is None or not report.has_same_history:
            self._contradictions.pop(report.peer, None)
        elif report.code in _CONTRADICTING:
            self._contradictions[report.peer] = self._contradictions.get(report.peer, 0) + 1
        return self._contradictions.get(report.peer, 0) >= CONTRADICTIONS and report.peer not in self._healed
