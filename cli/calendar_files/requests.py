"""The request ids of an import. They tell which event made a reservation (its UID), and which version of the event (its
SEQUENCE).

An id begins with its base, which comes from the UID. Marks follow:

    BASE[+sN][+YYYYMMDD]   makes a reservation or series; has a day if the id without the day is in use
    BASE+sN                moves a reservation, or changes its purpose or room
    BASE+cN                cancels a reservation

N is the SEQUENCE. The first form has no `+sN` if the SEQUENCE is 0.

So the import follows each version of an event only once, even if a file is imported again. It follows no older version
after a newer version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from bayou.names import NAME

BASE_LENGTH_MAX = 40  # leaves room for the marks in a name of 64
_MARKED = re.compile(r"(?P<base>.+?)(?:\+(?P<verb>[sc])(?P<sequence>\d{1,9}))?(?P<day>\+\d{8,10})?")


def base_of(uid: str) -> str:
    """Return the beginning of the request ids for a UID. This is the UID itself, if it can be a name, is not too long,
    and does not end with marks. Otherwise, it is a hash of the UID."""
    if NAME.fullmatch(uid) and len(uid) <= BASE_LENGTH_MAX and split(uid)[0] == uid:
        return uid
    return f"ics-{hashlib.sha256(uid.encode()).hexdigest()[:32]}"


def split(request: str) -> tuple[str, int]:
    """Return the base and the SEQUENCE of a request id."""
    match = _MARKED.fullmatch(request)
    assert match is not None, "a request id is not empty"
    return match["base"], int(match["sequence"] or 0)


def to_reserve(base: str, sequence: int, day: str, used: Collection[str]) -> str:
    """Return an id that makes a reservation or series. `day` is the key of its first occurrence. `used` are the ids
    that are in use already."""
    found = base + (f"+s{sequence}" if sequence else "")
    if found not in used:
        return found
    plain = f"{found}+{day.replace('-', '')}"
    numbered = (plain + (str(number) if number > 1 else "") for number in range(1, 100))
    return next(one for one in numbered if one not in used)


def to_change(base: str, sequence: int) -> str:
    return f"{base}+s{sequence}"


def to_cancel(base: str, sequence: int) -> str:
    return f"{base}+c{sequence}"
