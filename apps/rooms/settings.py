"""The settings of config.yaml for rooms and for the policies of the building. A room is a name, or a name with details.

All values come in as text, as they were typed. This module does not read the file.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from apps.rooms.schema import room_name
from apps.rooms.times import DAY_MIN

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


class Settings(BaseModel):
    """The base class of the settings. An unknown setting is an error. All values are text in the file, so they are
    converted to the type of the field."""

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
            f"{text[:64]!r} cannot be used; give 1 to 64 printable characters, no comma, no blank at either end"
        )
    return text


def unique(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values. Raise ValueError if one appears twice."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value!r} appears twice; keep one")
    return values


Clock = Annotated[int, BeforeValidator(_clock)]


class RoomSettings(Settings):
    """A room. `capacity` is in people; `opens` and `closes` are in minutes of the local day. A value is None if the
    configuration does not give it."""

    name: Annotated[str, AfterValidator(room_name)]
    capacity: Annotated[int, Field(ge=1, le=100_000)] | None = None
    features: Annotated[tuple[Annotated[str, AfterValidator(_words)], ...], AfterValidator(unique)] = ()
    location: Annotated[str, AfterValidator(_words)] | None = None
    opens: Clock | None = None
    closes: Clock | None = None

    @property
    def hours(self) -> tuple[int, int] | None:
        """When the room opens and closes, in minutes of the local day; None if it is always open."""
        if self.opens is None and self.closes is None:
            return None
        return self.opens or 0, DAY_MIN if self.closes is None else self.closes

    @model_validator(mode="after")
    def _open_at_all(self) -> Self:
        if self.hours and self.hours[0] >= self.hours[1]:
            raise ValueError("closes must be after opens, on the same day")
        return self


def _details(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


def _unique_rooms(rooms: tuple[RoomSettings, ...]) -> tuple[RoomSettings, ...]:
    unique(tuple(room.name for room in rooms))
    return rooms


Rooms = Annotated[tuple[Annotated[RoomSettings, BeforeValidator(_details)], ...], AfterValidator(_unique_rooms)]


class PolicySettings(Settings):
    """The limits of the policies. None means no limit.

    longest_h          the longest reservation, in hours
    ahead_days         how many days ahead a reservation may begin
    open_reservations  how many reservations a user may hold, not counting those that are over
    """

    longest_h: Annotated[float, Field(gt=0, le=366 * 24)] | None = None
    ahead_days: Annotated[float, Field(ge=0, le=36_500)] | None = None
    open_reservations: Annotated[int, Field(ge=0, le=10_000)] | None = None
