"""The peers of a replica, as the rest of the replica sees them; the scheduler of sessions is the one that does it."""

from __future__ import annotations

from typing import Any, Protocol


class Report(Protocol):
    """What one session did."""

    @property
    def sent(self) -> int: ...

    @property
    def received(self) -> int: ...


class Peers(Protocol):
    """Sessions with the other replicas."""

    def start(self) -> None:
        """Listen for sessions and begin to start some."""

    def stop(self) -> None:
        """End what is open, within a bound, and stop listening."""

    def poke(self) -> None:
        """Something new was accepted here. Returns at once."""

    def status(self) -> list[dict[str, Any]]:
        """One entry a peer: label, address, link (up | cut), reachable, busy, last_session."""

    def sync(self, label: str) -> Report:
        """Run one session to its end; raises Unknown peer_unknown, Conflict link_cut, Away peer_unreachable."""

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer; raises Unknown peer_unknown."""
