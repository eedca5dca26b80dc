"""The peers of a replica, as REST sees them: the scheduler has real ones, the simulation has them in memory."""

from __future__ import annotations

from typing import Any, Protocol

from bayou.anti_entropy import Report


class Peers(Protocol):
    """Sessions with the other replicas."""

    def notify_new_write(self) -> None:
        """This replica has a new write. Returns at once."""

    def status(self) -> list[dict[str, Any]]:
        """One entry a peer: label, address, link (up | cut), reachable, busy, last_session."""

    def sync(self, label: str) -> Report:
        """Run one session to its end. Raises Unknown peer_unknown, Conflict link_cut, Away peer_unreachable."""

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. Raises Unknown peer_unknown."""
