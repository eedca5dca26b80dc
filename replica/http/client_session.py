"""A client's session in HTTP: what it sends of it, and what it gets back.

    Bayou-Session: TOKEN          the session as the last answer gave it; empty begins one
    Bayou-Guarantees: RYW,MR      which guarantees this request wants; all four when a token is sent, else none
    Bayou-Wait: MS                how long the replica may wait until it has seen what the session has seen

An answer carries the new token where a token was sent or a write was taken. A refused operation leaves it unchanged.
Knows Flask's request, not the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask, Response, g, request
from werkzeug.datastructures import Headers

from bayou.application import Snapshot
from bayou.errors import BadInput
from bayou.session_token import GUARANTEES, Token, read_guarantees
from bayou.stamps import split_id
from bayou.state import Vector

TOKEN_HEADER = "Bayou-Session"
GUARANTEES_HEADER = "Bayou-Guarantees"
WAIT_HEADER = "Bayou-Wait"
WAIT_MS_MAX = 30_000
NOT_FOUND = 404


@dataclass(slots=True)
class Present:
    """The session of one request. `seen` is what it has read here, which counts if the request succeeds."""

    token: Token
    sent: bool
    guarantees: frozenset[str]
    wait_ms: int
    has_written: bool = False
    seen: Token | None = None

    def needs_of_read(self) -> dict[str, int]:
        """What a read in this request needs: nothing once a write was taken, whose result it then shows."""
        return {} if self.has_written or not self.sent else self.token.needs_of_read(self.guarantees)

    def needs_of_write(self) -> dict[str, int]:
        return self.token.needs_of_write(self.guarantees) if self.sent else {}

    def note_read(self, snapshot: Snapshot, view: str) -> None:
        """A view was read. What a request that writes reads on its way is not the client's reading."""
        if self.sent and request.method in {"GET", "HEAD"}:
            seen = snapshot.vector if view == "tentative" else snapshot.committed_vector
            token = (self.seen or self.token).after_read(seen)
            self.seen = token.folded(snapshot.committed_vector, snapshot.csn, snapshot.history)

    def note_write(self, identifier: str) -> None:
        stamp, origin = split_id(identifier)
        self.token, self.has_written = self.token.after_write(origin, stamp), True

    def note_repeat(self, held: Vector) -> None:
        """A request was known here before, perhaps from an answer that was lost: its write is among what is held."""
        if self.sent:
            for server, stamp in held.items():
                self.token = self.token.after_write(server, stamp)

    def result(self, status: int) -> str | None:
        """The token to answer with, None for none. That something is not there was read, too."""
        if not (self.sent or self.has_written):
            return None
        counts = self.seen is not None and (status < 400 or status == NOT_FOUND)
        return (self.seen if counts and self.seen else self.token).encode()


def register(app: Flask) -> None:
    """Every request has a session, if only an empty one; malformed headers are refused wherever they are sent."""

    @app.before_request
    def read_headers() -> None:
        g.client_session = _read(request.headers)

    @app.after_request
    def send_token(response: Response) -> Response:
        session: Present | None = g.get("client_session")
        token = session.result(response.status_code) if session else None
        if token is not None:
            response.headers[TOKEN_HEADER] = token
        return response


def present() -> Present:
    """The session of the present request."""
    session: Present = g.client_session
    return session


def asked_view() -> str:
    """The view that the present request reads."""
    return "committed" if request.args.get("view") == "committed" else "tentative"


def _read(headers: Headers) -> Present:
    text, wanted = headers.get(TOKEN_HEADER), headers.get(GUARANTEES_HEADER)
    sent = text is not None
    guarantees = read_guarantees(wanted) if wanted is not None else frozenset(GUARANTEES if sent else ())
    return Present(Token.decode(text or ""), sent, guarantees, _wait_ms(headers.get(WAIT_HEADER)))


def _wait_ms(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) <= WAIT_MS_MAX):
        raise BadInput(
            "bad_input", f"{WAIT_HEADER} is a number of milliseconds up to {WAIT_MS_MAX}.", field=WAIT_HEADER
        )
    return int(text)
