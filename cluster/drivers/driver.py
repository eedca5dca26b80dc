"""What the scenario language needs of a cluster: one interface for real processes and for the simulation.

Servers are named by their labels. A driver does what it is told and decides nothing: the runner decides which server
creates a new one, which links work, and when two servers exchange writes.
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

    `server` is the id under which it holds this: a server that lost writes of its own goes on under a new id.
    `history` tells epochs apart: a forced promotion revokes commits of the epoch before it.
    """

    server: str
    vector: Mapping[str, int]
    csn: int
    history: str


class Failed(Exception):
    """The cluster could not do what a command asks; the message says why."""


class Driver(Protocol):
    """Servers by label. Each method raises Failed where it cannot do what it says; no session starts by itself."""

    def start_primary(self, label: str) -> None:
        """Start the first server, which is the primary."""

    def create(self, label: str, creator: str) -> None:
        """Start a server that `creator` creates; returns when it holds all that its creator holds."""

    def retire(self, label: str, heir: str) -> None:
        """Retire a server in one session with `heir`, which becomes the primary if the server was; then end it."""

    def promote(self, label: str, primary: str | None) -> None:
        """Have `primary` hand over to this server, in one session; None: have it take over without a hand-over."""

    def crash(self, label: str) -> None:
        """Kill a server and its Redis."""

    def recover(self, label: str) -> None:
        """Start a server that has crashed; returns when it answers."""

    def set_clock(self, label: str, moment_us: int) -> None:
        """Set what the server's clock says from now on (microseconds since 1970)."""

    def send(self, label: str, request: Request) -> Answer:
        """Send a server one REST request."""

    def holding(self, label: str) -> Holding:
        """What the server holds now."""

    def exchange(self, pairs: Sequence[Pair]) -> Mapping[Pair, str]:
        """Run one session for each pair (no server in two of them) to its end; returns the reason of each failure."""

    def close(self) -> None:
        """End all servers, and leave nothing behind."""
