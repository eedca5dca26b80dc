"""Session guarantees: what a client has read and written, as a token that it carries (Terry 1994).

A session is two vectors. RYW (read your writes) and MR (monotonic reads) ask of a read that the view covers what the
session has written, or read; WFR (writes follow reads) and MW (monotonic writes) ask the same of a write. Whether a
vector covers another is judged where the operation is done, by CompleteV. It knows no clock, no network and no store.

A session that has seen many servers, of which most may be long gone, would grow with each. So what is committed is
folded into one entry, `#NUMBER/PROMOTER` (an epoch) -> CSN: whoever holds the commits of that epoch up to that CSN
covers all that went into it. That asks for more than the entries did, of a replica that holds the writes and has not
heard of their commits; so it is done only where there are many.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from bayou.errors import BadInput, TooLarge
from bayou.history import Epoch, decode
from bayou.stamps import STAMP_MAX
from bayou.state import Vector
from bayou.vectors import complete

RYW, MR, WFR, MW = "RYW", "MR", "WFR", "MW"
GUARANTEES = (RYW, MR, WFR, MW)
TOKEN_BYTES_MAX = 8 * 1024  # encoded
ENTRIES_MAX = 100  # of a vector; one with more is folded, and takes some 5 KiB
JSON_BYTES_MAX = 64 * 1024  # what a token may grow to when it is unpacked
SERVER_BYTES_MAX = 640  # of a name: a server id, or an epoch
PACKING = (12, 5)  # window and memory of zlib, as powers of two: the defaults take more time to set up than to pack
PLAIN_BYTES_MAX = 128  # a token of so few bytes is not packed
WRITES_BYTES = 1024  # kept free of a token's bytes: a write adds an entry after what it did was done
POINT = "#"  # begins the name of an epoch

_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Token:
    """`read`: the greatest vector of the views that were read; `write`: the newest stamp written at each server."""

    read: Vector = field(default_factory=dict)
    write: Vector = field(default_factory=dict)

    def needs_of_read(self, guarantees: Collection[str]) -> dict[str, int]:
        """What the view must cover before a read (Terry 1994, section 4.1)."""
        return _greatest(self.write if RYW in guarantees else {}, self.read if MR in guarantees else {})

    def needs_of_write(self, guarantees: Collection[str]) -> dict[str, int]:
        """What the replica must hold before it takes a write."""
        return _greatest(self.read if WFR in guarantees else {}, self.write if MW in guarantees else {})

    def after_read(self, vector: Vector) -> Token:
        """The session once it has read a view that covers `vector`."""
        return Token(_greatest(self.read, vector), self.write)

    def after_write(self, server: str, stamp: int) -> Token:
        """The session once its write has got this stamp at this server."""
        return Token(self.read, _greatest(self.write, {server: stamp}))

    def folded(self, committed: Vector, csn: int, history: str) -> Token:
        """The session with what these commits cover as one entry, where it is large: C, CSN and history (JSON) of the
        replica that has just served it. TooLarge where that does not make it small enough."""
        if max(len(self.read), len(self.write)) <= ENTRIES_MAX:
            return self
        epochs = decode(history)

        def fold(vector: Vector) -> dict[str, int]:
            kept = {
                server: stamp for server, stamp in vector.items() if not _covers(committed, csn, epochs, server, stamp)
            }
            if len(kept) < len(vector):
                kept[f"{POINT}{epochs[-1].number}/{epochs[-1].promoter}"] = csn
            return kept

        small = Token(fold(self.read), fold(self.write))
        if len(small.encode()) > TOKEN_BYTES_MAX - WRITES_BYTES:
            raise TooLarge(
                "session_too_large",
                "This session has seen the tentative writes of more servers than its token can hold. Begin a new one,"
                " or try again when they are committed.",
                bytes_max=TOKEN_BYTES_MAX,
            )
        return small

    def encode(self) -> str:
        """As text for a header; the same token is the same text."""
        packed = _ENCODE({"r": self.read, "w": self.write}).encode()
        if len(packed) > PLAIN_BYTES_MAX:
            packing = zlib.compressobj(9, zlib.DEFLATED, *PACKING)
            packed = packing.compress(packed) + packing.flush()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """The token that `encode` gave; the empty one for the empty text; BadInput bad_token for anything else."""
        if not text:
            return cls()
        if len(text) > TOKEN_BYTES_MAX or not text.isascii():
            raise _bad()
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            members = json.loads(packed if packed.startswith(b"{") else _unpacked(packed))
            if set(members) != {"r", "w"}:
                raise _bad()
            return cls(_vector(members["r"]), _vector(members["w"]))
        except (ValueError, zlib.error, RecursionError, TypeError):
            raise _bad() from None


def _unpacked(packed: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    plain = unpacking.decompress(packed, JSON_BYTES_MAX)
    if not unpacking.eof:
        raise _bad()
    return plain


def read_guarantees(text: str) -> frozenset[str]:
    """Of `RYW,MR`: any of the four, in any order, or none; BadInput otherwise."""
    names = frozenset(name.strip().upper() for name in text.split(",") if name.strip())
    if unknown := names - set(GUARANTEES):
        raise BadInput(
            "bad_input",
            f"There is no guarantee {min(unknown)[:20]!r}; there are {', '.join(GUARANTEES)}.",
            field="Bayou-Guarantees",
        )
    return names


def _covers(committed: Vector, csn: int, epochs: Sequence[Epoch], server: str, stamp: int) -> bool:
    """Whether these commits cover an entry; a minted id that is not in C may have retired, or be unknown: it stays."""
    if not server.startswith(POINT):
        return complete(committed, (), server) >= stamp
    for at, epoch in enumerate(epochs):
        if server == f"{POINT}{epoch.number}/{epoch.promoter}":
            return stamp <= (epochs[at + 1].first_csn - 1 if at + 1 < len(epochs) else csn)
    return False


def _greatest(one: Vector, other: Vector) -> dict[str, int]:
    return {server: max(one.get(server, 0), other.get(server, 0)) for server in {**one, **other}}


def _vector(members: Any) -> dict[str, int]:
    if not isinstance(members, dict):
        raise _bad()
    for server, stamp in members.items():
        right = type(stamp) is int and 0 <= stamp <= STAMP_MAX and 0 < len(server.encode()) <= SERVER_BYTES_MAX
        if not right:
            raise _bad()
    return members


def _bad() -> BadInput:
    return BadInput(
        "bad_token",
        "This is not a session's token as a replica gave it. Send the last one that you got, or none to begin anew.",
        field="Bayou-Session",
    )
