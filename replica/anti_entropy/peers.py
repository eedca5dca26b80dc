"""The interface between the REST endpoints of a replica and the peers of the replica. The scheduler implements this
interface for gRPC, and the simulation implements it for peers in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bayou.anti_entropy import Report
from storage.queries import Pace


class Peers(Protocol):
    """The sessions and links of a replica with the other replicas."""

    def notify_new_write(self) -> None:
        """Report that this replica has a new write. Returns at once."""

    def status(self) -> list[dict[str, Any]]:
        """Return one entry for each peer: label, address, link (up | cut), reachable, busy, last_session."""

    def servers(self) -> Mapping[str, str]:
        """Return a map from label to server id, for each replica that this replica has met since its start."""

    def holders(self, ids: Collection[str]) -> list[str]:
        """Return the labels of the peers that certainly hold all of these writes. Only sessions since the start of this
        replica can show what a peer holds."""

    def sync(self, label: str) -> Report:
        """Run one session until it ends, and return the report of the session. Raises Unknown `peer_unknown` if there
        is no such peer, Conflict `link_cut` if either replica has cut the link, and Away `peer_unreachable` if the
        session fails."""

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. Raises Unknown `peer_unknown` if there is no such peer."""

    def set_pace(self, pace: Pace) -> None:
        """Set the pace of this replica. With `auto`, sessions and commits run by themselves. With `manual`, they run
        only when a person asks for them. A change to `manual` ends the sessions that no person asked for."""
