"""Session guarantees (Terry 1994): a token says what a client has read and written, and the client carries the token.

A client session has two vectors. One vector covers the writes that the session has read. The other vector covers the
writes that the session has made. There are four guarantees:

    RYW  read your writes      a read needs a view that covers what the session has written
    MR   monotonic reads       a read needs a view that covers what the session has read
    WFR  writes follow reads   a write needs a replica that covers what the session has read
    MW   monotonic writes      a write needs a replica that covers what the session has written

The transaction that reads or writes checks the guarantees with CompleteV (bayou/vectors.py).

A token also has the birth of its cluster, in a short form. A cluster that is started again with new data has another
birth, and never gets the writes of an old token. So a replica refuses a token with another birth, because waiting would
not help. A new replica may not know the birth yet. A token gets the birth from the first replica that knows the birth.

A token grows with each server that its session has seen, even if the server has retired. So a long token is folded: one
entry `#NUMBER/PROMOTER` -> CSN replaces the entries of committed writes. This entry names an epoch, and covers all
commits up to the CSN. A folded token asks for more than before: the replica must hold the commits of the writes, not
only the writes. So a short token is not folded.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from bayou.errors import BadInput, TooLarge
from bayou.history import Epoch, decode
from bayou.stamps import STAMP_MAX
from bayou.state import Vector
from bayou.vectors import complete

RYW, MR, WFR, MW = "RYW", "MR", "WFR", "MW"
GUARANTEES = (RYW, MR, WFR, MW)
TOKEN_BYTES_MAX = 8 * 1024  # encoded
ENTRIES_MAX = 100  # of a vector that is not folded; such a token has some 5 KiB
JSON_BYTES_MAX = 64 * 1024  # of an unpacked token
SERVER_BYTES_MAX = 640  # of a server id or the name of an epoch
PACKING = (12, 5)  # window and memory of zlib, as powers of two; setting up the defaults takes longer than packing
PLAIN_BYTES_MAX = 128  # a token up to this size is not packed
WRITES_BYTES = 1024  # left free in a token: the entry of a write is added after the write is done
EPOCH_SIGN = "#"  # begins the name of an epoch
BIRTH_DIGITS = 12  # of the short form of a birth; storage/lua/engine/held.lua makes the same form

BIRTH = re.compile(f"[0-9a-f]{{{BIRTH_DIGITS}}}")
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Token:
    """What a client session has read and written.

    read   for each server, the greatest stamp in all views that the session has read
    write  for each server that has accepted writes of the session, the stamp of the newest of these writes
    birth  the birth of the cluster, in a short form; empty while unknown
    """

    read: Vector = field(default_factory=dict)
    write: Vector = field(default_factory=dict)
    birth: str = ""

    def needs_of_read(self, guarantees: Collection[str]) -> dict[str, int]:
        """Return the vector that a view must cover before the session may read the view (Terry 1994, section 4.1)."""
        return _greatest(self.write if RYW in guarantees else {}, self.read if MR in guarantees else {})

    def needs_of_write(self, guarantees: Collection[str]) -> dict[str, int]:
        """Return the vector that a replica must cover before it may accept a write of the session."""
        return _greatest(self.read if WFR in guarantees else {}, self.write if MW in guarantees else {})

    def after_read(self, vector: Vector) -> Token:
        """Return the token after the client has read a view with this vector."""
        return replace(self, read=_greatest(self.read, vector))

    def after_write(self, server: str, stamp: int) -> Token:
        """Return the token after this server has accepted a write with this stamp."""
        return replace(self, write=_greatest(self.write, {server: stamp}))

    def born(self, birth: str) -> Token:
        """Return the token with the birth `birth`, a server id. An empty `birth` means that the replica of this client
        session does not know the birth. Then the token stays as it is."""
        return replace(self, birth=_short(birth)) if birth else self

    def folded(self, committed: Vector, csn: int, history: str) -> Token:
        """Return a short token as it is. In a long token, replace the committed entries by one entry. Raise TooLarge if
        the result is still too long.

        The arguments describe the replica that serves the session. `committed` is the vector of the replica's commits,
        and `history` is the replica's history as JSON.
        """
        if max(len(self.read), len(self.write)) <= ENTRIES_MAX:
            return self
        epochs = decode(history)

        def fold(vector: Vector) -> dict[str, int]:
            kept = {
                server: stamp for server, stamp in vector.items() if not _covers(committed, csn, epochs, server, stamp)
            }
            if len(kept) < len(vector):
                kept[f"{EPOCH_SIGN}{epochs[-1].number}/{epochs[-1].promoter}"] = csn
            return kept

        small = replace(self, read=fold(self.read), write=fold(self.write))
        if len(small.encode()) > TOKEN_BYTES_MAX - WRITES_BYTES:
            raise TooLarge(
                "session_too_large",
                "This client session has seen tentative writes of more servers than its session token can hold."
                " Try again when these writes are committed. Or send no token, which begins a new client session.",
                bytes_max=TOKEN_BYTES_MAX,
            )
        return small

    def encode(self) -> str:
        """Return the token as text for a header. Equal tokens have equal texts."""
        birth = {"b": self.birth} if self.birth else {}
        packed = _ENCODE({**birth, "r": self.read, "w": self.write}).encode()
        if len(packed) > PLAIN_BYTES_MAX:
            packing = zlib.compressobj(9, zlib.DEFLATED, *PACKING)
            packed = packing.compress(packed) + packing.flush()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the token that this text encodes. An empty text is an empty token. Raise BadInput `bad_token` for any
        other text."""
        if not text:
            return cls()
        if len(text) > TOKEN_BYTES_MAX or not text.isascii():
            raise _bad()
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            found = json.loads(packed if packed.startswith(b"{") else _unpacked(packed))
            birth = found.pop("b", "")
            if set(found) != {"r", "w"} or not (birth == "" or BIRTH.fullmatch(birth)):
                raise _bad()
            return cls(_vector(found["r"]), _vector(found["w"]), birth)
        except (ValueError, zlib.error, RecursionError, TypeError, AttributeError):
            raise _bad() from None


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(packed, JSON_BYTES_MAX)
    if not unpacking.eof:
        raise _bad()
    return plain


def read_guarantees(text: str) -> frozenset[str]:
    """Parse a list of guarantees such as `RYW,MR`, in any order. The list may be empty. Raise BadInput for any other
    text."""
    names = frozenset(name.strip().upper() for name in text.split(",") if name.strip())
    if unknown := names - set(GUARANTEES):
        raise BadInput(
            "bad_input",
            f"The guarantee {min(unknown)[:20]!r} does not exist. Use one or more of {', '.join(GUARANTEES)}.",
            field="Bayou-Guarantees",
        )
    return names


def _covers(committed: Vector, csn: int, epochs: Sequence[Epoch], server: str, stamp: int) -> bool:
    """Return whether a replica with these commits covers an entry of a token.

    Return False for a minted id (LABEL~NONCE) without an entry in `committed`. The server with this id may have
    retired, or the replica may not know the server.
    """
    if not server.startswith(EPOCH_SIGN):
        return complete(committed, (), server) >= stamp
    for at, epoch in enumerate(epochs):
        if server == f"{EPOCH_SIGN}{epoch.number}/{epoch.promoter}":
            return stamp <= (epochs[at + 1].first_csn - 1 if at + 1 < len(epochs) else csn)
    return False


def _short(birth: str) -> str:
    return hashlib.sha1(birth.encode(), usedforsecurity=False).hexdigest()[:BIRTH_DIGITS]


def _greatest(one: Vector, other: Vector) -> dict[str, int]:
    return {server: max(one.get(server, 0), other.get(server, 0)) for server in {**one, **other}}


def _vector(vector: Any) -> dict[str, int]:
    if not isinstance(vector, dict):
        raise _bad()
    for server, stamp in vector.items():
        right = type(stamp) is int and 0 <= stamp <= STAMP_MAX and 0 < len(server.encode()) <= SERVER_BYTES_MAX
        if not right:
            raise _bad()
    return vector


def _bad() -> BadInput:
    return BadInput(
        "bad_token",
        "The header Bayou-Session does not contain a session token of a replica. Send the last token that you received."
        " To begin a new client session, send no token.",
        field="Bayou-Session",
    )
