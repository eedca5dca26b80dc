"""The policies of a building: opening hours, closed days, and rules for the times of reservations.

A replica checks the policies when it accepts a write. The reason is that the checks need the time zone and the clock,
and the Lua has neither. A play of the write never looks at the time. So no replica refuses a reservation because its
write arrives late.

The limit of open reservations is different, because the number of open reservations depends on the pages. So the write
carries this limit, and each play of the write checks the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from apps.rooms.pages import RoomSlot, rooms_of
from apps.rooms.settings import Closed, PolicySettings, RoomSettings
from apps.rooms.times import DAY_MIN, clock_text, format_minute, local_date, local_day, local_minute, minute_of_day
from bayou.errors import Conflict


@dataclass(frozen=True, slots=True)
class Policies:
    """The policies of a building. The value None means that there is no limit.

    hours         (opens, closes) for each room with opening hours, in minutes of the local day
    closed        the days on which all rooms are closed
    closed_rooms  room -> further days on which this room is closed
    """

    longest_min: float | None = None
    ahead_min: float | None = None
    open_reservations: int | None = None
    hours: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    shortest_min: int | None = None
    grid_min: int | None = None
    notice_min: int | None = None
    closed: Closed = ()
    closed_rooms: Mapping[str, Closed] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: PolicySettings, rooms: Sequence[RoomSettings]) -> Self:
        return cls(
            longest_min=None if settings.longest_h is None else settings.longest_h * 60,
            ahead_min=None if settings.ahead_days is None else settings.ahead_days * DAY_MIN,
            open_reservations=settings.open_reservations,
            hours={room.name: room.hours for room in rooms if room.hours},
            shortest_min=settings.shortest_min,
            grid_min=settings.grid_min,
            notice_min=settings.notice_min,
            closed=settings.closed,
            closed_rooms={room.name: room.closed for room in rooms if room.closed},
        )

    def check(self, slot: RoomSlot, at_min: int, zone: ZoneInfo) -> None:
        """Check a slot against the policies. The request was made at the minute `at_min`. Raise Conflict, which names
        the policy that forbids the slot."""
        length = slot.end - slot.start
        if self.shortest_min is not None and length < self.shortest_min:
            message = f"A reservation must last at least {_hours(self.shortest_min)}, but {slot_text(slot, zone)} lasts"
            message = f"{message} {_hours(length)}. Choose a longer slot."
            raise _refusal("shortest_min", message, slot, zone, self.shortest_min)
        if self.longest_min is not None and length > self.longest_min:
            message = f"A reservation can last at most {_hours(self.longest_min)}, but {slot_text(slot, zone)} lasts"
            message = f"{message} {_hours(length)}. Choose a shorter slot."
            raise _refusal("longest_h", message, slot, zone, self.longest_min / 60)
        if self.grid_min is not None and any(
            minute_of_day(end, zone) % self.grid_min for end in (slot.start, slot.end)
        ):
            message = (
                f"Reservations must begin and end at multiples of {_hours(self.grid_min)} after midnight, but"
                f" {slot_text(slot, zone)} does not. Choose other times."
            )
            raise _refusal("grid_min", message, slot, zone, self.grid_min)
        if self.notice_min is not None and slot.start < at_min + self.notice_min:
            notice = f"at least {_hours(self.notice_min)} before they begin" if self.notice_min else "before they begin"
            now = format_minute(at_min, zone)[:16].replace("T", " ")
            message = (
                f"Reservations must be made {notice}. {slot_text(slot, zone)} is too soon, because the time is now"
                f" {now}. Choose a later time."
            )
            raise _refusal("notice_min", message, slot, zone, self.notice_min)
        if self.ahead_min is not None and slot.start > at_min + self.ahead_min:
            last = format_minute(int(at_min + self.ahead_min), zone)[:16].replace("T", " ")
            days = self.ahead_min / DAY_MIN
            message = (
                f"Rooms can be reserved at most {days:g} days ahead, that is, until {last}. {slot_text(slot, zone)} is"
                " later. Choose an earlier time."
            )
            raise _refusal("ahead_days", message, slot, zone, days)
        for one in slot.in_each_room:
            self._check_open(one, zone)

    def _check_open(self, slot: RoomSlot, zone: ZoneInfo) -> None:
        if closed := self.closed_on(slot, zone):
            day, why = closed
            message = (
                f"{slot.room} is closed on {day:%A}, {day}{f' ({why})' if why else ''}. {slot_text(slot, zone)}"
                " includes time on this day. Choose another day."
            )
            raise _refusal("closed", message, slot, zone, day.isoformat())
        if not self._is_within_hours(slot, zone):
            opens, closes = map(clock_text, self.hours[slot.room])
            message = (
                f"{slot.room} is open from {opens} to {closes}. {slot_text(slot, zone)} is not within this time. Choose"
                " another time."
            )
            raise _refusal("opening_hours", message, slot, zone, f"{opens}-{closes}")

    def permits(self, slot: RoomSlot, at_min: int, zone: ZoneInfo) -> bool:
        """Whether `check` raises nothing for this slot."""
        try:
            self.check(slot, at_min, zone)
        except Conflict:
            return False
        return True

    def on_grid(self, minute: int, zone: ZoneInfo) -> int:
        """Return the first time from `minute` on at which `grid_min` lets a reservation begin. `minute` and the result
        are numbers of minutes since 1970."""
        return minute if self.grid_min is None else minute + -minute_of_day(minute, zone) % self.grid_min

    def opening(self, room: str, day: date, zone: ZoneInfo) -> int:
        """Return the time at which a room opens on a local day, in minutes since 1970. A room without opening hours
        opens at midnight. If `room` names several rooms, return the latest opening time of these rooms."""
        return local_minute(day, max(self.hours.get(one, (0, DAY_MIN))[0] for one in rooms_of(room)), zone)

    def is_open(self, slot: RoomSlot, zone: ZoneInfo) -> bool:
        """Whether each room of the slot is open for the whole slot."""
        return self.closed_on(slot, zone) is None and all(self._is_within_hours(one, zone) for one in slot.in_each_room)

    def _is_within_hours(self, slot: RoomSlot, zone: ZoneInfo) -> bool:
        """Whether a slot in one room begins and ends while the room is open. A slot of several days may include nights,
        when the room is closed."""
        first, last = self._hours_on(slot, slot.start, zone), self._hours_on(slot, slot.end - 1, zone)
        return first[0] <= slot.start < first[1] and last[0] < slot.end <= last[1]

    def closed_on(self, slot: RoomSlot, zone: ZoneInfo) -> tuple[date, str] | None:
        """Return the first day of a slot on which a room of the slot is closed. Also return the reason why the room is
        closed. Return None if there is no such day."""
        closed = [*self.closed, *(days for room in rooms_of(slot.room) for days in self.closed_rooms.get(room, ()))]
        day, last = local_date(slot.start, zone), local_date(slot.end - 1, zone)
        while closed and day <= last:
            for days in closed:
                if days.covers(day):
                    return day, days.reason
            day += timedelta(days=1)
        return None

    def bounds(self, slot: RoomSlot, at_min: int, zone: ZoneInfo) -> tuple[int, int]:
        """Return the start and the end of a period, in minutes since 1970. The merge procedure `nearest_free_time` may
        move the slot only within this period. The period lies within the local day, within the opening hours, and
        within what the policies allow for a request at the time `at_min`.

        If a slot of several days is in a room with opening hours, the period is the slot itself. At another time, the
        slot could begin or end at night.
        """
        low, high = local_day(slot.start, slot.end, zone)
        for one in slot.in_each_room:
            if one.room in self.hours:
                opens, closes = self._hours_on(one, slot.start, zone)
                low, high = (max(low, opens), min(high, closes)) if slot.end <= closes else (slot.start, slot.end)
        if self.notice_min is not None:
            low = max(low, at_min + self.notice_min)
        if self.ahead_min is not None:
            high = min(high, int(at_min + self.ahead_min) + slot.end - slot.start)
        return low, high

    def _hours_on(self, slot: RoomSlot, minute: int, zone: ZoneInfo) -> tuple[int, int]:
        """Return two times, in minutes since 1970: when the room opens on the local day of `minute`, and when the room
        closes on that day. A room without opening hours is always open."""
        if slot.room not in self.hours:
            return 0, 100_000_000
        day, (opens, closes) = local_date(minute, zone), self.hours[slot.room]
        return local_minute(day, opens, zone), local_minute(day, closes, zone)


NO_POLICIES = Policies()


def too_many(open_reservations: int, user: str) -> Conflict:
    """Return the refusal for a user who holds as many open reservations as the policy allows."""
    return Conflict(
        "policy",
        f"With this request, {user} would have more open reservations than the limit for a user, {open_reservations}."
        " Nothing was recorded. First cancel a reservation, or wait until a reservation is over.",
        rule="open_reservations",
        slot=None,
        room=None,
        limit=open_reservations,
    )


def _refusal(rule: str, message: str, slot: RoomSlot, zone: ZoneInfo, limit: Any) -> Conflict:
    times = {"start": format_minute(slot.start, zone), "end": format_minute(slot.end, zone)}
    return Conflict("policy", message, rule=rule, slot=times, room=slot.room, limit=limit)


def slot_text(slot: RoomSlot, zone: ZoneInfo) -> str:
    """Return a slot as text for a sentence, such as `2026-12-01 09:00 to 10:00`."""
    start, end = (format_minute(minute, zone)[:16].replace("T", " ") for minute in (slot.start, slot.end))
    return f"{start} to {end[11:] if end[:10] == start[:10] else end}"


def _hours(minutes: float) -> str:
    hours, rest = divmod(round(minutes), 60)
    return " ".join(filter(None, [f"{hours} h" if hours else "", f"{rest} min" if rest or not hours else ""]))
