"""Reads the wanted reservations from a calendar file. The result also has each event that is skipped, with the reason.

This module sends nothing to a replica. The same file always gives the same result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import groupby

from bayou.names import NAME, UNREACHABLE
from cli.calendar_files.content import Component, read_content
from cli.calendar_files.errors import UnusableError
from cli.calendar_files.events import ROOM_LENGTH_MAX, Event, Reader, title_of
from cli.calendar_files.recurrence import OCCURRENCES_MAX
from cli.calendar_files.requests import base_of
from cli.calendar_files.rooms import Rooms
from cli.calendar_files.series import Occurrence, day_of, occurrences_of
from cli.calendar_files.zones import Zones
from cli.output.screen import clean
from cli.times import Slot

YEARS = range(1970, 2160)  # that replicas hold
OUTSIDE = "it is outside the years 1970 to 2159"
RULE_LENGTH_MAX = 400


@dataclass(frozen=True)
class Wanted:
    """A reservation that an event asks for.

    key      the day that identifies the reservation among the reservations of the event
    unmoved  the start that the occurrence had before an exception replaced it, in UTC; None if no exception replaces
             it, or if this start is a day
    """

    key: str
    room: str
    slot: Slot
    purpose: str
    sequence: int
    unmoved: datetime | None = None


@dataclass
class Course:
    """What the events of one UID ask for.

    request   the beginning of all request ids for the UID
    own       the reservation USER/REQUEST from which the event was exported; empty if there is none
    sequence  the SEQUENCE of the event, without its exceptions
    newest    the highest SEQUENCE of the event and its exceptions
    repeats   True if the event becomes a series
    timezone  the name of the event's time zone, or None
    wanted    the reservations that the events ask for
    removed   key of an occurrence that no longer takes place -> SEQUENCE of the event that removes the occurrence
    complete  True if `wanted` has all occurrences; then the import may cancel the reservations of other occurrences
    """

    request: str
    own: str
    title: str
    sequence: int
    newest: int
    rule: str = ""
    repeats: bool = False
    timezone: str | None = None
    cancelled: bool = False
    complete: bool = True
    wanted: list[Wanted] = field(default_factory=list)
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def keeps_request(self) -> bool:
        """True if all request ids for the UID begin with the request id of the reservation `own`."""
        return self.request == self.own.partition("/")[2]


@dataclass(frozen=True)
class Skipped:
    """An event that cannot become a reservation, and the reason. `expected` is True for a valid event that names no
    room, and for a cancelled event that was never imported."""

    title: str
    why: str
    expected: bool = False


@dataclass
class Timetable:
    """What a calendar file asks for.

    user     the user who imports the file
    cluster  the name of the cluster that the file is imported into
    events   the number of events that were read or skipped
    damage   a sentence for each line or part that could not be read, except the events in `skipped`
    remarks  a sentence for each point that the user should check
    """

    user: str = ""
    cluster: str = ""
    events: int = 0
    courses: list[Course] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def wanted(self) -> list[Wanted]:
        return [one for course in self.courses for one in course.wanted]


def read_timetable(
    content: bytes,
    zone: tzinfo,
    rooms: Rooms,
    part: tuple[int, int] = (1, 1),
    until: date | None = None,
    user: str = "",
    cluster: str = "",
) -> Timetable:
    """Read the events of a calendar file. Raise Problem if the content is not a calendar file.

    zone     the building's time zone; it applies to times that have no time zone of their own
    part     (K, N) reads every Nth event, starting with the Kth; a series counts as one event
    until    the last day of repeating events; without it, an event that repeats without an end is skipped
    user     an event that was exported from a reservation of this user keeps the request id of that reservation
    cluster  the name of the cluster; an event with the UID USER/REQUEST@ANOTHER comes from another cluster
    """
    found = read_content(content)
    groups: dict[str, list[tuple[Component, Component]]] = {}
    for calendar in found.calendars:
        for event in calendar.children_named("VEVENT"):
            groups.setdefault(event.text("UID") or _nameless(event), []).append((calendar, event))
    reading = _Reading(zone, rooms, until, Timetable(user, cluster, damage=found.damage, remarks=found.remarks))
    turn, turns = part
    for position, (uid, group) in enumerate(groups.items()):
        if position % turns == turn - 1:
            reading.add(uid, group)
    return reading.table


class _Reading:
    """Reads events into a timetable. See `read_timetable`."""

    def __init__(self, zone: tzinfo, rooms: Rooms, until: date | None, table: Timetable) -> None:
        self.zone, self.rooms, self.until = zone, rooms, until
        self.table = table
        self._readers: dict[int, Reader] = {}

    def add(self, uid: str, group: list[tuple[Component, Component]]) -> None:
        """Add the events of one UID. `group` has pairs: a calendar, and an event of this calendar."""
        self.table.events += len(group)
        events = [event for event in (self._read(*pair) for pair in group) if event]
        masters = _versions([one for one in events if one.key is None])
        exceptions = [_newest(same) for same in self._by_key([one for one in events if one.key is not None])]
        if len(masters) > 1:
            self.table.remarks.append(
                f"{masters[0].title}: {len(masters)} different events have its UID; all of them are used"
            )
        if not masters and exceptions:
            self._add_course(self._course(uid, exceptions[0]), None, exceptions)
        for master in masters:
            course = self._course(uid if len(masters) == 1 else f"{uid}+{self._stamp(master)}", master)
            course.complete = len(events) == len(group)
            self._add_course(course, master, exceptions if master is masters[0] else [])

    def _read(self, calendar: Component, event: Component) -> Event | None:
        title = title_of(event)
        try:
            found = self._reader(calendar).read(event, calendar.text("METHOD").upper())
        except UnusableError as error:
            self.table.skipped.append(Skipped(title, str(error), error.expected))
            return None
        except OverflowError:
            self.table.skipped.append(Skipped(title, OUTSIDE))
            return None
        self.table.damage += [f"{title}: the line {line!r} cannot be read" for line in event.unreadable]
        return found

    def _reader(self, calendar: Component) -> Reader:
        if id(calendar) not in self._readers:
            zones, name, own_zone = Zones(calendar), calendar.text("X-WR-TIMEZONE"), None
            try:
                own_zone = zones.zone(name) if name else None
            except UnusableError:
                self.table.damage.append(f"the time zone {clean(name)} of the calendar (X-WR-TIMEZONE) is not known")
            self._readers[id(calendar)] = Reader(zones, self.zone, own_zone)
        return self._readers[id(calendar)]

    def _course(self, uid: str, event: Event) -> Course:
        # A reservation in the feed of another cluster may have the same id as a reservation here.
        is_elsewhere = event.uid.startswith(f"{event.own}@") and event.uid != f"{event.own}@{self.table.cluster}"
        own = "" if is_elsewhere else event.own
        owner, _, request = own.partition("/")
        is_made_by_user = owner == self.table.user and NAME.fullmatch(request)
        name = request if is_made_by_user else base_of(uid)
        return Course(name, own, event.title, event.sequence, event.sequence, timezone=event.timezone)

    def _add_course(self, course: Course, master: Event | None, exceptions: list[Event]) -> None:
        try:
            self._fill(course, master, exceptions)
        except UnusableError as error:
            self.table.skipped.append(Skipped(course.title, str(error), error.expected))
        except OverflowError:
            self.table.skipped.append(Skipped(course.title, OUTSIDE))
        else:
            self.table.courses.append(course)

    def _fill(self, course: Course, master: Event | None, exceptions: list[Event]) -> None:
        if master is None:
            course.complete, course.repeats = False, True
        elif master.cancelled:
            course.cancelled = True
            return
        else:
            course.repeats = master.repeats
            course.rule = ";".join(rule.text for rule in master.rules)[:RULE_LENGTH_MAX]
        course.newest = max(course.sequence, *(one.sequence for one in exceptions), 0)
        found = occurrences_of(master, exceptions, self.zone, self.until if course.repeats else None)
        course.removed = {key.isoformat(): sequence for key, sequence in found.removed.items()}
        for one in found.kept:
            course.wanted += self._wanted(one, master or one.event)
            if len(course.wanted) > OCCURRENCES_MAX:
                raise UnusableError(f"it takes place on more than {OCCURRENCES_MAX} days")
        course.repeats |= len(course.wanted) > 1
        self.table.remarks += [f"{course.title}: {remark}" for remark in found.remarks]

    def _wanted(self, one: Occurrence, series: Event) -> Iterator[Wanted]:
        """Yield the reservations for an occurrence. An all-day occurrence in a room with opening hours gives one
        reservation for each day. Any other occurrence gives one reservation."""
        names = one.event.rooms or series.rooms
        if not names:
            raise UnusableError("it has no location, so it names no room", expected=True)
        room = self.rooms.find(names)
        if not all(map(_can_be_a_room, room.split("+"))):
            raise UnusableError(
                f"its location cannot be a room: use 1 to {ROOM_LENGTH_MAX} printable characters, but no / (+ joins the"
                " names of several rooms)"
            )
        unmoved = one.unmoved.astimezone(UTC) if one.is_exception and isinstance(one.unmoved, datetime) else None
        for number, slot in enumerate(_slots(one, self.rooms.hours(room), self.zone)):
            yield Wanted(
                key=(one.key + timedelta(days=number)).isoformat(),
                room=room,
                slot=slot,
                purpose=one.event.purpose or series.purpose,
                sequence=max(one.event.sequence, series.sequence),
                unmoved=unmoved,
            )

    def _by_key(self, exceptions: list[Event]) -> list[list[Event]]:
        """Group the exceptions by the occurrence that they replace. An exception for one occurrence and an exception
        for all later occurrences are never in the same group."""

        def key(one: Event) -> tuple[bool, str]:
            when = one.key
            if isinstance(when, datetime):
                when = (when if when.tzinfo else when.replace(tzinfo=one.zone or self.zone)).astimezone(UTC)
            return one.onwards, str(when)

        return [list(same) for _, same in groupby(sorted(exceptions, key=key), key=key)]

    def _stamp(self, event: Event) -> str:
        if isinstance(event.start, datetime):
            return f"{event.start.astimezone(UTC):%Y%m%dT%H%MZ}"
        return f"{day_of(event.start, self.zone):%Y%m%d}"


def _slots(one: Occurrence, hours: tuple[timedelta, timedelta] | None, zone: tzinfo) -> Iterator[Slot]:
    """Yield the slots of an occurrence. If `hours` is given, an all-day occurrence gives one slot for each of its days,
    from the opening to the closing time. Any other occurrence gives one slot."""
    if isinstance(one.start, datetime):
        ends = [(one.start.astimezone(UTC), one.length.end(one.start))]
    elif hours:
        days = [one.start + timedelta(days=number) for number in range(min(one.length.days, OCCURRENCES_MAX + 1))]
        ends = [(_at(day, hours[0], zone), _at(day, hours[1], zone)) for day in days]
    else:
        ends = [(_at(one.start, timedelta(), zone), _at(one.start, timedelta(days=one.length.days), zone))]
    for start, end in ends:
        if start.year not in YEARS or end.year not in YEARS:
            raise UnusableError(OUTSIDE)
        if start.second:
            raise UnusableError("its times are not whole minutes")
        yield Slot(start, end)


def _at(day: date, clock: timedelta, zone: tzinfo) -> datetime:
    """Return the moment, in UTC, when clocks in `zone` show the time `clock` on `day`. A clock of 24 hours means the
    end of the day."""
    return (datetime.combine(day, time()) + clock).replace(tzinfo=zone).astimezone(UTC)


def _versions(masters: list[Event]) -> list[Event]:
    """Return the newest versions among several events that have the same UID.

    The newest versions are the events with the highest SEQUENCE. If their LAST-MODIFIED times differ, the result is the
    event with the latest time. Otherwise the result has one event for each start: the last one in the file. Such events
    are different events with the same UID.
    """
    newest = [one for one in masters if one.sequence == max(other.sequence for other in masters)]
    if len({one.changed for one in newest if one.changed}) > 1:
        return [max(newest, key=lambda one: one.changed)]
    found: dict[object, Event] = {}
    for one in newest:
        found[one.start] = one
    return list(found.values())


def _newest(versions: list[Event]) -> Event:
    """Return the newest version. If several are equally new, return the last one in the file."""
    return max(reversed(versions), key=lambda one: (one.sequence, one.changed, one.stamped))


def _can_be_a_room(name: str) -> bool:
    return 0 < len(name) <= ROOM_LENGTH_MAX and "/" not in name and name not in UNREACHABLE


def _nameless(event: Component) -> str:
    """Return a name for an event without UID: a hash of its content.

    The hash leaves out DTSTAMP, because DTSTAMP changes with each export.
    """
    lines = sorted(
        f"{one.name};{sorted(one.params.items())}:{one.value}" for one in event.properties if one.name != "DTSTAMP"
    )
    return f"content-{hashlib.sha256('|'.join(lines).encode()).hexdigest()[:40]}"
