"""What requests may say: the bodies and queries of the REST resources, field by field.

Reading one gives values as pages hold them (minutes, normalised names) or a BadInput that names the field and says
what to do. Nothing here knows what is free, known or configured.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import ErrorDetails

from apps.api.endpoint import COUNT, NAME, TEXT, TIME
from apps.rooms.times import DAY_MIN, SLOT_DAYS_MAX, parse_minute
from bayou import names
from bayou.errors import BadInput

CALENDAR_DAYS_MAX = 62
FREE_DAYS_MAX = 31
EXCEPT_MAX = 400
PAGE_MAX = 1000  # of rooms, or of a user's reservations, in one answer
MERGES = ("first_free_alternative", "nearest_free_time", "another_room", "give_up")


def room_name(text: str) -> str:
    """The name in Unicode's composed form, so that a name is one room however it was typed; ValueError for no name."""
    name = unicodedata.normalize("NFC", text)
    if (
        not 1 <= len(name) <= 64
        or not name.isprintable()
        or "/" in name
        or name != name.strip()
        or name in names.UNREACHABLE
    ):
        raise ValueError(
            f"{text[:64]!r} cannot be a room: use 1 to 64 printable characters, no /, no blank at either end"
        )
    return name


def request_name(text: str) -> str:
    """A request id or series; ValueError when it is none."""
    if not names.NAME.fullmatch(text) or text in names.UNREACHABLE:
        raise ValueError(f"{text[:64]!r} cannot be used: take 1 to 64 of the characters A-Z a-z 0-9 . _ @ + -")
    return text


def _purpose(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise ValueError("must be one line, without control characters")
    return text


def _reason(text: str) -> str:
    if not text.strip():
        raise ValueError("says nothing; give a reason, or leave it out")
    return _purpose(text)


def parse_date(text: object) -> date:
    """A local date, YYYY-MM-DD; ValueError with a sentence for the user."""
    try:
        if isinstance(text, str) and len(text) == 10:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(f"{str(text)[:40]!r} is not a date; write it like 2026-12-25")


def _count(text: object) -> int:
    if isinstance(text, str) and re.fullmatch("[0-9]{1,6}", text):
        return int(text)
    raise ValueError("must be a whole number")


def _features(text: object) -> list[str]:
    return [word.strip() for word in str(text).split(",") if word.strip()]


def _merge(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


# What a description says of them is said here: their checks are functions.
Minute = Annotated[int, BeforeValidator(parse_minute), WithJsonSchema(TIME)]
RoomName = Annotated[str, AfterValidator(room_name), WithJsonSchema({**TEXT, "minLength": 1, "maxLength": 64})]
RequestName = Annotated[str, AfterValidator(request_name), WithJsonSchema(NAME)]
Purpose = Annotated[str, Field(max_length=200), AfterValidator(_purpose)]
Reason = Annotated[str, Field(max_length=200), AfterValidator(_reason)]
LocalDate = Annotated[date, BeforeValidator(parse_date), WithJsonSchema({"type": "string", "format": "date"})]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema(COUNT)]
Features = Annotated[list[str], BeforeValidator(_features), WithJsonSchema(TEXT)]


class Model(BaseModel):
    """Base of all: a field that nobody asked for is an error, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Slot(Model):
    """A time asked for; the end is not included, so slots may touch."""

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
    """Without `rooms`: all other rooms of the configuration."""

    name: Literal["another_room"]
    rooms: list[RoomName] | None = Field(default=None, min_length=1, max_length=50)


class GiveUp(Model):
    name: Literal["give_up"]


_Merge = FirstFreeAlternative | NearestFreeTime | AnotherRoom | GiveUp
Merge = Annotated[
    _Merge,
    Field(discriminator="name"),
    BeforeValidator(_merge, json_schema_input_type=Literal[MERGES] | _Merge),
]
Slots = Annotated[list[Slot], Field(min_length=1, max_length=10)]
Occurrences = Literal["all_or_nothing", "best_effort"]


class ReserveBody(Model):
    """POST /reservations; the slots are in order of preference.

    With a rule it is a series, whose first occurrence the slots are; `except` are dates on which there is none.
    """

    room: RoomName
    slots: Slots
    purpose: Purpose = ""
    merge: Merge = FirstFreeAlternative()
    request: RequestName | None = None
    rule: Annotated[str, Field(max_length=400)] | None = None
    excluded: Annotated[list[LocalDate], Field(max_length=EXCEPT_MAX)] = Field(default=[], alias="except")
    occurrences: Occurrences = "best_effort"
    series: RequestName | None = None
    new_room: bool = False

    @field_validator("excluded", "occurrences")
    @classmethod
    def _with_a_rule(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("rule", "") is None:
            raise ValueError("goes with a rule, as in FREQ=WEEKLY;COUNT=10")
        return value

    @field_validator("series")
    @classmethod
    def _without_a_rule(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("rule"):
            raise ValueError("cannot be chosen for a rule: the request names the series then")
        return value


class MoveBody(Model):
    """PATCH /reservations/ID; without a room, it stays in the one where it is."""

    slots: Slots
    room: RoomName | None = None
    merge: Merge = FirstFreeAlternative()
    request: RequestName | None = None


class SeriesMoveBody(MoveBody):
    """PATCH /series/ID; the slots are those of the first occurrence that is to move."""

    occurrences: Occurrences = "best_effort"


class CancelQuery(Model):
    request: RequestName | None = None
    reason: Reason | None = None


def _first(text: str) -> str:
    return parse_date(text.rpartition("~")[2]).isoformat()


class SeriesQuery(Model):
    """Which occurrences are meant: those from this one on (its id or its date), else all that stand."""

    first: Annotated[str, AfterValidator(_first)] | None = Field(default=None, alias="from")


class SeriesCancelQuery(SeriesQuery, CancelQuery):
    pass


class PageQuery(Model):
    """At most `limit` behind `after`, which is `next` of the answer before."""

    limit: Annotated[Count, Field(ge=1, le=PAGE_MAX)] = PAGE_MAX
    after: str = ""


class RangeQuery(PageQuery):
    """From when to when a user's reservations are wanted; either end may be open."""

    start: Minute | None = Field(default=None, alias="from")
    end: Minute | None = Field(default=None, alias="to")

    def holds(self, start: int, end: int) -> bool:
        """Whether a slot is at least partly inside."""
        return (self.end is None or start < self.end) and (self.start is None or self.start < end)


class _Period(Model):
    start: Minute = Field(alias="from")
    end: Minute = Field(alias="to")
    days_max: ClassVar[int]

    @field_validator("end")
    @classmethod
    def _bounded(cls, end: int, info: ValidationInfo) -> int:
        start = info.data.get("start", end - 1)
        if not start < end <= start + cls.days_max * DAY_MIN:
            raise ValueError(f"must be after from, by at most {cls.days_max} days")
        return end


class CalendarQuery(_Period):
    days_max = CALENDAR_DAYS_MAX
    view: Literal["tentative", "committed"] = "tentative"


class FreeQuery(_Period):
    """GET /rooms/free: for how many people, and with which features (by commas)."""

    days_max = FREE_DAYS_MAX
    capacity: Annotated[Count, Field(ge=1)] | None = None
    features: Features = []


ModelT = TypeVar("ModelT", bound=Model)


def read_body(model: type[ModelT], body: bytes) -> ModelT:
    """The model that a request's body holds; raises BadInput."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError) as reason:
        raise BadInput("bad_input", f"The body is not JSON: {reason}.", field="body") from None
    if not isinstance(members, dict):
        raise BadInput("bad_input", "The body must be a JSON object, {…}.", field="body")
    return _read(model, members)


def read_query(model: type[ModelT], query: Mapping[str, str]) -> ModelT:
    """The model that the query of an address holds; raises BadInput."""
    return _read(model, query)


def _read(model: type[ModelT], members: Mapping[str, Any]) -> ModelT:
    try:
        return model.model_validate(members)
    except ValidationError as reason:
        raise _bad_input(reason.errors()[0]) from None


_SENTENCES = {  # pydantic's kind of error -> the sentence for a user; what stands in braces is of its context
    "extra_forbidden": "there is no such field; leave it out",
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "string_too_long": "must have at most {max_length} characters",
    "list_type": "must be a list, […]",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "model_type": "must be an object, {{…}}",
    "model_attributes_type": "must be the name of a merge procedure, or an object with that name",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of {expected}",
    "union_tag_not_found": 'must name a merge procedure, as in {{"name": "give_up"}}',
    "union_tag_invalid": "must be one of {expected_tags}",
    "value_error": "{error}",
}


def _bad_input(error: ErrorDetails) -> BadInput:
    """The refusal for the first thing that is wrong; `field` is a path such as slots.0.start."""
    # Inside the merge, pydantic puts the procedure's name into the path, where the request has none.
    path = [str(step) for step in error["loc"] if step not in MERGES]
    field = ".".join(path)
    sentence = _SENTENCES.get(error["type"])
    said = sentence.format(**error.get("ctx", {})) if sentence else error["msg"]
    return BadInput("bad_input", f"{field}: {said}.", field=field)
