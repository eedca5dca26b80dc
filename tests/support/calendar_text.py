"""Writes calendar files for tests, and reads them as the client does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cli.calendar_files.rooms import Rooms
from cli.calendar_files.timetable import Timetable, read_timetable

BRUSSELS = ZoneInfo("Europe/Brussels")
EIGHT_TO_TWENTY = (timedelta(hours=8), timedelta(hours=20))
ROOMS = Rooms({"6.12": None, "6.13": EIGHT_TO_TWENTY, "H.1301": None})


def calendar(*events: str, head: str = "") -> bytes:
    """Return a calendar file with these events. `head` has more lines for the calendar, such as a VTIMEZONE."""
    bodies = "".join(f"BEGIN:VEVENT\n{event}\nEND:VEVENT\n" for event in events)
    head = f"{head}\n" if head else ""
    return f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}{bodies}END:VCALENDAR\n".replace("\n", "\r\n").encode()


def event(uid: str, *lines: str, start: str = "20261201T090000", end: str = "20261201T100000") -> str:
    """Return the lines of an event. `start` and `end` may begin with parameters, as in `TZID=X:20261201T090000`.

    If `end` is empty, the event has no DTEND. The event has a default LOCATION and SUMMARY, unless `lines` has others.
    """
    ends = [f"DTSTART{_after(start)}"] + ([f"DTEND{_after(end)}"] if end else [])
    given = [line.partition(":")[0].partition(";")[0] for line in lines]
    usual = [line for line in ("LOCATION:6.12", "SUMMARY:Talk") if line.partition(":")[0] not in given]
    return "\n".join([f"UID:{uid}", *usual, *ends, *lines])


def _after(value: str) -> str:
    return f";{value}" if ":" in value else f":{value}"


def read(content: bytes, **options: Any) -> Timetable:
    return read_timetable(content, BRUSSELS, ROOMS, **options)


def timetable(*events: str, until: date | None = None, part: tuple[int, int] = (1, 1), head: str = "") -> Timetable:
    return read(calendar(*events, head=head), until=until, part=part)


def starts(table: Timetable) -> list[str]:
    """Return the start of each event in `table.wanted`, in the local time of Brussels, such as `12-01 09:00`."""
    return [f"{wanted.slot.start.astimezone(BRUSSELS):%m-%d %H:%M}" for wanted in table.wanted]


def utc(table: Timetable) -> list[tuple[str, int]]:
    """Return (start in UTC, length in minutes) of each event in `table.wanted`."""
    return [
        (f"{one.slot.start.astimezone(UTC):%Y-%m-%dT%H:%M}", int(one.slot.length.total_seconds()) // 60)
        for one in table.wanted
    ]


def reasons(table: Timetable) -> str:
    """Return all messages and remarks of a timetable, joined by ` | `."""
    return " | ".join([*(one.why for one in table.skipped), *table.damage, *table.remarks])


def zone_of(name: str, *observances: Sequence[str]) -> str:
    """Return a VTIMEZONE. Each observance is (STANDARD or DAYLIGHT, line, line, ...)."""
    blocks = "\n".join("\n".join([f"BEGIN:{kind}", *lines, f"END:{kind}"]) for kind, *lines in observances)
    return f"BEGIN:VTIMEZONE\nTZID:{name}\n{blocks}\nEND:VTIMEZONE"
