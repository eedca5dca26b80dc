"""Session guarantees: what a client has read and written, as a token that it carries (Terry 1994).

A session is two vectors. RYW (read your writes) and MR (monotonic reads) ask of a read that the view covers what the
session has written, or read; WFR (writes follow reads) and MW (monotonic writes) ask the same of a write. Whether a
vector covers another is judged where the operation is done, by CompleteV. It knows no clock, no network and no store.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Self

from bayou.errors import BadInput
from bayou.stamps import STAMP_MAX
from bayou.state import Vector

RYW, MR, WFR, MW = "RYW", "MR", "WFR", "MW"
GUARANTEES = (RYW, MR, WFR, MW)
TOKEN_BYTES_MAX = 8 * 1024  # encoded; a session with some 150 servers takes as much
JSON_BYTES_MAX = 64 * 1024  # what a token may grow to when it is unpacked
SERVER_BYTES_MAX = 512


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

    def encode(self) -> str:
        """As text for a header; the same token is the same text."""
        members = {"r": self.read, "w": self.write}
        plain = json.dumps(members, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(zlib.compress(plain, 9)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """The token that `encode` gave; the empty one for the empty text; BadInput bad_token for anything else."""
        if not text:
            return cls()
        if len(text) > TOKEN_BYTES_MAX or not text.isascii():
            raise _bad()
        try:
            packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            unpacking = zlib.decompressobj()
            members = json.loads(unpacking.decompress(packed, JSON_BYTES_MAX))
            if not unpacking.eof or set(members) != {"r", "w"}:
                raise _bad()
            return cls(_vector(members["r"]), _vector(members["w"]))
        except (ValueError, zlib.error, RecursionError, TypeError):
            raise _bad() from None


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
