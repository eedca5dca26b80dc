"""What the scenario language needs of a cluster: the one interface behind which real processes and a simulation
stand.

Servers are named by their labels. A driver does what it is told and decides nothing: which server creates a
newcomer, which links work, and what flows when, is the runner's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)  # the clock of every script starts here
BEGINNING_US = int(BEGINNING.timestamp()) * 1_000_000

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Holding:
    """What a server holds, as far as it decides whether anything can flow between two.

    `history` tells epochs apart: after a forced promotion, commits of the old one are revoked. `server` is the id under
    which it holds that: one that finds that it has lost writes of its own goes on under another.
    """

    server: str
    vector: Mapping[str, int]
    csn: int
    history: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered over REST: its HTTP status, the body, and the session's token where it sent one."""

    status: int
    body: Any
    session: str | None = None

    @property
    def is_refusal(self) -> bool:
        return self.status >= 400

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        """The sentence of a refusal."""
        return str(self.body["error"]["message"])


@dataclass(frozen=True, slots=True)
class Ask:
    """One REST request. `content` is sent as it is; else `body` as JSON, unless it is None."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None


class Failed(Exception):
    """The cluster could not do what a command asks; the message says why."""


class Driver(Protocol):
    """Servers by label. Each method raises Failed where it cannot do what it says; none exchanges anything unasked."""

    def found(self, label: str) -> None:
        """Start the first server, which is the primary."""

    def create(self, label: str, creator: str) -> None:
        """Start a server that `creator` creates; returns when it holds all that its creator holds."""

    def retire(self, label: str, heir: str) -> None:
        """Retire a server in one session with `heir`, which takes over its role if it is the primary; then end it."""

    def promote(self, label: str, primary: str | None) -> None:
        """Have `primary` hand over to this server, in one session; None: have it take over without a hand-over."""

    def crash(self, label: str) -> None:
        """End a server, and its Redis, where they stand."""

    def recover(self, label: str) -> None:
        """Start a server that has crashed; returns when it answers."""

    def set_clock(self, label: str, moment_us: int) -> None:
        """What the server's clock says from now on (microseconds since 1970)."""

    def ask(self, label: str, ask: Ask) -> Answer:
        """Send a server one REST request."""

    def holding(self, label: str) -> Holding:
        """What the server holds now."""

    def exchange(self, pairs: Sequence[Pair]) -> Mapping[Pair, str]:
        """One session for each pair (no server in two of them), to its end; why not, for those that came to none."""

    def close(self) -> None:
        """End all, and leave nothing behind."""
