"""The request ids of an import. A request id shows the event of the request, and the version of this event.

There are three forms:

    BASE[+sN][+YYYYMMDD]   makes a reservation or a series
    BASE+sN                moves a reservation, or changes its purpose or room
    BASE+cN                cancels a reservation

BASE comes from the UID of the event. N is the SEQUENCE, which is the number of the version. In the first form, `+sN` is
absent if the SEQUENCE is 0. The id has a day only if the id without the day is already in use.

If a file is imported again, the ids show which versions an import has already followed. The import follows no version a
second time, and no older version after a newer version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection

from bayou.names import NAME

BASE_LENGTH_MAX = 40  # leaves room for the marks in a name of 64
_MARKED = re.compile(r"(?P<base>.+?)(?:\+(?P<verb>[sc])(?P<sequence>\d{1,9}))?(?P<day>\+\d{8,10})?")


def base_of(uid: str) -> str:
    """Return the beginning BASE of the request ids for a UID. If possible, BASE is the UID. If the UID is too long, is
    not a valid name, or ends like a request id, BASE is a hash of the UID."""
    if NAME.fullmatch(uid) and len(uid) <= BASE_LENGTH_MAX and split(uid)[0] == uid:
        return uid
    return f"ics-{hashlib.sha256(uid.encode()).hexdigest()[:32]}"


def split(request: str) -> tuple[str, int]:
    """Return the base and the SEQUENCE of a request id."""
    match = _MARKED.fullmatch(request)
    assert match is not None, "a request id is not empty"
    return match["base"], int(match["sequence"] or 0)


def to_reserve(base: str, sequence: int, day: str, used: Collection[str]) -> str:
    """Return an id for a request that makes a reservation or a series. `day` is the key of the first occurrence. `used`
    has the ids that are already in use."""
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
