"""The policies of a building that are decided when a write is accepted: opening hours, longest, how far ahead.

What they decide does not depend on the database, and needs the time zone, which no play of a write has. How many open
reservations a user may hold does depend on it: that value travels in the write, and is checked each time it is played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from apps.rooms.pages import Place
from apps.rooms.settings import PolicySettings, RoomSettings
from apps.rooms.times import DAY_MIN, format_minute, local_minute
from bayou.errors import Conflict


@dataclass(frozen=True, slots=True)
class Policies:
    """None: no such rule. `hours` are (opens, closes) in minutes of the local day, of the rooms that have some."""

    longest_min: float | None = None
    ahead_min: float | None = None
    open_reservations: int | None = None
    hours: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: PolicySettings, rooms: Sequence[RoomSettings]) -> Self:
        return cls(
            longest_min=None if settings.longest_h is None else settings.longest_h * 60,
            ahead_min=None if settings.ahead_days is None else settings.ahead_days * DAY_MIN,
            open_reservations=settings.open_reservations,
            hours={room.name: room.hours for room in rooms if room.hours},
        )

    def check(self, place: Place, at_min: int, zone: ZoneInfo) -> None:
        """Raises Conflict, which names the rule, for a place that may not be asked for at `at_min`."""
        length = place.end - place.start
        if self.longest_min is not None and length > self.longest_min:
            told = f"A reservation may last {_hours(self.longest_min)} at most, and {_told(place, zone)} lasts"
            raise _refusal("longest_h", f"{told} {_hours(length)}.", place, zone, self.longest_min / 60)
        if self.ahead_min is not None and place.start > at_min + self.ahead_min:
            last = format_minute(int(at_min + self.ahead_min), zone)[:16].replace("T", " ")
            told = f"Rooms may be reserved {self.ahead_min / DAY_MIN:g} days ahead at most, which is until {last};"
            raise _refusal(
                "ahead_days", f"{told} {_told(place, zone)} is later.", place, zone, self.ahead_min / DAY_MIN
            )
        if not self.is_open(place, zone):
            opens, closes = map(_clock, self.hours[place.room])
            told = f"{place.room} is open from {opens} to {closes}, and {_told(place, zone)} is not within that."
            raise _refusal("opening_hours", told, place, zone, f"{opens}-{closes}")

    def is_open(self, place: Place, zone: ZoneInfo) -> bool:
        """Whether the room is open for the whole of it."""
        low, high = self.bounds(place, zone)
        return low <= place.start and place.end <= high

    def bounds(self, place: Place, zone: ZoneInfo) -> tuple[int, int]:
        """From when to when the room is open on the local day on which the place begins; all times for one without
        opening hours."""
        if place.room not in self.hours:
            return 0, 100_000_000
        day = datetime.fromtimestamp(place.start * 60, zone).date()
        opens, closes = self.hours[place.room]
        return local_minute(day, opens, zone), local_minute(day, closes, zone)

    def latest_end(self, place: Place, at_min: int) -> int | None:
        """Until when a time of this length may end that is looked for in its stead; None for any time."""
        return None if self.ahead_min is None else int(at_min + self.ahead_min) + place.end - place.start


NO_POLICIES = Policies()


def too_many(open_reservations: int, user: str) -> Conflict:
    """The refusal for a user who holds as many as may be."""
    return Conflict(
        "policy",
        f"{user} holds {open_reservations} reservations that are not over, and that is as many as one may hold: cancel"
        " one first, or wait until one is over. Nothing was recorded.",
        rule="open_reservations",
        slot=None,
        room=None,
        limit=open_reservations,
    )


def _refusal(rule: str, message: str, place: Place, zone: ZoneInfo, limit: Any) -> Conflict:
    slot = {"start": format_minute(place.start, zone), "end": format_minute(place.end, zone)}
    return Conflict("policy", message, rule=rule, slot=slot, room=place.room, limit=limit)


def _told(place: Place, zone: ZoneInfo) -> str:
    """2026-12-01 09:00 to 10:00."""
    start, end = (format_minute(minute, zone)[:16].replace("T", " ") for minute in (place.start, place.end))
    return f"{start} to {end[11:] if end[:10] == start[:10] else end}"


def _hours(minutes: float) -> str:
    hours, rest = divmod(round(minutes), 60)
    return " ".join(filter(None, [f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else ""]))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
