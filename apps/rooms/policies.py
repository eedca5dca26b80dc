"""The policies of a building: opening hours, the length of reservations, and how far ahead they may begin.

These policies are checked when a write is accepted, because they need the time zone, which the Lua does not have. The
limit of open reservations is different: it depends on the pages. So the write carries this limit, and each play of the
write checks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self
from zoneinfo import ZoneInfo

from apps.rooms.pages import RoomSlot
from apps.rooms.settings import PolicySettings, RoomSettings
from apps.rooms.times import DAY_MIN, clock_text, format_minute, local_minute
from bayou.errors import Conflict


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of a building. None means no limit. `hours` has (opens, closes) for each room with opening hours, in
    minutes of the local day."""

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

    def check(self, slot: RoomSlot, at_min: int, zone: ZoneInfo) -> None:
        """Check a slot against the policies. The request was made at the minute `at_min`. Raise Conflict, which names
        the policy that forbids the slot."""
        length = slot.end - slot.start
        if self.longest_min is not None and length > self.longest_min:
            message = f"A reservation may last {_hours(self.longest_min)} at most, and {_text(slot, zone)} lasts"
            raise _refusal("longest_h", f"{message} {_hours(length)}.", slot, zone, self.longest_min / 60)
        if self.ahead_min is not None and slot.start > at_min + self.ahead_min:
            last = format_minute(int(at_min + self.ahead_min), zone)[:16].replace("T", " ")
            days = self.ahead_min / DAY_MIN
            message = f"Rooms may be reserved {days:g} days ahead at most, which is until {last};"
            raise _refusal("ahead_days", f"{message} {_text(slot, zone)} is later.", slot, zone, days)
        if not self.is_open(slot, zone):
            opens, closes = map(clock_text, self.hours[slot.room])
            message = f"{slot.room} is open from {opens} to {closes}, and {_text(slot, zone)} is not within that."
            raise _refusal("opening_hours", message, slot, zone, f"{opens}-{closes}")

    def is_open(self, slot: RoomSlot, zone: ZoneInfo) -> bool:
        """Whether the room is open for the whole slot."""
        low, high = self.bounds(slot, zone)
        return low <= slot.start and slot.end <= high

    def bounds(self, slot: RoomSlot, zone: ZoneInfo) -> tuple[int, int]:
        """Return the minutes (since 1970) at which the room opens and closes on the local day on which the slot begins.
        A room without opening hours is always open."""
        if slot.room not in self.hours:
            return 0, 100_000_000
        day = datetime.fromtimestamp(slot.start * 60, zone).date()
        opens, closes = self.hours[slot.room]
        return local_minute(day, opens, zone), local_minute(day, closes, zone)

    def latest_end(self, slot: RoomSlot, at_min: int) -> int | None:
        """Return the last minute at which a slot of this length may end, if the request is made at the minute `at_min`;
        None if there is no limit."""
        return None if self.ahead_min is None else int(at_min + self.ahead_min) + slot.end - slot.start


NO_POLICIES = Policies()


def too_many(open_reservations: int, user: str) -> Conflict:
    """Return the refusal for a user who holds as many open reservations as the policy allows."""
    return Conflict(
        "policy",
        f"{user} holds {open_reservations} open reservations, which is the most that one user may hold. Cancel"
        " one first, or wait until one is over. Nothing was recorded.",
        rule="open_reservations",
        slot=None,
        room=None,
        limit=open_reservations,
    )


def _refusal(rule: str, message: str, slot: RoomSlot, zone: ZoneInfo, limit: Any) -> Conflict:
    times = {"start": format_minute(slot.start, zone), "end": format_minute(slot.end, zone)}
    return Conflict("policy", message, rule=rule, slot=times, room=slot.room, limit=limit)


def _text(slot: RoomSlot, zone: ZoneInfo) -> str:
    """Return a slot as text for a sentence, such as `2026-12-01 09:00 to 10:00`."""
    start, end = (format_minute(minute, zone)[:16].replace("T", " ") for minute in (slot.start, slot.end))
    return f"{start} to {end[11:] if end[:10] == start[:10] else end}"


def _hours(minutes: float) -> str:
    hours, rest = divmod(round(minutes), 60)
    return " ".join(filter(None, [f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else ""]))
