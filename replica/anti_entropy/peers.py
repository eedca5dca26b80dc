"""The interface through which the REST endpoints use the peers of a replica. The scheduler implements it, and so does
the simulation, whose peers are in memory."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from bayou.anti_entropy import Report


class Peers(Protocol):
    """The sessions and links of a replica with the other replicas."""

    def notify_new_write(self) -> None:
        """Note that this replica has a new write. Returns at once."""

    def status(self) -> list[dict[str, Any]]:
        """Return one entry for each peer: label, address, link (up | cut), reachable, busy, last_session."""

    def holders(self, ids: Collection[str]) -> list[str]:
        """Return the labels of the peers that held all of these writes at the end of their last session. They are known
        since the start of this replica."""

    def sync(self, label: str) -> Report:
        """Run one session to its end, and return its report. Raises Unknown `peer_unknown`, Conflict `link_cut`, or
        Away `peer_unreachable`."""

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. Raises Unknown peer_unknown."""
