"""The clock of a replica: the machine's, or for tests and classes one that is kept in a file.

With the environment variable BAYOU_CLOCK, the time is what the file of that name says (microseconds since 1970), read
anew each time: whoever writes it owns the clock, and may run it ahead, behind, or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOCK_VARIABLE = "BAYOU_CLOCK"

Clock = Callable[[], datetime]
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


def chosen_clock() -> Clock:
    """The clock that the environment asks for; it gives aware UTC moments."""
    name = os.environ.get(CLOCK_VARIABLE)
    if not name:
        return utc_now
    file = Path(name)
    return lambda: _BEGINNING + timedelta(microseconds=int(file.read_text(encoding="ascii")))


def microseconds(moment: datetime) -> int:
    """The microseconds from 1970 to this moment, exactly."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
