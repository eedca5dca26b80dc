"""Reads one VEVENT: its rooms, its purpose, and when it takes place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo

from bayou.names import JOINERS, fold_spaces, is_readable
from cli.calendar_files.content import Component, Property
from cli.calendar_files.errors import UnusableError
from cli.calendar_files.recurrence import Rule
from cli.calendar_files.zones import Zones, zone_name
from cli.output.screen import clean

PURPOSE_LENGTH_MAX = 200
ROOM_LENGTH_MAX = 64
RESERVATION = "X-BAYOU-RESERVATION"  # in feeds of replicas: USER/REQUEST
NO_PURPOSE = "Reserved"  # what these feeds say of a reservation without a purpose
METHODS = {"", "PUBLISH", "REQUEST", "CANCEL"}  # the methods of RFC 5546 that are no answer and no proposal
_MOMENT = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.IGNORECASE)
_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.IGNORECASE)
_MINUTE = timedelta(minutes=1)

When = date | datetime  # a whole day, a moment with its zone, or a floating time without one


@dataclass(frozen=True)
class Length:
    """How long an event lasts: first `days` calendar days, then the time `exact`. A calendar day has 23 or 25 hours if
    the clocks change."""

    days: int
    exact: timedelta

    def end(self, start: datetime) -> datetime:
        return (start + timedelta(days=self.days)).astimezone(UTC) + self.exact


@dataclass
class Event:
    """A VEVENT. An all-day event starts on a date and lasts for whole days. Any other event starts at a time with a
    zone.

    `key`, `more` (RDATE) and `without` (EXDATE) may have floating times. A floating time has no zone. It counts as a
    time in the zone of the series.

    timezone  the name of the start's time zone; None if the file gives no zone, or a zone without a name
    key       the start of the occurrence that this event replaces; None if this event replaces no occurrence
    onwards   True if this event also replaces all later occurrences
    rooms     the texts that may name the room of this event
    own       the reservation USER/REQUEST from which this event was exported; empty if there is none
    """

    uid: str
    sequence: int
    changed: str
    stamped: str
    title: str
    purpose: str
    own: str
    cancelled: bool
    rooms: list[str]
    start: When
    timezone: str | None
    length: Length
    key: When | None
    onwards: bool
    rules: list[Rule] = field(default_factory=list)
    without_rules: list[Rule] = field(default_factory=list)
    more: list[tuple[When, Length | None]] = field(default_factory=list)  # RDATE
    without: list[When] = field(default_factory=list)  # EXDATE

    @property
    def repeats(self) -> bool:
        return bool(self.rules or self.more)

    @property
    def zone(self) -> tzinfo | None:
        return self.start.tzinfo if isinstance(self.start, datetime) else None


@dataclass(frozen=True)
class Reader:
    """Reads the events of one calendar. `zone` is the time zone of the building. `own_zone` is the zone that the
    calendar gives for its floating times (X-WR-TIMEZONE), or None."""

    zones: Zones
    zone: tzinfo
    own_zone: tzinfo | None

    def read(self, event: Component, method: str) -> Event:
        """Read an event. `method` is the METHOD of its calendar. Raise UnusableError if the event is an answer or a
        proposal, or if an important part of it cannot be read."""
        if method not in METHODS:
            raise UnusableError(f"it is an answer or a proposal (METHOD:{clean(method)[:40]})")
        if event.unreadable:
            bad = [line for line in event.unreadable if _might_matter(line)]
            if bad:
                raise UnusableError(f"its line {bad[0]!r} cannot be read")
        start = self._one(event, "DTSTART", self.own_zone or self.zone)
        if start is None:
            raise UnusableError("it has no start")
        key = self._one(event, "RECURRENCE-ID")
        reach = next((one.params.get("RANGE", "") for one in event.all("RECURRENCE-ID")), "").upper()
        if reach not in {"", "THISANDFUTURE"}:
            raise UnusableError(f"its RANGE={clean(reach)} is not supported")
        own = event.text(RESERVATION)
        cancelled = method == "CANCEL" or event.text("STATUS").upper() == "CANCELLED"
        return Event(
            uid=event.text("UID"),
            sequence=_sequence(event),
            changed=event.text("LAST-MODIFIED"),
            stamped=event.text("DTSTAMP"),
            title=title_of(event),
            purpose="" if own and _purpose(event) == NO_PURPOSE else _purpose(event),
            own=own,
            cancelled=cancelled,
            rooms=list(_rooms(event)),
            start=start,
            timezone=self._timezone(event.all("DTSTART")[0], start),
            length=Length(1, timedelta()) if cancelled else self._length(event, start),
            key=key,
            onwards=bool(reach),
            rules=[Rule(one.value) for one in event.all("RRULE")],
            without_rules=[Rule(one.value) for one in event.all("EXRULE")],
            more=[found for one in event.all("RDATE") for found in self._more(one)],
            without=[self._moment(text, one) for one in event.all("EXDATE") for text in self._texts(one)],
        )

    def _one(self, event: Component, name: str, floating: tzinfo | None = None) -> When | None:
        found = event.all(name)
        if len({one.value for one in found}) > 1:
            raise UnusableError(f"it has {name} more than once")
        return self._moment(found[0].value, found[0], floating) if found else None

    def _moment(self, text: str, one: Property, floating: tzinfo | None = None) -> When:
        """Convert a text in the value of a property to a date or a time. A floating time gets the zone `floating`."""
        match = _MOMENT.fullmatch(text.strip())
        try:
            day, clock = (match[1], match[2]) if match else ("", "")
            local = datetime.strptime(day + (clock or "000000"), "%Y%m%d%H%M%S")
        except ValueError:
            raise UnusableError(f"its {one.name} {clean(text)[:40]} cannot be read") from None
        if not clock:
            return local.date()
        named = self.zones.zone(one.params["TZID"]) if one.params.get("TZID") else None
        if match and match[3]:
            # The text gives the moment in UTC. The zone only says in which local time the event repeats.
            return local.replace(tzinfo=UTC).astimezone(named or self.own_zone or UTC)
        return local.replace(tzinfo=named or floating)

    def _timezone(self, one: Property, start: When) -> str | None:
        floating = not one.params.get("TZID") and not one.value.strip().upper().endswith("Z") and self.own_zone is None
        return zone_name(start) if isinstance(start, datetime) and not floating else None

    def _more(self, one: Property) -> Iterator[tuple[When, Length | None]]:
        for text in self._texts(one):
            first, slash, last = text.partition("/")
            start = self._moment(first, one)
            if not slash:
                yield start, None
            elif last.strip().upper().startswith(("P", "+P")):
                yield start, _duration(last, one.name)
            else:
                yield start, _between(start, self._moment(last, one))

    def _texts(self, one: Property) -> list[str]:
        """Split the value of a property at its commas. Raise UnusableError if the TZID of the property is unknown.

        If the colon after the TZID is missing, the parser reads the value as a part of the TZID. So this TZID is
        unknown too.
        """
        if one.params.get("TZID"):
            self.zones.zone(one.params["TZID"])
        return [text for text in one.value.split(",") if text.strip()]

    def _length(self, event: Component, start: When) -> Length:
        end = self._one(event, "DTEND", start.tzinfo if isinstance(start, datetime) else None)
        if end is not None:
            length = _between(start, end)
        elif duration := event.text("DURATION"):
            length = _duration(duration, "DURATION")
        elif isinstance(start, datetime):
            raise UnusableError("it has no end")
        else:
            length = Length(1, timedelta())
        if not isinstance(start, datetime):
            whole = Length(length.days + length.exact.days, timedelta(seconds=length.exact.seconds))
            if whole.exact or whole.days < 0:
                raise UnusableError("it lasts all day, but does not end at the end of a day")
            return Length(max(whole.days, 1), timedelta())  # many programs write the first day as the end, too
        if start.second or length.exact % _MINUTE:
            raise UnusableError("its times are not whole minutes")
        return length


def title_of(event: Component) -> str:
    return _purpose(event) or clean(event.text("UID")) or "(no title)"


def room_name(text: str) -> str:
    """Return a text in the form of a room name: one line, with plain spaces. All invisible characters are removed,
    except JOINERS inside the name."""
    signs = (sign if is_readable(sign) else " " if sign.isspace() else "" for sign in fold_spaces(text))
    return "".join(signs).strip().strip("".join(JOINERS))


def _rooms(event: Component) -> Iterator[str]:
    for one in event.all("LOCATION"):
        if name := room_name(one.value):
            yield name
    for one in event.all("ATTENDEE"):
        if one.params.get("CUTYPE", "").upper() in {"ROOM", "RESOURCE"} and (
            name := room_name(one.params.get("CN", ""))
        ):
            yield name


def _sequence(event: Component) -> int:
    text = event.text("SEQUENCE")
    return int(text) if re.fullmatch(r"\d{1,9}", text) else 0


def _purpose(event: Component) -> str:
    return " ".join(clean(event.text("SUMMARY")).split())[:PURPOSE_LENGTH_MAX].rstrip()


def _between(start: When, end: When) -> Length:
    if isinstance(start, datetime) and isinstance(end, datetime):
        length = end.astimezone(UTC) - start.astimezone(UTC)
        if length <= timedelta(0):
            raise UnusableError("it ends before it begins" if length else "it has no length")
        return Length(0, length)
    if isinstance(start, datetime) or isinstance(end, datetime):
        raise UnusableError("its start and its end must both be days or both be times")
    if end < start:
        raise UnusableError("it ends before it begins")
    return Length((end - start).days, timedelta())


def _duration(text: str, name: str) -> Length:
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()[1:]):
        raise UnusableError(f"its {name} {clean(text)[:40]} cannot be read")
    if match[1] == "-":
        raise UnusableError("it ends before it begins")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups()[1:])
    length = Length(weeks * 7 + days, timedelta(hours=hours, minutes=minutes, seconds=seconds))
    if not length.days and not length.exact:
        raise UnusableError("it has no length")
    return length


def _might_matter(line: str) -> bool:
    """Return whether an unreadable line may be a property that an import needs, such as the start or the room of the
    event."""
    return line.upper().startswith(("DTSTART", "DTEND", "DURATION", "R", "EX", "LOCATION", "STATUS", "SEQUENCE", "UID"))
