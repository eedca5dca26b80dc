"""The client session in HTTP: the headers that carry it.

    Bayou-Session: TOKEN          the session token of the last answer; an empty value begins a client session
    Bayou-Guarantees: RYW,MR      the guarantees for this request
    Bayou-Wait: MS                how many milliseconds the replica may wait for writes that the client session has seen

If a request has the header Bayou-Session but not Bayou-Guarantees, the request gets all four guarantees. If a request
has neither of these headers, the request gets no guarantees.

An answer has a session token if the request had the header Bayou-Session, or if a write was accepted. A refused request
does not change the token.
"""

from __future__ import annotations

from werkzeug.datastructures import Headers

from apps.api.request import ClientSession
from bayou.errors import BadInput
from bayou.session_token import GUARANTEES, Token, read_guarantees

TOKEN_HEADER = "Bayou-Session"
GUARANTEES_HEADER = "Bayou-Guarantees"
WAIT_HEADER = "Bayou-Wait"
WAIT_MS_MAX = 30_000
NOT_FOUND = 404


def read_session(headers: Headers, *, only_reads: bool) -> ClientSession:
    """Return the client session of a request. The session is empty if the request has no session headers. Raises
    BadInput for malformed headers."""
    token, wanted = headers.get(TOKEN_HEADER), headers.get(GUARANTEES_HEADER)
    was_sent = token is not None
    guarantees = read_guarantees(wanted) if wanted is not None else frozenset(GUARANTEES if was_sent else ())
    wait_ms = _wait_ms(headers.get(WAIT_HEADER))
    return ClientSession(Token.decode(token or ""), was_sent, guarantees, wait_ms, only_reads)


def token_to_send(session: ClientSession, status: int) -> str | None:
    """Return the token for an answer with this status; None if the answer carries no token."""
    return session.token_after(reads_count=status < 400 or status == NOT_FOUND)


def _wait_ms(text: str | None) -> int:
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 7 and int(text) <= WAIT_MS_MAX):
        raise BadInput(
            "bad_input", f"{WAIT_HEADER} must be a number of milliseconds from 0 to {WAIT_MS_MAX}.", field=WAIT_HEADER
        )
    return int(text)
