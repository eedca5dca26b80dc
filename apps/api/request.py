"""What a handler receives with a request: the caller, the client session, and the validated query and body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from bayou.application import Snapshot
from bayou.session_token import Token
from bayou.stamps import split_id
from bayou.state import Vector

QueryT = TypeVar("QueryT")
BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `name` is empty if the request does not say it, but never for an endpoint that writes.
    `role` is guest, user or manager; without tokens it is user."""

    name: str
    role: str


@dataclass(slots=True)
class ClientSession:
    """The client's session during one request. The service takes from it what the request needs, and notes what the
    client reads and writes. A handler only passes it on.

    `was_sent`: the client sent a token. `notes_reads`: the request only reads. What a write reads before it is accepted
    does not count as read by the client.
    """

    token: Token
    was_sent: bool = False
    guarantees: frozenset[str] = frozenset()
    wait_ms: int = 0
    notes_reads: bool = True
    has_written: bool = False
    seen: Token | None = None  # the token with what was read; it counts if the request succeeds

    def needs_of_read(self) -> dict[str, int]:
        """The vector that a read needs. It is empty after a write of the same request, whose result the read shows."""
        return {} if self.has_written or not self.was_sent else self.token.needs_of_read(self.guarantees)

    def needs_of_write(self) -> dict[str, int]:
        """The vector that a write needs."""
        return self.token.needs_of_write(self.guarantees) if self.was_sent else {}

    def note_read(self, snapshot: Snapshot, view: str) -> None:
        if self.was_sent and self.notes_reads:
            seen = snapshot.vector if view == "tentative" else snapshot.committed_vector
            token = (self.seen or self.token).after_read(seen)
            self.seen = token.folded(snapshot.committed_vector, snapshot.csn, snapshot.history)

    def note_write(self, identifier: str) -> None:
        stamp, origin = split_id(identifier)
        self.token, self.has_written = self.token.after_write(origin, stamp), True

    def note_duplicate(self, held: Vector) -> None:
        """Note a request that the replica had already, perhaps because its answer was lost. Its write is part of
        `held`."""
        if self.was_sent:
            for server, stamp in held.items():
                self.token = self.token.after_write(server, stamp)

    def token_after(self, *, reads_count: bool) -> str | None:
        """The session token for the answer; None if the client gets none. Reads count if the request found what it
        asked for, or found that it does not exist."""
        if not (self.was_sent or self.has_written):
            return None
        return (self.seen if reads_count and self.seen else self.token).encode()


@dataclass(frozen=True, slots=True)
class Request(Generic[QueryT, BodyT]):
    """One request. `query` and `body` are validated models, or None. The parameters of the path are the other arguments
    of the handler."""

    caller: Caller
    session: ClientSession
    query: QueryT
    body: BodyT
