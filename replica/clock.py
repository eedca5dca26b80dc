"""The clock of a replica: the clock of the machine or, for tests and lessons, a file that holds the time.

If the environment variable BAYOU_CLOCK names a file, each call of the clock reads this file. The file holds the time in
microseconds since 1970. A test that writes the file can make the clock run fast, run slow, or stop.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

CLOCK_VARIABLE = "BAYOU_CLOCK"

Clock = Callable[[], datetime]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_now() -> datetime:
    """Return the time of the machine's clock, in UTC."""
    return datetime.now(UTC)


def chosen_clock() -> Clock:
    """Return the clock that the environment variable BAYOU_CLOCK chooses. The clock returns times with the time zone
    UTC."""
    name = os.environ.get(CLOCK_VARIABLE)
    if not name:
        return utc_now
    file = Path(name)
    return lambda: _EPOCH + timedelta(microseconds=int(file.read_text(encoding="ascii")))


def microseconds(moment: datetime) -> int:
    """Return the exact number of microseconds from 1970 to this moment."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
