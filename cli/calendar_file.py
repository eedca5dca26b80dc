"""Reads a calendar file (RFC 5545). Each event becomes one or more reservations, or is skipped for a stated reason.

This module sends nothing to a replica. The same file always gives the same request ids, so that a second import of the
file makes no second reservation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice, takewhile
from typing import Any

from dateutil.rrule import rrulestr  # type: ignore[import-untyped]
from icalendar import Calendar, Component

from bayou.names import NAME
from cli.output.screen import clean
from cli.problems import Problem
from cli.times import Slot

PURPOSE_LENGTH_MAX = 200
ROOM_LENGTH_MAX = 64
RESERVATION = "X-BAYOU-RESERVATION"  # in feeds of replicas: USER/REQUEST
OCCURRENCES_MAX = 1000  # of one event
TOO_OFTEN = {"SECONDLY", "MINUTELY", "HOURLY"}


@dataclass(frozen=True)
class Wanted:
    """A reservation that an event asks for."""

    request: str
    room: str
    slot: Slot
    purpose: str
    series: str | None
    timezone: str | None  # the time zone that the event names, if it has a common name


@dataclass(frozen=True)
class Skipped:
    """An event that cannot become a reservation, and the reason."""

    title: str
    why: str


@dataclass
class Timetable:
    """The reservations that a file asks for, and its skipped events. `events` counts all events of the file."""

    events: int = 0
    wanted: list[Wanted] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


class _UnusableError(Exception):
    """Raised for an event that has to be skipped. The text of the error is the reason."""


def read_timetable(
    content: bytes, zone: tzinfo, part: tuple[int, int] = (1, 1), until: date | None = None, user: str = ""
) -> Timetable:
    """Read the events of a calendar file. Raise Problem if the content is not a calendar file.

    zone   the building's time zone; it applies to times that have no time zone of their own
    part   (K, N) reads every Nth event, starting with the Kth; a series counts as one event
    until  the last day of repeating events; without it, an event that repeats without an end is skipped
    user   an event that was exported from a reservation of this user keeps the request id of that reservation
    """
    try:
        calendars = Calendar.from_ical(content, multiple=True)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise Problem("bad_calendar", f"This is not a calendar file: {clean(error)}. Give an .ics file.") from error
    groups: dict[str, list[Component]] = {}
    for calendar in calendars:
        for event in calendar.walk("VEVENT"):
            uid = _own_request(event, user) or str(event.get("UID", "")).strip() or _nameless(event)
            groups.setdefault(uid, []).append(event)
    table = Timetable()
    turn, turns = part
    seen: set[str] = set()
    for position, (uid, events) in enumerate(groups.items()):
        if position % turns != turn - 1:
            continue
        moved = {key: event for event in events if (key := _recurrence_key(event, zone)) is not None}
        for event in events:
            table.events += 1
            try:
                for wanted in _wanted(uid, event, moved, zone, until):
                    if wanted.request in seen:
                        raise _UnusableError("its UID is in the file twice")  # noqa: TRY301
                    seen.add(wanted.request)
                    table.wanted.append(wanted)
            except _UnusableError as error:
                table.skipped.append(Skipped(_title(event), str(error)))
            except (ValueError, TypeError, OverflowError, AttributeError, KeyError) as error:
                table.skipped.append(Skipped(_title(event), f"cannot be read: {clean(error)}"))
    return table


def _own_request(event: Component, user: str) -> str | None:
    """If the event was exported from a reservation of `user`, return the request id of that reservation. Otherwise
    return None."""
    owner, _, request = str(event.get(RESERVATION, "")).partition("/")
    return request if owner == user and NAME.fullmatch(request) else None


def request_id(uid: str, occurrence: str = "") -> str:
    """Return the request id of an event, or of one occurrence of an event.

    The request id is the UID of the event. For an occurrence, the start of the occurrence is added. If the resulting
    text is not a valid request id, the request id is a hash of the text.
    """
    name = f"{uid}+{occurrence}" if occurrence else uid
    if NAME.fullmatch(name):
        return name
    return f"ics-{hashlib.sha256(name.encode()).hexdigest()[:40]}"


def _wanted(
    uid: str, event: Component, moved: dict[datetime, Component], zone: tzinfo, until: date | None
) -> Iterator[Wanted]:
    if str(event.get("STATUS", "")).upper() == "CANCELLED":
        raise _UnusableError("it is cancelled")
    room, start = _room(event), _start(event, zone)
    length = _length(event, start, zone)
    purpose = _purpose(event)
    key = _recurrence_key(event, zone)
    series = request_id(uid)
    own = _plain(event, "DTSTART").tzinfo
    named = getattr(own, "key", "UTC" if own is UTC else None)
    if key is not None:
        yield Wanted(request_id(uid, _stamp(key)), room, _slot(start, length), purpose, series, named)
    elif "RRULE" in event or "RDATE" in event:
        for occurrence in _occurrences(event, start, zone, until):
            if occurrence.astimezone(UTC) not in moved:
                request = request_id(uid, _stamp(occurrence))
                yield Wanted(request, room, _slot(occurrence, length), purpose, series, named)
    else:
        yield Wanted(series, room, _slot(start, length), purpose, None, named)


def _occurrences(event: Component, start: datetime, zone: tzinfo, until: date | None) -> list[datetime]:
    """Return the start of each occurrence of a repeating event. Rules apply in the time zone of the event."""
    last = datetime.combine(until, time(23, 59, 59), zone) if until else None
    starts = {start}
    for rule in _several(event.get("RRULE")):
        starts.update(_by_rule(rule, start, last))
    starts.update(_moment(moment, zone) for moment in _dates(event, "RDATE"))
    excepted = list(_dates(event, "EXDATE"))
    days = {one for one in excepted if not isinstance(one, datetime)}  # some programs leave out whole days
    without = {_moment(one, zone).astimezone(UTC) for one in excepted if isinstance(one, datetime)}
    kept = sorted(
        one
        for one in starts
        if one.astimezone(UTC) not in without and one.date() not in days and (last is None or one <= last)
    )
    if len(kept) > OCCURRENCES_MAX:
        raise _UnusableError(f"it repeats more than {OCCURRENCES_MAX} times; give an earlier end with --until DATE")
    return kept


def _by_rule(rule: Any, start: datetime, last: datetime | None) -> list[datetime]:
    rule = rule.copy()
    if (rule.get("FREQ") or [""])[0] in TOO_OFTEN:
        # With a condition that is never true, the search would take hours.
        raise _UnusableError("it repeats more often than daily; write each time as a separate event")
    end = (rule.pop("UNTIL", None) or [None])[0]
    if end is not None:
        if not isinstance(end, datetime):
            end = datetime.combine(end, time(23, 59, 59))
        end = end if end.tzinfo else end.replace(tzinfo=start.tzinfo)
    elif "COUNT" not in rule and last is None:
        raise _UnusableError("it repeats without an end; give one with --until DATE")
    limits = [limit for limit in (end, last) if limit is not None]
    occurrences = rrulestr(rule.to_ical().decode(), dtstart=start)
    within = takewhile(lambda occurrence: all(occurrence <= limit for limit in limits), occurrences)
    return list(islice(within, OCCURRENCES_MAX + 1))


def _dates(event: Component, name: str) -> Iterator[Any]:
    for group in _several(event.get(name)):
        for entry in group.dts:
            yield entry.dt[0] if isinstance(entry.dt, tuple) else entry.dt  # a period counts by its start


def _several(value: Any) -> Sequence[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _room(event: Component) -> str:
    room = str(event.get("LOCATION", "")).strip()
    if not room:
        raise _UnusableError("it has no location, so it names no room")
    if len(room) > ROOM_LENGTH_MAX or "/" in room or not room.isprintable():
        raise _UnusableError(
            f"its location cannot be a room: use 1 to {ROOM_LENGTH_MAX} printable characters, but no /"
        )
    return room


def _start(event: Component, zone: tzinfo) -> datetime:
    if "DTSTART" not in event:
        raise _UnusableError("it has no start")
    return _moment(_plain(event, "DTSTART"), zone)


def _length(event: Component, start: datetime, zone: tzinfo) -> timedelta:
    if "DTEND" in event:
        length = _moment(_plain(event, "DTEND"), zone).astimezone(UTC) - start.astimezone(UTC)
    elif "DURATION" in event:
        duration: Any = event["DURATION"]
        length = duration.dt
    else:
        raise _UnusableError("it has no end")
    if length <= timedelta(0):
        raise _UnusableError("it ends before it begins" if length else "it has no length")
    if length % timedelta(minutes=1) or start.second or start.microsecond:
        raise _UnusableError("its times are not whole minutes")
    return timedelta(seconds=length.total_seconds())


def _plain(event: Component, name: str) -> Any:
    """Return the value of a date property. Raise _UnusableError if its time zone is unknown."""
    value: Any = event[name]
    if isinstance(value, list):
        raise _UnusableError(f"it has {name} more than once")
    moment = value.dt
    if isinstance(moment, datetime) and moment.tzinfo is None and "TZID" in value.params:
        raise _UnusableError(f"its time zone {clean(value.params['TZID'])} is not known")
    return moment


def _moment(moment: Any, zone: tzinfo) -> datetime:
    if not isinstance(moment, datetime):
        raise _UnusableError("it lasts all day, but a reservation needs a start and an end")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _recurrence_key(event: Component, zone: tzinfo) -> datetime | None:
    """Return the start of the occurrence that this event replaces in its series. Return None if it replaces none."""
    if "RECURRENCE-ID" not in event:
        return None
    try:
        return _moment(_plain(event, "RECURRENCE-ID"), zone).astimezone(UTC)
    except (_UnusableError, ValueError, AttributeError):
        return None


def _slot(start: datetime, length: timedelta) -> Slot:
    """Return the slot that begins at `start` and has this length. The slot is in UTC, so that a clock change does not
    alter the length.

    A local time that the clocks skip is read as RFC 5545 (3.3.5) says.
    """
    begin = start.astimezone(UTC)
    return Slot(begin, begin + length)


def _stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%MZ}"


def _purpose(event: Component) -> str:
    return " ".join(clean(event.get("SUMMARY", "")).split())[:PURPOSE_LENGTH_MAX].rstrip()


def _title(event: Component) -> str:
    return _purpose(event) or str(event.get("UID", "")) or "(no title)"


def _nameless(event: Component) -> str:
    """Return a name for an event without UID: a hash of its content.

    The hash leaves out DTSTAMP, because DTSTAMP changes with each export.
    """
    lines = sorted(line for line in event.to_ical().splitlines() if not line.startswith(b"DTSTAMP"))
    return f"content-{hashlib.sha256(b'|'.join(lines)).hexdigest()[:40]}"
