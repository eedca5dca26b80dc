"""Converts times between the form that people type and the form that pages hold.

Clients send and get ISO 8601 with an offset from UTC. Pages hold whole minutes since 1970 (UTC), so that the Lua code
needs no time zone. Zones are used only in Python: to show times, and to compute local days and times when a write is
made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY_MIN = 24 * 60
SLOT_DAYS_MAX = 366  # a year; the pages that a write may declare bound it further
YEAR_LAST = 2159  # the last whole year whose minutes have eight digits
MINUTE_END = int(datetime(YEAR_LAST + 1, 1, 1, tzinfo=UTC).timestamp()) // 60

FIRST_DAY = date(1970, 1, 1)
_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_EXAMPLE = "write it like 2026-12-01T09:00+01:00 or 2026-12-01T08:00Z"


def parse_minute(text: object) -> int:
    """Convert an ISO 8601 time with an offset to minutes since 1970. Raise ValueError, with a sentence for the user, if
    the text is not a valid time."""
    if not isinstance(text, str):
        raise ValueError(f"must be a time in quotes; {_EXAMPLE}")  # noqa: TRY004  # pydantic takes ValueError only
    form = _FORM.fullmatch(text)
    if form is None:
        hint = " (in an address, + is written %2B)" if " " in text else ""
        raise ValueError(f"{text[:40]!r} is not a time; {_EXAMPLE}{hint}")
    if form["offset"] is None:
        raise ValueError(f"{text!r} has no offset from UTC; {_EXAMPLE}")
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as reason:
        raise ValueError(f"{text!r} is not a time ({reason}); {_EXAMPLE}") from None
    if moment.second or moment.microsecond:
        raise ValueError(f"{text!r} has seconds; give whole minutes")
    minute = minute_of(moment)
    if not 0 <= minute <= MINUTE_END:
        raise ValueError(f"{text!r} is outside the years 1970 to {YEAR_LAST}")
    return minute


def minute_of(moment: datetime) -> int:
    """Return the number of whole minutes from 1970 to a moment."""
    return int(moment.timestamp()) // 60


def clock_text(minute: int) -> str:
    """Return a minute of the day as HH:MM."""
    return f"{minute // 60:02}:{minute % 60:02}"


@lru_cache(maxsize=10_000)  # the same times are shown again and again
def format_minute(minute: int, zone: ZoneInfo) -> str:
    """Convert `minute`, the number of minutes since 1970, to ISO 8601 with the offset of the zone from UTC."""
    return datetime.fromtimestamp(minute * 60, zone).isoformat(timespec="seconds")


def utc_day(minute: int) -> str:
    """Convert `minute`, the number of minutes since 1970, to a UTC day in the form YYYY-MM-DD."""
    return (FIRST_DAY + timedelta(days=minute // DAY_MIN)).isoformat()


def utc_days(start: int, end: int) -> Iterator[str]:
    """Yield each UTC day that [start, end) touches, as YYYY-MM-DD, in order."""
    for day in range(start // DAY_MIN, (end - 1) // DAY_MIN + 1):
        yield utc_day(day * DAY_MIN)


def local_day(start: int, end: int, zone: ZoneInfo) -> tuple[int, int]:
    """Return the beginning and the end of the local day of a slot, in minutes since 1970. If clocks change on that day,
    the day does not have 24 hours.

    If the slot crosses local midnight, return the beginning of its first day and the end of its last day.
    """
    first = datetime.fromtimestamp(start * 60, zone).date()
    last = datetime.fromtimestamp((end - 1) * 60, zone).date()
    return max(0, local_minute(first, 0, zone)), local_minute(last, DAY_MIN, zone)


def local_minute(day: date, minute: int, zone: ZoneInfo) -> int:
    """Convert a local time on a day to minutes since 1970. `minute` is the local time, in minutes after midnight.
    DAY_MIN means the midnight at the end of the day.

    If clocks show that local time twice, return the first of the two moments. If clocks skip that local time, use the
    offset from UTC before the change.
    """
    days, rest = divmod(minute, DAY_MIN)
    return minute_of(datetime.combine(day + timedelta(days=days), time(rest // 60, rest % 60), zone))


def shifted(minute: int, days: int, zone: ZoneInfo) -> int:
    """Return the time `days` local days after `minute`, at the same local time of day. `days` may be negative. `minute`
    and the result are numbers of minutes since 1970. If clocks show the new local time twice, return the first of the
    two moments. If `days` is 0, return `minute`.

    Raise ValueError, with a sentence for the user, if clocks skip the new local time. Also raise ValueError if the new
    day is outside the years 1970 to YEAR_LAST.
    """
    if days == 0:
        return minute
    wanted = (datetime.fromtimestamp(minute * 60, zone).replace(tzinfo=None) + timedelta(days=days)).replace(fold=0)
    moment = wanted.replace(tzinfo=zone).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) != wanted:
        raise ValueError(f"on {wanted.date()} clocks skip {wanted.time():%H:%M} in {zone.key}")
    found = minute_of(moment)
    if not 0 <= found <= MINUTE_END:
        raise ValueError(f"{wanted.date()} is outside the years 1970 to {YEAR_LAST}")
    return found


def local_date(minute: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(minute * 60, zone).date()


def minute_of_day(minute: int, zone: ZoneInfo) -> int:
    """Convert `minute`, the number of minutes since 1970, to the local time of day, in minutes after midnight."""
    moment = datetime.fromtimestamp(minute * 60, zone)
    return moment.hour * 60 + moment.minute


def zone_named(name: str) -> ZoneInfo | None:
    """Return the time zone with this name; None if this machine does not know the name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=10_000)
def offset_min(minute: int, zone: ZoneInfo) -> int:
    """Return the offset of the zone at the time `minute`. The offset is local time minus UTC, in minutes. `minute` is
    the number of minutes since 1970."""
    offset = datetime.fromtimestamp(minute * 60, zone).utcoffset()
    assert offset is not None, "a time zone has an offset"
    return offset // timedelta(minutes=1)


def encode_offsets(spans: Iterable[tuple[int, int]], zone: ZoneInfo) -> str:
    """Return the offsets of the zone during these spans, in the form of a write's argument `offsets`
    (lua/local_times.lua). An offset is local time minus UTC, in minutes.

    The result is OFFSET, then MINUTE:OFFSET for each change. MINUTE is the number of minutes from 1970 to the change.
    The result holds only for times in the spans.
    """
    found: dict[int, int] = {}
    for low, high in spans:
        found[low] = offset_min(low, zone)
        for before, after in pairwise([*range(low, high, DAY_MIN), high]):
            if offset_min(before, zone) != offset_min(after, zone):
                found[_change(before, after, zone)] = offset_min(after, zone)
    minutes = sorted(found)
    parts = [str(found[minutes[0]])]
    parts += [f"{minute}:{found[minute]}" for last, minute in pairwise(minutes) if found[minute] != found[last]]
    return " ".join(parts)


def present_minute(minute: int, offset: int, zone: ZoneInfo) -> int:
    """Convert a stored local time to minutes since 1970, by the present rules of `zone`.

    The local time is the sum of `minute` and `offset`. `minute` is the number of minutes since 1970, and `offset` is
    local time minus UTC at `minute`, in minutes. Both were computed by earlier rules. If the present rules give the
    same offset, return `minute`.
    """
    if offset_min(minute, zone) == offset:
        return minute
    wall = datetime(1970, 1, 1) + timedelta(minutes=minute + offset)  # a wall clock has no zone
    return minute_of(wall.replace(tzinfo=zone))


def _change(before: int, after: int, zone: ZoneInfo) -> int:
    """Return the minute at which the zone's offset changes to the offset at `after`. The result is greater than
    `before`, and at most `after`."""
    wanted = offset_min(after, zone)
    while after - before > 1:
        middle = (before + after) // 2
        if offset_min(middle, zone) == wanted:
            after = middle
        else:
            before = middle
    return after
