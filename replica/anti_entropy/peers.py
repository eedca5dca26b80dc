"""The peers of a replica, as the rest of the replica sees them; the scheduler of sessions is the one that does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from replica.anti_entropy.grpc_transport import Unary
from replica.config import Address


class Report(Protocol):
    """What one session did."""

    @property
    def sent(self) -> int: ...

    @property
    def received(self) -> int: ...


class Peers(Protocol):
    """Sessions with the other replicas."""

    def poke(self) -> None:
        """Something new was accepted here. Returns at once."""

    def status(self) -> list[dict[str, Any]]:
        """One entry a peer: label, address, link (up | cut), reachable, busy, last_session."""

    def sync(self, label: str) -> Report:
        """Run one session to its end; raises Unknown peer_unknown, Conflict link_cut, Away peer_unreachable."""

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer; raises Unknown peer_unknown."""


class Membership(Protocol):
    """What the scheduler asks of membership: what peers may call, and what follows from a session."""

    def unary(self) -> Mapping[str, Unary]:
        """The unary calls that are answered here, by name."""

    def after_session(self, code: str | None, vector_of_peer: Mapping[str, int]) -> None:
        """A session has ended: `code` says why it was refused, the vector is that of the peer's hello."""


class LivePeers(Peers, Protocol):
    """The same in a replica that runs."""

    def start(self, membership: Membership) -> None:
        """Listen for sessions and begin to start some."""

    def stop(self) -> None:
        """End what is open, within a bound, and stop listening."""

    def refresh(self) -> None:
        """Look again who the peers are."""

    def address_of(self, label: str) -> Address:
        """Where a peer listens; raises Unknown peer_unknown."""

    def reachable(self) -> list[str]:
        """The labels of the peers to which a link is up, those that answered last first."""
