"""The models of the bodies and queries of requests about rooms and reservations.

Reading a model converts values to the form that pages have, such as minutes and normalised names. The models do not
check whether a room exists, is configured or is free.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from apps.api.model import Count, ListQuery, Model, Name, RequestId, RequestQuery, ViewQuery, one_line, readable_name
from apps.api.schema import DATE, TEXT, TIME
from apps.rooms.pages import TOGETHER, rooms_of
from apps.rooms.times import DAY_MIN, SLOT_DAYS_MAX, parse_minute, zone_named

CALENDAR_DAYS_MAX = 62
FREE_DAYS_MAX = 31
EXCEPT_MAX = 400
TIMES_MAX = 400  # fewer fit into one write, but how many depends on their pages
ROOM_MAX = 64  # characters of a name
TOGETHER_MAX = 10  # rooms of one reservation
MERGES = ("first_free_alternative", "nearest_free_time", "another_room", "give_up")


def room_name(text: str) -> str:
    """Return the name of a room in the form that pages have. Raise ValueError if the text cannot be a name."""
    if "/" in text or TOGETHER in text:
        raise ValueError(f"{text[:64]!r} cannot be used; give a name without / or {TOGETHER}")
    return readable_name(text, ROOM_MAX)


def _room_names(text: str) -> str:
    """Convert the name of a room to the form in which pages store it. The text may be several names, joined by
    TOGETHER. Raise ValueError if the text is invalid."""
    names = [room_name(name) for name in rooms_of(text)]
    if len(set(names)) < len(names):
        raise ValueError(f"{text[:64]!r} names a room twice; name it once")
    if len(names) > TOGETHER_MAX:
        raise ValueError(f"names {len(names)} rooms; at most {TOGETHER_MAX} can be reserved together")
    return TOGETHER.join(names)


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank; give a reason, or leave this field out")
    return one_line(text)


def parse_date(text: object) -> date:
    """Parse a local date, YYYY-MM-DD. Raise ValueError with a sentence for the user if the date is invalid."""
    try:
        if isinstance(text, str) and len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{str(text)[:40]!r} is not a date; write it like 2026-12-25")


def _features(text: object) -> tuple[str, ...]:
    return tuple(word.strip() for word in str(text).split(",") if word.strip())


def _time_zone(name: str) -> str:
    if not re.fullmatch("[A-Za-z0-9_/+-]{1,64}", name) or zone_named(name) is None:
        raise ValueError(f"there is no time zone {name[:64]!r} here; write it like Europe/Brussels or UTC")
    return name


def _merge(value: object) -> object:
    """Convert a merge procedure to an object. A text becomes the `name` of an object without other keys. Raise
    ValueError if there is no merge procedure with this name."""
    found = {"name": value} if isinstance(value, str) else value
    if not isinstance(found, dict) or found.get("name") not in MERGES:
        raise ValueError(f"must be one of {', '.join(MERGES)}, or an object whose `name` is one of them")
    return found


# Functions check these types, so the JSON Schema of each type is given here.
Minute = Annotated[int, BeforeValidator(parse_minute), WithJsonSchema(dict(TIME))]
RoomName = Annotated[str, AfterValidator(room_name), WithJsonSchema({**TEXT, "minLength": 1, "maxLength": ROOM_MAX})]
RoomNames = Annotated[
    Annotated[
        str,
        AfterValidator(_room_names),
        WithJsonSchema({**TEXT, "minLength": 1, "maxLength": TOGETHER_MAX * (ROOM_MAX + 1) - 1}),
    ],
    Field(
        description="The name of a room. To reserve several rooms together, join their names with +, such as 6.12+6.14."
    ),
]
Purpose = Annotated[str, Field(max_length=200, description="The purpose of the reservation."), AfterValidator(one_line)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_reason)]
Owner = Annotated[
    Name | None, Field(description="The owner. Only a manager may make a reservation or series for somebody else.")
]
NewRoom = Annotated[
    bool,
    Field(
        description="True if the room may be new. If false, the room must be in the configuration or in an earlier"
        " reservation."
    ),
]
LocalDate = Annotated[date, BeforeValidator(parse_date), WithJsonSchema(dict(DATE))]
TimeZone = Annotated[
    Annotated[str, AfterValidator(_time_zone), WithJsonSchema(dict(TEXT))] | None,
    Field(
        description="The time zone of the local times. The default is the zone of the building. See GET /local-times."
    ),
]
Features = Annotated[tuple[str, ...], BeforeValidator(_features), WithJsonSchema(dict(TEXT))]


class Slot(Model):
    """A requested time. The end is not included, so two slots may touch."""

    start: Minute
    end: Minute

    @field_validator("end")
    @classmethod
    def _after_start(cls, end: int, info: ValidationInfo) -> int:
        start = info.data.get("start", end - 1)  # a bad start has its own error
        if end <= start:
            raise ValueError("must be after the start")
        if end - start > SLOT_DAYS_MAX * DAY_MIN:
            raise ValueError(f"must be at most {SLOT_DAYS_MAX} days after the start")
        return end


class FirstFreeAlternative(Model):
    name: Literal["first_free_alternative"] = "first_free_alternative"


class NearestFreeTime(Model):
    name: Literal["nearest_free_time"]
    window_min: int = Field(default=120, ge=1, le=DAY_MIN)


class AnotherRoom(Model):
    """The merge procedure `another_room`. If `rooms` is None, all other rooms of the configuration are tried."""

    name: Literal["another_room"]
    rooms: list[RoomName] | None = Field(default=None, min_length=1, max_length=50)


class GiveUp(Model):
    name: Literal["give_up"]


_Merge = FirstFreeAlternative | NearestFreeTime | AnotherRoom | GiveUp
Merge = Annotated[
    _Merge, Field(discriminator="name"), BeforeValidator(_merge, json_schema_input_type=Literal[MERGES] | _Merge)
]
Slots = Annotated[list[Slot], Field(min_length=1, max_length=10, description="Times, in order of preference.")]
Occurrences = Annotated[
    Literal["all_or_nothing", "best_effort"],
    Field(
        description="What happens if an occurrence finds no free slot. With `best_effort`, the other occurrences get"
        " their slots. With `all_or_nothing`, no occurrence gets a new slot."
    ),
]


class ReserveBody(Model):
    """The body of POST /reservations. The slots are in order of preference.

    A body with a rule reserves a series. Then the slots are those of the first occurrence.
    """

    example: ClassVar = {
        "room": "6.12",
        "slots": [{"start": "2026-12-01T09:00+01:00", "end": "2026-12-01T10:00+01:00"}],
        "purpose": "tea",
        "merge": "nearest_free_time",
    }

    room: RoomNames
    slots: Slots
    purpose: Purpose = ""
    merge: Merge = FirstFreeAlternative()
    request: RequestId = None
    rule: Annotated[str, Field(max_length=400)] | None = Field(
        default=None,
        description="A recurrence rule (RFC 5545), such as FREQ=WEEKLY;COUNT=10. With a rule, the request reserves a"
        " series.",
    )
    excluded: Annotated[list[LocalDate], Field(max_length=EXCEPT_MAX)] = Field(
        default=[], alias="except", description="Dates on which the series has no occurrence."
    )
    occurrences: Occurrences = "best_effort"
    series: Name | None = Field(
        default=None,
        description="The request id of the series that the new reservation belongs to. Only for a request without"
        " `rule`.",
    )
    timezone: TimeZone = None
    owner: Owner = None
    new_room: NewRoom = False

    @field_validator("excluded", "occurrences")
    @classmethod
    def _with_a_rule(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("rule", "") is None:
            raise ValueError(
                'is only for a series. Add the field `rule` (such as "FREQ=WEEKLY;COUNT=10"), or leave this field out'
            )
        return value

    @field_validator("series")
    @classmethod
    def _without_a_rule(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("rule"):
            raise ValueError(
                "cannot be combined with the field `rule`, which makes a new series; leave out `rule` or `series`"
            )
        return value


class Occurrence(Slot):
    """An occurrence of a series. Its id contains the date. If `room` or `purpose` is None, the occurrence has the room
    or purpose of the series."""

    day: LocalDate = Field(alias="date")
    room: RoomNames | None = None
    purpose: Purpose | None = None


class SeriesBody(Model):
    """The body of POST /series: a series as a list of occurrences. `rule` is a text for people. A replica computes
    dates from `rule` only if a later request extends the series with `until`."""

    example: ClassVar = {
        "room": "6.12",
        "times": [
            {"date": "2026-12-01", "start": "2026-12-01T09:00+01:00", "end": "2026-12-01T10:00+01:00"},
            {"date": "2026-12-08", "start": "2026-12-09T14:00+01:00", "end": "2026-12-09T15:00+01:00"},
        ],
        "purpose": "tea",
    }

    room: RoomNames
    times: Annotated[list[Occurrence], Field(min_length=1, max_length=TIMES_MAX)]
    purpose: Purpose = ""
    merge: Merge = FirstFreeAlternative()
    request: RequestId = None
    rule: Annotated[str, Field(max_length=400), AfterValidator(one_line)] = ""
    occurrences: Occurrences = "best_effort"
    timezone: TimeZone = None
    owner: Owner = None
    new_room: NewRoom = False

    @field_validator("times")
    @classmethod
    def _of_different_dates(cls, times: list[Occurrence]) -> list[Occurrence]:
        if len({one.day for one in times}) < len(times):
            raise ValueError("must have different dates, because the date is part of the id of an occurrence")
        return sorted(times, key=lambda one: one.day)


class ChangeBody(Model):
    """The fields that the bodies of PATCH share. A request with slots is a move. A request without slots changes only
    the purpose or the owner. If `room`, `purpose` or `owner` is None, the request does not change this value."""

    example: ClassVar = {"slots": [{"start": "2026-12-01T14:00+01:00", "end": "2026-12-01T15:00+01:00"}]}

    room: RoomNames | None = None
    purpose: Purpose | None = None
    merge: Merge = FirstFreeAlternative()
    request: RequestId = None
    timezone: TimeZone = None
    owner: Owner = None
    slots: Annotated[Slots | None, Field(validate_default=True)] = None

    @field_validator("slots")
    @classmethod
    def _or_purpose(cls, slots: list[Slot] | None, info: ValidationInfo) -> list[Slot] | None:
        values = info.data
        changes_owner = values.get("owner") is not None
        if slots is not None and changes_owner:
            raise ValueError(
                "cannot be combined with the field `owner`. Move the reservation first. Then hand the reservation"
                " over in another request"
            )
        if slots is None and "purpose" in values and values["purpose"] is None and not changes_owner:
            raise ValueError(
                "is missing. To move the reservation, give times. To change the purpose, give `purpose`. To hand the"
                " reservation over, give `owner`"
            )
        is_move = (
            any(values.get(name) for name in ("room", "timezone")) or values.get("merge") != FirstFreeAlternative()
        )
        if slots is None and is_move:
            raise ValueError(
                "is missing. A request with `room`, `merge` or `timezone` is a move, and a move needs times. Give"
                " times, or leave out `room`, `merge` and `timezone`"
            )
        return slots


class ReservationChangeBody(ChangeBody):
    """The body of PATCH /reservations/ID."""

    new_room: NewRoom = False


class SeriesChangeBody(ChangeBody):
    """The body of PATCH /series/ID. The slots are those of the first occurrence that moves."""

    occurrences: Occurrences = "best_effort"


class SeriesExtendBody(Model):
    """The body of POST /series/ID/occurrences. `until` is a new last date for the rule of the series. `dates` are the
    dates to add. A body has either `until` or `dates`."""

    example: ClassVar = {"until": "2027-06-30"}

    dates: list[LocalDate] = Field(
        default=[],
        max_length=TIMES_MAX,
        description="Dates to add. Dates that the series has left out may be added too.",
    )
    merge: Merge = FirstFreeAlternative()
    occurrences: Occurrences = "best_effort"
    request: RequestId = None
    until: Annotated[
        LocalDate | None, Field(validate_default=True, description="The new last date for the rule of the series.")
    ] = None

    @field_validator("until")
    @classmethod
    def _or_dates(cls, until: date | None, info: ValidationInfo) -> date | None:
        if "dates" in info.data and (until is None) != bool(info.data["dates"]):
            raise ValueError("give exactly one of the fields `until` and `dates`")
        return until


class CancelQuery(RequestQuery):
    reason: Reason | None = Field(
        default=None,
        description="The reason for the cancel. A manager who cancels for another user must give a reason.",
    )


def _first(text: str) -> str:
    return parse_date(text.rpartition("~")[2]).isoformat()


class SeriesQuery(Model):
    """The query that selects occurrences of a series."""

    first: Annotated[str, AfterValidator(_first)] | None = Field(
        default=None,
        alias="from",
        description="The date or id of the first occurrence to select. Without `from`, all occurrences are selected.",
    )


class SeriesCancelQuery(SeriesQuery, CancelQuery):
    pass


class OpenPeriod(Model):
    """The fields of a query that give a period. The start and the end are optional."""

    start: Minute | None = Field(default=None, alias="from", description="Only slots that end after this time.")
    end: Minute | None = Field(default=None, alias="to", description="Only slots that begin before this time.")

    def holds(self, start: int, end: int) -> bool:
        """Whether a slot overlaps the period of the query. `start` and `end` are the times of the slot."""
        return (self.end is None or start < self.end) and (self.start is None or self.start < end)


class ReservationsQuery(ListQuery, OpenPeriod):
    """The query of GET /users/USER/reservations."""


class LocalTimesQuery(ListQuery, OpenPeriod):
    """The query of GET /local-times. An answer covers whole days, so `after` is a day."""


class ConflictsQuery(OpenPeriod):
    """The query of GET /conflicts."""

    user: Annotated[Name | None, Field(description="Only requests of this user.")] = None
    room: Annotated[RoomName | None, Field(description="Only requests that named this room or got this room.")] = None


class _Period(Model):
    start: Minute = Field(alias="from", description="The beginning of the period: a time with an offset from UTC.")
    end: Minute = Field(alias="to", description="The end of the period: a time with an offset from UTC.")
    days_max: ClassVar[int]

    @field_validator("end")
    @classmethod
    def _bounded(cls, end: int, info: ValidationInfo) -> int:
        start = info.data.get("start", end - 1)
        if not start < end <= start + cls.days_max * DAY_MIN:
            raise ValueError(f"must be after `from`, and at most {cls.days_max} days after `from`")
        return end


class CalendarQuery(_Period, ViewQuery):
    days_max = CALENDAR_DAYS_MAX


class FreeQuery(_Period):
    """The query of GET /rooms/free."""

    days_max = FREE_DAYS_MAX
    capacity: Annotated[Count, Field(ge=1)] | None = Field(
        default=None, description="Only rooms for at least this number of people."
    )
    features: Annotated[Features, Field(description="The features that the room must have, separated by commas.")] = ()
