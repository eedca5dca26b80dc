"""The settings of config.yaml for the rooms, and for the policies of the building. In the file, a room is a name, or a
name with details.

Another module reads the file. All values come to this module as text, as they were typed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from apps.rooms.schema import parse_date, room_name
from apps.rooms.times import DAY_MIN

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


class Settings(BaseModel):
    """The base class of the settings. An unknown setting is an error. The configuration gives every value as text, and
    this class converts each value to the type of its field."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _clock(value: Any) -> Any:
    """Return a time HH:MM as minutes since midnight; 24:00 is the end of the day."""
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError('must be a time of day HH:MM from "00:00" to "24:00"')
    return int(value[:2]) * 60 + int(value[3:])


def _words(text: str) -> str:
    if not 1 <= len(text) <= 64 or not text.isprintable() or text != text.strip() or "," in text:
        raise ValueError(
            f"{text[:64]!r} cannot be used; give 1 to 64 printable characters without a comma, and no blank at the"
            " beginning or the end"
        )
    return text


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values. Raise ValueError if a value appears twice."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} appears twice; keep one")
    return values


Clock = Annotated[int, BeforeValidator(_clock)]


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Local days on which nothing can be reserved: either one day of every week, or all days from `first` to `last`.
    For `weekday`, 0 is Monday. `text` is the text in the configuration."""

    text: str
    weekday: int | None = None
    first: date = date.max
    last: date = date.min

    @property
    def reason(self) -> str:
        return self.text.partition(" ")[2]

    def covers(self, day: date) -> bool:
        return day.weekday() == self.weekday or self.first <= day <= self.last


def _closed_days(value: Any) -> Any:
    """Return the closed days that a text names: `saturday`, `2026-12-25` or `2026-12-24/2027-01-01`. After a space, the
    text may give a reason."""
    if not isinstance(value, str):
        return value
    when = value.partition(" ")[0]
    if when in WEEKDAYS:
        return ClosedDays(value, weekday=WEEKDAYS.index(when))
    first, slash, last = when.partition("/")
    try:
        found = ClosedDays(value, first=parse_date(first), last=parse_date(last if slash else first))
    except ValueError:
        raise ValueError(
            f"{value[:64]!r} is not a day; write saturday, 2026-12-25 or 2026-12-24/2027-01-01. A blank and a reason"
            " can follow"
        ) from None
    if found.last < found.first:
        raise ValueError(f"{when} ends before it begins; write the earlier date first")
    return found


Closed = tuple[Annotated[ClosedDays, BeforeValidator(_closed_days)], ...]


class RoomSettings(Settings):
    """A room. `capacity` is a number of people. `opens` and `closes` are minutes of the local day. `closed` has only
    the closed days of this room; the closed days of the building count as well. A value that is not configured is None
    or empty."""

    name: Annotated[str, AfterValidator(room_name)]
    capacity: Annotated[int, Field(ge=1, le=100_000)] | None = None
    features: Annotated[tuple[Annotated[str, AfterValidator(_words)], ...], AfterValidator(unique)] = ()
    location: Annotated[str, AfterValidator(_words)] | None = None
    opens: Clock | None = None
    closes: Clock | None = None
    closed: Closed = ()

    @property
    def hours(self) -> tuple[int, int] | None:
        """The opening time and the closing time, in minutes of the local day; None if the room is always open."""
        if self.opens is None and self.closes is None:
            return None
        return self.opens or 0, DAY_MIN if self.closes is None else self.closes

    @model_validator(mode="after")
    def _open_at_all(self) -> Self:
        if self.hours and self.hours[0] >= self.hours[1]:
            raise ValueError("`closes` must be later than `opens`, on the same day")
        return self


def _details(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _unique_rooms(rooms: tuple[RoomSettings, ...]) -> tuple[RoomSettings, ...]:
    unique(tuple(room.name for room in rooms))
    return rooms


Rooms = Annotated[tuple[Annotated[RoomSettings, BeforeValidator(_details)], ...], AfterValidator(_unique_rooms)]


def _grid(minutes: int) -> int:
    if DAY_MIN % minutes:
        raise ValueError(
            f"{minutes} minutes do not divide a day into equal parts; give 5, 10, 15, 30 or 60, for example"
        )
    return minutes


class PolicySettings(Settings):
    """The limits of the policies. None means no limit.

    shortest_min       the shortest reservation, in minutes
    longest_h          the longest reservation, in hours
    grid_min           reservations begin and end at multiples of this number of minutes after local midnight
    notice_min         a reservation must be made at least this many minutes before it begins; 0 only excludes the past
    ahead_days         a reservation may begin at most this many days after it is made
    closed             days on which no room can be reserved
    open_reservations  the most reservations that a user may own; reservations that are over do not count
    """

    shortest_min: Annotated[int, Field(ge=1, le=DAY_MIN)] | None = None
    longest_h: Annotated[float, Field(gt=0, le=366 * 24)] | None = None
    grid_min: Annotated[int, Field(ge=1, le=DAY_MIN), AfterValidator(_grid)] | None = None
    notice_min: Annotated[int, Field(ge=0, le=366 * DAY_MIN)] | None = None
    ahead_days: Annotated[float, Field(ge=0, le=36_500)] | None = None
    closed: Closed = ()
    open_reservations: Annotated[int, Field(ge=0, le=10_000)] | None = None

    @model_validator(mode="after")
    def _leaves_a_length(self) -> Self:
        if self.shortest_min and self.longest_h and self.shortest_min > self.longest_h * 60:
            raise ValueError(
                "`shortest_min` is longer than `longest_h`, so no reservation would be possible; change one of these"
                " two settings"
            )
        return self
