"""Finds the time zone that a TZID of a calendar file means.

If the file has a readable definition of the zone (VTIMEZONE), this module uses the definition. Otherwise, this module
looks up the TZID as a name: see `named_zone`.

Many definitions describe only some years. For all other years, `DefinedZone` uses the zone that the TZID names, if
this zone agrees with the definition.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from cli.calendar_files.content import Component
from cli.calendar_files.errors import UnusableError
from cli.calendar_files.recurrence import HORIZON, Rule
from cli.output.screen import clean

_OFFSET = re.compile(r"([+-]?)(\d{2})(\d{2})(\d{2})?")
_FIXED = re.compile(r"(?:UTC|GMT|Z)?([+-])(\d{1,2})(?::?(\d{2}))?")
_CITY = re.compile(r"\((?:UTC|GMT)[^)]*\) *([A-Za-z' .-]+)")
_LOCAL = re.compile(r"(\d{8})T(\d{6})")
_DAY = timedelta(days=1)
_EARLY_YEAR = 1968  # a leap year, because an observance may begin on 29 February


class Zones:
    """The time zones of one calendar."""

    def __init__(self, calendar: Component) -> None:
        self._definitions: dict[str, Component] = {}
        for one in calendar.children_named("VTIMEZONE"):
            self._definitions.setdefault(one.text("TZID").strip('"'), one)
        self._found: dict[str, tzinfo] = {}

    def zone(self, name: str) -> tzinfo:
        """Return the time zone of a TZID. Raise UnusableError if the time zone cannot be found."""
        name = name.strip().strip('"')
        if name not in self._found:
            self._found[name] = self._zone(name)
        return self._found[name]

    def _zone(self, name: str) -> tzinfo:
        definition = self._definitions.get(name) or self._definitions.get(name.lstrip("/"))
        by_name = named_zone(name)
        if definition is None:
            if by_name is None:
                raise UnusableError(f"its time zone {clean(name)} is not known")
            return by_name
        by_name = by_name or named_zone(definition.text("X-LIC-LOCATION"))
        try:
            return DefinedZone(name, definition, by_name)
        except (ValueError, OverflowError, UnusableError):
            if by_name is None:
                raise UnusableError(f"the definition of its time zone {clean(name)} cannot be read") from None
            return by_name


def zone_name(moment: datetime) -> str | None:
    """Return the name of the moment's time zone in the zone database. Return None if the zone has no such name."""
    zone = moment.tzinfo
    if isinstance(zone, DefinedZone):
        zone = zone.by_name
        if zone is None or moment.replace(tzinfo=zone).utcoffset() != moment.utcoffset():
            return None
    return getattr(zone, "key", "UTC" if zone is UTC else None)


def named_zone(name: str) -> tzinfo | None:
    """Return the time zone with this name. Return None if the name is unknown.

    A known name is a name of the zone database, a name that Windows uses, or an offset such as UTC+02:00. A name of the
    zone database may have a prefix such as /freeassociation.sourceforge.net/.
    """
    plain = name.strip().strip("/")
    folded = plain.casefold()
    if folded in {"utc", "z", "gmt", "tzone://microsoft/utc"}:
        return UTC
    if windows := _windows().get(folded):
        return ZoneInfo(windows)
    parts = folded.split("/")
    for count in (len(parts), 3, 2):
        if found := _database().get("/".join(parts[-count:])):
            return ZoneInfo(found)
    if fixed := _FIXED.fullmatch(plain.replace(" ", "").upper()):
        length = timedelta(hours=int(fixed[2]), minutes=int(fixed[3] or 0))
        return timezone(-length if fixed[1] == "-" else length) if length < _DAY else None
    if city := _CITY.match(plain):  # the names that Windows shows, such as (UTC+10:00) Brisbane
        return _zone_of_city(city[1].strip().replace(" ", "_").casefold())
    return None


@cache
def _database() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}


@cache
def _windows() -> Mapping[str, str]:
    return {name.casefold(): found for name, found in WINDOWS_TO_OLSON.items()}


def _zone_of_city(city: str) -> tzinfo | None:
    found = [name for folded, name in _database().items() if folded.rpartition("/")[2] == city and "/" in folded]
    return ZoneInfo(min(found)) if found else None


class DefinedZone(tzinfo):
    """A time zone as a VTIMEZONE defines it. Raise ValueError or UnusableError if the definition cannot be read.

    `by_name` is the zone that `named_zone` finds, or None. The definition may describe only some years. For the time
    before and after these years, this class uses the offset of `by_name` if `by_name` agrees with the definition: see
    `_agrees`.
    """

    def __init__(self, name: str, definition: Component, by_name: tzinfo | None) -> None:
        self._name = name
        onsets: list[tuple[datetime, timedelta, timedelta]] = []  # UTC, offset before, offset after
        endless = False
        for observance in (*definition.children_named("STANDARD"), *definition.children_named("DAYLIGHT")):
            after = _offset(observance.text("TZOFFSETTO"))
            before = _offset(observance.text("TZOFFSETFROM") or observance.text("TZOFFSETTO"))
            onsets += [(onset - before, before, after) for onset in _onsets(observance, before)]
            endless |= any(not Rule(one.value).has_end for one in observance.all("RRULE"))
        if not onsets:
            raise ValueError("no STANDARD or DAYLIGHT part of the VTIMEZONE says when its offset begins")
        onsets.sort()
        self._times = [at for at, _, _ in onsets]
        self._offsets = [onsets[0][1], *(after for _, _, after in onsets)]
        self.by_name = by_name
        self._named_before = self._agrees(0)
        self._named_after = not endless and len(onsets) > 1 and self._agrees(len(onsets) - 1)

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None:
            return timedelta()
        local = moment.replace(tzinfo=None, fold=0)
        before, after = self._at(local - _DAY), self._at(local + _DAY)
        fits = [offset for offset in (before, after) if self._at(local - offset) == offset]
        if not fits or len(set(fits)) == 2:  # clocks skip this time, or show it twice
            return after if moment.fold else before
        return fits[0]

    def dst(self, _: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, _: datetime | None) -> str:
        return self._name

    def fromutc(self, moment: datetime) -> datetime:
        utc = moment.replace(tzinfo=None)
        local = utc + self._at(utc)
        first = self._at(local - _DAY)
        repeated = first != self._at(utc) and self._at(local - first) == first
        return local.replace(tzinfo=self, fold=int(repeated))

    def _at(self, utc: datetime) -> timedelta:
        """Return the offset at a moment. `utc` is the moment in UTC, without a zone."""
        found = bisect_right(self._times, utc)
        if (self._named_before and found == 0) or (self._named_after and found == len(self._times)):
            return self._at_by_name(utc)
        return self._offsets[found]

    def _at_by_name(self, utc: datetime) -> timedelta:
        assert self.by_name is not None, "asked only where it agrees"
        return utc.replace(tzinfo=UTC).astimezone(self.by_name).utcoffset() or timedelta()

    def _agrees(self, onset: int) -> bool:
        """Return whether `by_name` and the definition have the same offset after a change of clocks.

        `onset` is the index of the change. The offsets are compared at the moment of the change.
        """
        return self.by_name is not None and self._at_by_name(self._times[onset]) == self._offsets[onset + 1]


def _offset(text: str) -> timedelta:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an offset")
    length = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    if length >= _DAY:
        raise ValueError(f"{text!r} is not an offset")
    return -length if match[1] == "-" else length


def _onsets(observance: Component, before: timedelta) -> Iterator[datetime]:
    """Yield the local times at which clocks change to an observance (a STANDARD or DAYLIGHT part)."""
    first = _local(observance.text("DTSTART") or "19700101T000000")
    yield first
    for one in observance.all("RRULE"):
        rule = Rule(one.value)
        started = max(first, first.replace(year=_EARLY_YEAR)) if _is_yearly(rule) else first
        yield from rule.starts(started, timezone(before), HORIZON, with_first=False)
    for one in observance.all("RDATE"):
        yield from map(_local, one.value.split(","))


def _is_yearly(rule: Rule) -> bool:
    """Return whether the rule repeats every year and has no COUNT.

    `_onsets` may move the DTSTART of such a rule to a later year. From that year on, the rule gives the same dates.
    """
    parts = rule.text.split(";")
    return (
        "FREQ=YEARLY" in parts and rule.count is None and {"INTERVAL=1"} >= {one for one in parts if "INTERVAL" in one}
    )


def _local(text: str) -> datetime:
    match = _LOCAL.match(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a local time")
    return datetime.strptime(match[0], "%Y%m%dT%H%M%S")


def is_skipped(local: datetime, zone: tzinfo) -> bool:
    """Return whether the clocks of the zone skip a local time. `local` has no zone."""
    moment = local.replace(tzinfo=zone)
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local
