"""Stamps and write ids. They order the tentative writes.

A stamp is a number of microseconds from a Lamport clock that stays near real time (Terry 1995, section 4.3). Outside
Python, a stamp is a text of 16 digits, because Lua's JSON keeps only 14 digits of a number. A write id is
`STAMP@SERVER`. All stamps have 16 digits. So the bytewise order of write ids is the order of (stamp, server).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

STAMP_DIGITS = 16
STAMP_MAX = 9_000_000_000_000_000  # below 2**53, so that a Lua number and a sorted-set score hold it exactly
DAY_US = 24 * 3600 * 1_000_000
AHEAD_US_MAX = 365 * DAY_US  # how far a stamp may be ahead of the wall clock of the replica that gives or takes it


def stamp_text(stamp: int) -> str:
    """Return a stamp as a text of 16 digits. JSON, Lua and Redis use this form."""
    return f"{stamp:0{STAMP_DIGITS}d}"


def write_id(stamp: int, origin: str) -> str:
    """Return `STAMP@SERVER`, the id of the write that the server `origin` accepted at `stamp`."""
    return f"{stamp_text(stamp)}@{origin}"


def split_id(identifier: str) -> tuple[int, str]:
    """Return the stamp and the server of a write id. Raise ValueError if the text is not a write id."""
    digits, at, origin = identifier.partition("@")
    if len(digits) != STAMP_DIGITS or not digits.isascii() or not digits.isdigit() or not at or not origin:
        raise ValueError(f"{identifier!r} is not a write id (16 digits, @, a server id)")
    return int(digits), origin


def moment(stamp: int) -> str:
    """Return the time of a stamp, in UTC, as a text for people. `stamp` may also be a wall clock in microseconds since
    1970."""
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=stamp):%Y-%m-%d %H:%M} UTC"


def created_at(server: str) -> int:
    """Return the stamp at which a server was created: T for the id `T:X` of a created server, and 0 for a minted id
    (LABEL~NONCE)."""
    stamp, colon, _ = server.partition(":")
    return int(stamp) if colon else 0
