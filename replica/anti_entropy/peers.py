"""The interface through which the REST endpoints use the peers of a replica. The scheduler implements it, and so does
the simulation, whose peers are in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from bayou.anti_entropy import Report
from storage.queries import Pace


class Peers(Protocol):
    """The sessions and links of a replica with the other replicas."""

    def notify_new_write(self) -> None:
        """Note that this replica has a new write. Returns at once."""

    def status(self) -> list[dict[str, Any]]:
        """Return one entry for each peer: label, address, link (up | cut), reachable, busy, last_session."""

    def servers(self) -> Mapping[str, str]:
        """Return label -> server id for each replica that this replica has met since it started."""

    def holders(self, ids: Collection[str]) -> list[str]:
        """Return the labels of the peers that hold all of these writes, as far as their last sessions have shown.
        Sessions before the start of this replica do not count."""

    def sync(self, label: str) -> Report:
        """Run one session to its end, and return its report. Raises Unknown `peer_unknown` if there is no such peer,
        Conflict `link_cut` if either replica has cut the link, and Away `peer_unreachable` if the session fails."""

    def set_link(self, label: str, *, up: bool) -> None:
        """Cut or heal the link to a peer. Raises Unknown `peer_unknown` if there is no such peer."""

    def set_pace(self, pace: Pace) -> None:
        """Let sessions and commits run by themselves (`auto`), or only when somebody asks for them (`manual`). A change
        to `manual` ends the sessions that nobody asked for."""
