"""The driver interface: what the scenario language needs of a cluster, real or simulated.

Servers are named by their labels. A driver only carries out commands: the runner decides which server creates a new
one, which links work, and when two servers exchange writes.
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
    """What a server holds, as far as it decides whether two servers have anything to exchange.

    `server` is the server id that holds this: a server that lost its own writes continues under a new id. `history`
    tells epochs apart: a forced promotion revokes commits of the epoch before it.
    """

    server: str
    vector: Mapping[str, int]
    csn: int
    history: str


class Failed(Exception):
    """The cluster could not do what a command asks; the message says why."""


class Driver(Protocol):
    """A cluster of servers, named by label.

    Each method raises Failed if it cannot do its work; no session starts by itself.
    """

    def start_primary(self, label: str) -> None:
        """Start the first server, which is the primary."""

    def create(self, label: str, creator: str) -> None:
        """Start a server that `creator` creates. Returns when the new server holds all that its creator holds."""

    def retire(self, label: str, heir: str) -> None:
        """Retire a server in one session with `heir`, then end it. A primary makes `heir` the next primary."""

    def promote(self, label: str, primary: str | None) -> None:
        """Make a server the primary.

        `primary` hands over to it in one session; if None, the server takes over by itself.
        """

    def crash(self, label: str) -> None:
        """Kill a server and its Redis."""

    def recover(self, label: str) -> None:
        """Start a server that has crashed. Returns when it answers."""

    def set_clock(self, label: str, moment_us: int) -> None:
        """Set the time of the server's clock from now on (microseconds since 1970)."""

    def send(self, label: str, request: Request) -> Answer:
        """Send a server one REST request and return its answer."""

    def holding(self, label: str) -> Holding:
        """Return what the server holds now."""

    def exchange(self, pairs: Sequence[Pair]) -> Mapping[Pair, str]:
        """Run one complete session for each pair. No server may be in two pairs. Returns the reason of each failure."""

    def close(self) -> None:
        """End all servers, and leave nothing behind."""
