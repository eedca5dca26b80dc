"""Reads and shows times and lengths in the forms that people type. A text with two meanings is an error, never a guess.

A time of day is in the building's time zone, which the replica names. Callers pass in the current time.
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
    """A period from `start` to `end`. Both datetimes have a time zone."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """The time that passes from start to end, even if the clocks change in between."""
        return self.end.astimezone(UTC) - self.start.astimezone(UTC)

    def as_json(self) -> dict[str, str]:
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}


def slot_of(data: Mapping[str, str]) -> Slot:
    """Return the slot in a replica's answer, {"start", "end"} in ISO 8601."""
    return Slot(datetime.fromisoformat(data["start"]), datetime.fromisoformat(data["end"]))


def building_zone(name: str) -> ZoneInfo:
    """Return the time zone with this name. Raise Problem if this computer does not know the time zone."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        message = f"This computer does not know the replica's time zone {name!r}. Run `pip install -U tzdata`."
        raise Problem("zone_unknown", message) from error


def read_time(text: str, zone: tzinfo, now: datetime) -> datetime:
    """Read a time in one of TIME_FORMS. A text without an offset is a time in `zone`, the building's time zone."""
    text = " ".join(text.split())
    if match := _FULL.fullmatch(text):
        day = _read_day(match[1], text)
        return _place(day, _read_clock(match[2], text), _read_offset(match[3], text) or zone)
    match = _NEAR.fullmatch(text.lower())
    if match and (near := _near_day(match[1], zone, now)):
        return _place(near, _read_clock(match[2], text), zone)
    raise Usage(f"Cannot read the time {text!r}{_hint(text)}. Write it as one of: {TIME_FORMS}.")


def read_beside(text: str, first: datetime, zone: tzinfo, now: datetime) -> datetime:
    """Read a time that belongs to another time, such as the end of a slot that starts at `first`. A text without a day,
    such as 10:00, has the day and the time zone of `first`."""
    text = " ".join(text.split())
    if _CLOCK.fullmatch(text):
        return _place(first.date(), _read_clock(text, text), first.tzinfo or zone)
    return read_time(text, zone, now)


def read_period(text: str, zone: tzinfo, now: datetime, beside: datetime | None = None) -> Slot | None:
    """Read a span in one of PERIOD_FORMS. Return None if the text is not a span.

    A span without a day has the day and the time zone of `beside`.
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
        raise Usage(f"{text!r} has no day. Write it as one of: {PERIOD_FORMS}.")
    first, last = (clock if ":" in clock else f"{clock}:00" for clock in (match[2], match[3]))
    start = _place(day, _read_clock(first, text), zone)
    midnight = last == "24:00"
    if midnight and day == date.max:
        raise Usage(f"{text!r} ends after the year 9999. Give an earlier day.")
    end = _place(day + timedelta(days=midnight), time() if midnight else _read_clock(last, text), zone)
    if end <= start:
        raise Usage(
            f"{text!r} ends before it begins. The clock has 24 hours, so 5 in the afternoon is 17. "
            "For an end on a later day, give only the start, and add --for or --to."
        )
    return Slot(start, end)


def read_date(text: str, zone: tzinfo, now: datetime) -> date:
    """Read a day in one of DATE_FORMS."""
    text = text.strip()
    if near := _near_day(text.lower(), zone, now):
        return near
    if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        raise Usage(f"Cannot read the date {text!r}{_hint(text)}. Write it as one of: {DATE_FORMS}.")
    return _read_day(text, text)


def read_length(text: str) -> timedelta:
    """Read a length in one of LENGTH_FORMS. The length must be at least a minute."""
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
    """Return the slot that begins at `start` and has this length.

    The length is elapsed time, so an hour stays an hour when the clocks change.
    """
    try:
        end = (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    except OverflowError as error:
        raise Usage("The slot is outside the years 1 to 9999. Give another time.") from error
    return Slot(start, end)


def day_bounds(day: date, days: int, zone: tzinfo) -> Slot:
    """Return the slot that covers `days` whole days in a time zone, beginning with `day`."""
    try:
        after = day + timedelta(days=days)
    except OverflowError as error:
        raise Usage("The days are outside the years 1 to 9999. Give another date.") from error
    return Slot(datetime.combine(day, time(), zone), datetime.combine(after, time(), zone))


def whole_days(first: date, last: date, opens: str, closes: str, zone: tzinfo) -> Slot:
    """Return the slot from `opens` on the first day to `closes` on the last day. `opens` and `closes` are times of day,
    such as 08:00 and 24:00."""
    bounds = day_bounds(first, (last - first).days + 1, zone)
    start = bounds.start if opens == "00:00" else _place(first, _read_clock(opens, opens), zone)
    end = bounds.end if closes == "24:00" else _place(last, _read_clock(closes, closes), zone)
    return Slot(start, end)


def show_slot(slot: Slot, zone: tzinfo) -> str:
    """Return a slot as text, such as `Tue 2026-12-01 09:00–10:00` or `Tue 2026-12-01 all day`. If the slot ends on
    a later day, the text names both days."""
    start, end = slot.start.astimezone(zone), slot.end.astimezone(zone)
    if start.time() == end.time() == time():
        last_day = end.date() - timedelta(days=1)
        return f"{start:%a %Y-%m-%d} all day" + (f" to {last_day:%a %Y-%m-%d}" if last_day > start.date() else "")
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{end:%a %Y-%m-%d %H:%M}"
    if start.utcoffset() != end.utcoffset():
        return f"{start:%a %Y-%m-%d %H:%M} ({show_offset(start)})–{last} ({show_offset(end)})"
    return f"{start:%a %Y-%m-%d %H:%M}–{last}"


def show_zone(zone: tzinfo, moment: datetime) -> str:
    """Return the name of a time zone and its offset at the given moment, such as `Europe/Brussels (+01:00)`. For UTC,
    return `UTC`."""
    name = str(zone)
    return name if name == "UTC" else f"{name} ({show_offset(moment.astimezone(zone))})"


def show_length(length: timedelta) -> str:
    """Return a length as text, such as `45m`, `1h` or `1h30m`."""
    hours, minutes = divmod(round(length.total_seconds() / 60), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or not hours else "")


def show_offset(moment: datetime) -> str:
    """Return the offset of a moment from UTC, such as `+01:00`."""
    return moment.isoformat()[-6:]


def _near_day(word: str, zone: tzinfo, now: datetime) -> date | None:
    """Return the day that a word such as `tomorrow` or `friday` names. Return None for any other word.

    Raise Usage for the weekday of today, because the word could mean today or next week.
    """
    today = now.astimezone(zone).date()
    if word in {"today", "tomorrow"}:
        return today + timedelta(days=word == "tomorrow")
    found = [number for number, name in enumerate(WEEKDAYS) if word in {name, name[:3]}]
    if not found:
        return None
    ahead = (found[0] - today.weekday()) % 7
    if ahead == 0:
        name = WEEKDAYS[found[0]].capitalize()
        raise Usage(f"Today is {name}. Write `today`, or {today + timedelta(days=7)} if you mean next week.")
    return today + timedelta(days=ahead)


def _hint(text: str) -> str:
    """Return a hint on how to write what the user probably meant. The hint is empty if there is no good guess."""
    if re.search(r"\d ?[ap]\.?m", text.lower()):
        return ": the clock has 24 hours, so 9pm is 21:00"
    if re.search(r"\d[/.]\d", text):
        return ": a date begins with the year, as in 2026-12-01"
    if _CLOCK.fullmatch(text):
        return f": add the day, as in today {text}"
    if hour := re.fullmatch(r"(?:\S+[T ])?(\d{1,2})", text):
        return f": add the minutes, as in {hour[1]}:00"
    if text.lower().startswith(("next ", "this ")):
        return ": write the date instead"
    return ""


def _read_day(day: str, text: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise Usage(f"{day} in {text!r} is not a day. Check the month and the day.") from error


def _read_clock(clock: str, text: str) -> time:
    hour, minute = clock.split(":")
    try:
        return time(int(hour), int(minute))
    except ValueError as error:
        raise Usage(f"{clock} in {text!r} is not a time of day. Give one from 0:00 to 23:59.") from error


def _read_offset(offset: str | None, text: str) -> tzinfo | None:
    if offset is None:
        return None
    if offset == "Z":
        return UTC
    hours, minutes = int(offset[1:3]), int(offset[4:])
    if hours > 14 or minutes > 59:
        raise Usage(f"{offset} in {text!r} is not an offset from UTC. Give one from -14:59 to +14:59.")
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if offset[0] == "-" else 1))


def _place(day: date, clock: time, zone: tzinfo) -> datetime:
    """Return the moment at which the clocks of the zone show this day and time.

    Raise Usage if no such moment exists, or if two such moments exist.
    """
    first, second = (datetime.combine(day, clock, zone).replace(fold=fold) for fold in (0, 1))
    try:
        before, after = first.utcoffset(), second.utcoffset()
        exists = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == first.replace(tzinfo=None)
    except OverflowError as error:
        raise Usage(
            f"{day} in {zone} cannot be used: converted to UTC, it is outside the years 1 to 9999. Give another day."
        ) from error
    if before == after:
        return first
    wall = f"{first:%Y-%m-%dT%H:%M}"
    both = f"{wall}{show_offset(first)} or {wall}{show_offset(second)}"
    what = "happens twice" if exists else "does not exist"
    raise Usage(f"{wall} {what} in {zone}, because the clocks change then. Give an offset: {both}.")
