"""The values that a handler receives with a request: the caller, the client session, the validated query and body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from bayou.application import Snapshot
from bayou.session_token import Token
from bayou.stamps import split_id

QueryT = TypeVar("QueryT")
BodyT = TypeVar("BodyT")


@dataclass(frozen=True, slots=True)
class Caller:
    """The person who makes a request.

    name  may be empty if the request does not write
    role  `guest`, `user` or `manager`; always `user` if the replica has `auth: none`
    """

    name: str
    role: str


@dataclass(slots=True)
class ClientSession:
    """The client's session during one request. Handlers only pass this object to the service. The object tells the
    service which vector the request needs. The service records in the object what the client reads and writes.

    was_sent     whether the client sent a session token
    client       the person or address to which limits on requests apply; empty if it is not known
    notes_reads  whether `note_read` records reads; False if the request writes, because its handler may read before the
                 write
    """

    token: Token
    was_sent: bool = False
    guarantees: frozenset[str] = frozenset()
    wait_ms: int = 0
    notes_reads: bool = True
    has_written: bool = False
    seen: Token | None = None  # the token with what was read; it counts if the request succeeds
    client: str = ""

    @property
    def birth(self) -> str:
        """The short form of the cluster's birth (its first primary), from the client's token. The text is empty if the
        client sent no token, or a token without a birth."""
        return self.token.birth if self.was_sent else ""

    def needs_of_read(self) -> dict[str, int]:
        """Return the vector that a view must cover before the request may read the view. A request that has made a
        write only reads the result of this write. For such a read, the vector is empty."""
        return {} if self.has_written or not self.was_sent else self.token.needs_of_read(self.guarantees)

    def needs_of_write(self) -> dict[str, int]:
        """Return the vector that the replica must cover to accept a write."""
        return self.token.needs_of_write(self.guarantees) if self.was_sent else {}

    def note_read(self, snapshot: Snapshot, view: str) -> None:
        if self.was_sent and self.notes_reads:
            seen = snapshot.vector if view == "tentative" else snapshot.committed_vector
            token = (self.seen or self.token).after_read(seen).born(snapshot.birth)
            self.seen = token.folded(snapshot.committed_vector, snapshot.csn, snapshot.history)

    def note_write(self, identifier: str, birth: str) -> None:
        """Record the id of a write that the replica has accepted. `birth` is the cluster's birth; empty if the replica
        does not know it."""
        stamp, origin = split_id(identifier)
        self.token, self.has_written = self.token.after_write(origin, stamp).born(birth), True

    def note_duplicate(self, held: Snapshot) -> None:
        """Record that the replica had already accepted this request. A client may send a request twice if the first
        answer was lost. `held` is a snapshot whose vector covers the write of the request."""
        if self.was_sent:
            for server, stamp in held.vector.items():
                self.token = self.token.after_write(server, stamp)
            self.token = self.token.born(held.birth)

    def token_after(self, *, reads_count: bool) -> str | None:
        """Return the session token for the answer; None if the answer carries no token. With `reads_count`, the token
        includes what the request has read. The caller sets `reads_count` if the request succeeded, or if the status of
        the answer is 404."""
        if not (self.was_sent or self.has_written):
            return None
        return (self.seen if reads_count and self.seen else self.token).encode()


@dataclass(frozen=True, slots=True)
class Request(Generic[QueryT, BodyT]):
    """One request. `query` and `body` are validated models, or None. The handler gets the parameters of the path as its
    other arguments."""

    caller: Caller
    session: ClientSession
    query: QueryT
    body: BodyT
