"""Describes a time zone for a feed (VTIMEZONE): the offsets from UTC in some years, from the zone database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from icalendar import Timezone, TimezoneDaylight, TimezoneStandard

_DAY = timedelta(days=1)  # no offset lasts for less
_SECOND = timedelta(seconds=1)


@lru_cache(maxsize=8)
def described(key: str, first_year: int, last_year: int) -> Timezone:
    """Return the description of a time zone from the beginning of the first year to the end of the last year."""
    zone = ZoneInfo(key)
    found = Timezone()
    found.add("tzid", key)
    begin = datetime(first_year, 1, 1, tzinfo=UTC) - _DAY
    changes = [begin, *_changes(zone, begin, datetime(last_year + 1, 1, 1, tzinfo=UTC) + _DAY)]
    # Where the database has a winter time (Dublin) instead of a summer time, programs expect the usual names.
    least = min(utc.astimezone(zone).dst() or timedelta() for utc in changes)
    onsets: dict[tuple[bool, str, timedelta, timedelta], list[datetime]] = {}
    before = _offset(begin, zone)
    for utc in changes:
        local, after = utc.astimezone(zone), _offset(utc, zone)
        is_daylight = (local.dst() or timedelta()) > min(least, timedelta())
        # The onset is the local time that clocks show before they change.
        onset = (utc + before).replace(tzinfo=None)
        onsets.setdefault((is_daylight, local.tzname() or key, before, after), []).append(onset)
        before = after
    for (is_daylight, name, offset_from, offset_to), times in onsets.items():
        observance = TimezoneDaylight() if is_daylight else TimezoneStandard()
        observance.add("tzname", name)
        observance.add("tzoffsetfrom", offset_from)
        observance.add("tzoffsetto", offset_to)
        observance.add("dtstart", times[0])
        observance.add("rdate", times)  # also the first: some programs do not read DTSTART as an onset
        found.add_component(observance)
    return found


def _changes(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the moments (UTC) between `begin` and `end` at which the offset changes."""
    day = begin
    while day < end:
        following = day + _DAY
        if _offset(day, zone) != _offset(following, zone):
            low, high = day, following
            while high - low > _SECOND:
                middle = low + (high - low) // 2 // _SECOND * _SECOND
                if _offset(middle, zone) == _offset(day, zone):
                    low = middle
                else:
                    high = middle
            yield high
        day = following


def _offset(utc: datetime, zone: ZoneInfo) -> timedelta:
    return utc.astimezone(zone).utcoffset() or timedelta()
