"""Reads and shows times and lengths as people type them. It never guesses: text with two meanings is an error.

A time of day is in the building's time zone, which the replica names. The current time is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from cli.problems import Problem, Usage

TIME_FORMS = (
    "2026-12-01T09:00 or 2026-12-01 09:00 (the building's time), 2026-12-01T09:00+01:00 or 2026-12-01T08:00Z, "
    "today 14:00, tomorrow 9:00, friday 9:00"
)
PERIOD_FORMS = "tomorrow 9-10:30, friday 14:00-15:00, 2026-12-01 9-10"
DATE_FORMS = "2026-12-01, today, tomorrow, friday (the next one)"
LENGTH_FORMS = "1h, 90m, 1h30m, 1:30"
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_WORDS = ("today", "tomorrow", *WEEKDAYS)

_FULL = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}:\d{2})(Z|[+-]\d{2}:\d{2})?")
_DAY = r"(\d{4}-\d{2}-\d{2}|[a-z]+)"
_NEAR = re.compile(rf"{_DAY} (\d{{1,2}}:\d{{2}})")
_PERIOD = re.compile(r"(?:(\S+)[T ])?(\d{1,2}(?::\d{2})?) ?[-–] ?(\d{1,2}(?::\d{2})?)")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
_UNITS = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?")


@dataclass(frozen=True)
class Slot:
    """A time from start to end, both with a time zone."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """The time that elapses from start to end, also if clocks change in between."""
        return self.end.astimezone(UTC) - self.start.astimezone(UTC)

    def as_json(self) -> dict[str, str]:
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}


def slot_of(data: Mapping[str, str]) -> Slot:
    """The slot in a replica's answer, {"start", "end"} in ISO 8601."""
    return Slot(datetime.fromisoformat(data["start"]), datetime.fromisoformat(data["end"]))


def building_zone(name: str) -> ZoneInfo:
    """The time zone that the replica names; raises Problem if it is unknown here."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        message = (
            f"The replica's time zone {name!r} is unknown here. Install the newest tzdata (pip install -U tzdata)."
        )
        raise Problem("zone_unknown", message) from error


def read_time(text: str, zone: tzinfo, now: datetime) -> datetime:
    """The time in one of TIME_FORMS. It keeps the time zone or the offset in which it was written."""
    text = " ".join(text.split())
    if match := _FULL.fullmatch(text):
        day = _read_day(match[1], text)
        return _place(day, _read_clock(match[2], text), _read_offset(match[3], text) or zone)
    match = _NEAR.fullmatch(text.lower())
    if match and (near := _near_day(match[1], zone, now)):
        return _place(near, _read_clock(match[2], text), zone)
    raise Usage(f"Cannot read the time {text!r}{_hint(text)}. Write it as one of: {TIME_FORMS}.")


def read_beside(text: str, first: datetime, zone: tzinfo, now: datetime) -> datetime:
    """A time given beside another: 10:00 alone is on the date, and in the time zone or offset, of the first."""
    text = " ".join(text.split())
    if _CLOCK.fullmatch(text):
        return _place(first.date(), _read_clock(text, text), first.tzinfo or zone)
    return read_time(text, zone, now)


def read_period(text: str, zone: tzinfo, now: datetime, beside: datetime | None = None) -> Slot | None:
    """The span in one of PERIOD_FORMS; None if the text has no span.

    A text without a day means the date, and the time zone or offset, of `beside`.
    """
    text = " ".join(text.split())
    match = _PERIOD.fullmatch(text)
    if match is None:
        return None
    if match[1]:
        day = read_date(match[1], zone, now)
    elif beside:
        day, zone = beside.date(), beside.tzinfo or zone
    else:
        raise Usage(f"Which day is {text!r}? Write it as one of: {PERIOD_FORMS}.")
    first, last = (clock if ":" in clock else f"{clock}:00" for clock in (match[2], match[3]))
    start = _place(day, _read_clock(first, text), zone)
    midnight = last == "24:00"
    if midnight and day == date.max:
        raise Usage(f"{text!r} ends after the last year, 9999.")
    end = _place(day + timedelta(days=midnight), time() if midnight else _read_clock(last, text), zone)
    if end <= start:
        raise Usage(
            f"{text!r} ends before it begins. The clock has 24 hours, so 5 in the afternoon is 17. "
            "For an end on a later day, give the start alone, and --for or --to."
        )
    return Slot(start, end)


def read_date(text: str, zone: tzinfo, now: datetime) -> date:
    """The day in one of DATE_FORMS."""
    text = text.strip()
    if near := _near_day(text.lower(), zone, now):
        return near
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise Usage(f"Cannot read the date {text!r}{_hint(text)}. Write it as one of: {DATE_FORMS}.")
    return _read_day(text, text)


def read_length(text: str) -> timedelta:
    """The length in one of LENGTH_FORMS; at least a minute."""
    compact = text.strip().lower()
    minutes = 0
    if match := _CLOCK.fullmatch(compact):
        if int(match[2]) < 60:
            minutes = int(match[1]) * 60 + int(match[2])
    elif match := _UNITS.fullmatch(compact):
        minutes = int(match[1] or 0) * 60 + int(match[2] or 0)
    if not minutes:
        raise Usage(f"Cannot read the length {text!r}. Write it as one of: {LENGTH_FORMS}.")
    return timedelta(minutes=minutes)


def slot_from(start: datetime, length: timedelta) -> Slot:
    """The slot from `start` on that has this length in elapsed time: an hour stays an hour when clocks change."""
    try:
        end = (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    except OverflowError as error:
        raise Usage("That time is before the year 1 or after 9999.") from error
    return Slot(start, end)


def day_bounds(day: date, days: int, zone: tzinfo) -> Slot:
    """The slot from midnight of a day, by its clock, to midnight of the day `days` later."""
    try:
        after = day + timedelta(days=days)
    except OverflowError as error:
        raise Usage("That date is before the year 1 or after 9999.") from error
    return Slot(datetime.combine(day, time(), zone), datetime.combine(after, time(), zone))


def show_slot(slot: Slot, zone: tzinfo) -> str:
    """A slot as text in the zone, such as `Tue 2026-12-01 09:00–10:00`. The end has its day if that is another one."""
    start, end = slot.start.astimezone(zone), slot.end.astimezone(zone)
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%a %Y-%m-%d %H:%M}"
    if start.utcoffset() != end.utcoffset():
        return f"{start:%a %Y-%m-%d %H:%M} ({show_offset(start)})–{last} ({show_offset(end)})"
    return f"{start:%a %Y-%m-%d %H:%M}–{last}"


def show_zone(zone: tzinfo, moment: datetime) -> str:
    """A time zone as text: `UTC`, or `Europe/Brussels (+01:00)` with the offset at that moment."""
    name = str(zone)
    return name if name == "UTC" else f"{name} ({show_offset(moment.astimezone(zone))})"


def show_length(length: timedelta) -> str:
    """A length as text, such as `45m`, `1h` or `1h30m`."""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or not hours else "")


def show_offset(moment: datetime) -> str:
    """The offset of a moment from UTC, such as `+01:00`."""
    return moment.isoformat()[-6:]


def _near_day(word: str, zone: tzinfo, now: datetime) -> date | None:
    """The day that a word names; a weekday is the next one. None for any other word."""
    today = now.astimezone(zone).date()
    if word in {"today", "tomorrow"}:
        return today + timedelta(days=word == "tomorrow")
    found = [number for number, name in enumerate(WEEKDAYS) if word in {name, name[:3]}]
    if not found:
        return None
    ahead = (found[0] - today.weekday()) % 7
    if ahead == 0:
        name = WEEKDAYS[found[0]].capitalize()
        raise Usage(f"Today is {name}. Write today, or {today + timedelta(days=7)} for the {name} after.")
    return today + timedelta(days=ahead)


def _hint(text: str) -> str:
    """What the person may have meant, and how to write that; empty if there is no guess."""
    if re.search(r"\d ?[ap]\.?m", text.lower()):
        return ": the clock has 24 hours, so 9pm is 21:00"
    if re.search(r"\d[/.]\d", text):
        return ": a date begins with the year, as in 2026-12-01"
    if _CLOCK.fullmatch(text):
        return f": which day? Such as today {text}"
    if hour := re.fullmatch(r"(?:\S+[T ])?(\d{1,2})", text):
        return f": write the minutes too, such as {hour[1]}:00"
    if text.lower().startswith(("next ", "this ")):
        return ": write the date instead"
    return ""


def _read_day(day: str, text: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise Usage(f"There is no day {day} (in {text!r}).") from error


def _read_clock(clock: str, text: str) -> time:
    hour, minute = clock.split(":")
    try:
        return time(int(hour), int(minute))
    except ValueError as error:
        raise Usage(f"There is no time of day {clock} (in {text!r}); it goes from 0:00 to 23:59.") from error


def _read_offset(offset: str | None, text: str) -> tzinfo | None:
    if offset is None:
        return None
    if offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:])
    if hours > 14 or minutes > 59:
        raise Usage(f"There is no offset {offset} (in {text!r}).")
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1))


def _place(day: date, clock: time, zone: tzinfo) -> datetime:
    """The moment at which clocks of the zone show this day and time. Raises Usage unless there is exactly one."""
    first, second = (datetime.combine(day, clock, zone).replace(fold=fold) for fold in (0, 1))
    try:
        before, after = first.utcoffset(), second.utcoffset()
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == first.replace(tzinfo=None)
    except OverflowError as error:
        raise Usage(f"{day} in this time zone is before the year 1 or after 9999 in UTC.") from error
    if before == after:
        return first
    wall = f"{first:%Y-%m-%dT%H:%M}"
    both = f"{wall}{show_offset(first)} or {wall}{show_offset(second)}"
    what = "happens twice" if exists else "does not exist"
    raise Usage(f"{wall} {what} in {zone}: the clocks change then. Give an offset: {both}.")
