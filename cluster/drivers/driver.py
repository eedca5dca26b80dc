"""The driver interface: the operations on a cluster that the scenario language needs.

Servers are named by their labels. A driver only carries out operations. The runner decides which server creates a new
server, which links work, and when two servers exchange writes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from cluster.rest import Answer, Request

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)  # the clock of every script starts here
BEGINNING_US = int(BEGINNING.timestamp()) * 1_000_000

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Holding:
    """A summary of what a server holds. Servers with equal summaries have nothing to exchange.

    `server` is the server id. A server that has lost its own writes continues under a new id. `history` is different in
    each epoch (the term of a primary). Without `history`, the summary could miss that a forced promotion has revoked
    commits of the previous epoch.
    """

    server: str
    vector: Mapping[str, int]
    csn: int
    history: str


class Failed(Exception):
    """The cluster could not do what a command asks. The message says why."""


class Driver(Protocol):
    """A cluster of servers, each named by its label.

    Each method raises Failed if it cannot do its work. The servers start no session by themselves.
    """

    def start_primary(self, label: str) -> None:
        """Start the first server, which is the primary."""

    def create(self, label: str, creator: str) -> None:
        """Let `creator` create a server, and start the new server. Return when the new server holds everything that
        `creator` holds."""

    def retire(self, label: str, heir: str) -> None:
        """Retire a server in one session with `heir`, then end the server. If the server is the primary, `heir` becomes
        the primary."""

    def promote(self, label: str, primary: str | None) -> None:
        """Make a server the primary.

        `primary` is the present primary, which hands over in one session. If `primary` is None, the promotion is
        forced.
        """

    def crash(self, label: str) -> None:
        """Kill a server and its Redis."""

    def recover(self, label: str) -> None:
        """Start a server that has crashed. Return when the server answers."""

    def copy_folder(self, label: str) -> None:
        """Keep a copy of the data folder of a running server. The copy replaces an earlier copy."""

    def put_back(self, label: str) -> None:
        """Replace the data folder of a server with the copy that `copy_folder` kept. If the server runs, stop the
        server first. Then start the server, and return when it answers.

        The server keeps its id only if all other servers are reachable and no other server holds later writes of this
        server. Otherwise, the server takes a new id.
        """

    def set_clock(self, label: str, moment_us: int) -> None:
        """Set the server's clock, in microseconds since 1970. The clock stands still until the next call."""

    def send(self, label: str, request: Request) -> Answer:
        """Send a server one REST request and return its answer."""

    def holding(self, label: str) -> Holding:
        """Return a summary of what the server holds now."""

    def exchange(self, pairs: Sequence[Pair]) -> Mapping[Pair, str]:
        """Run one complete session for each pair. For each pair whose session failed, return the reason. No server may
        be in two of the pairs."""

    def close(self) -> None:
        """End all servers, and leave nothing behind."""
