"""Finds the next free slot in a room. If the slot of a request is taken, the refusal names this free slot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from apps.rooms.pages import Entry, RoomSlot
from apps.rooms.policies import Policies
from apps.rooms.times import DAY_MIN, local_date

SEARCH_DAYS = 7


def searched(wanted: RoomSlot) -> RoomSlot:
    """Return the room and the period that `next_free` searches for a free slot."""
    return RoomSlot(wanted.room, wanted.start, wanted.end + SEARCH_DAYS * DAY_MIN)


def next_free(
    wanted: RoomSlot, taken: Sequence[Entry], policies: Policies, at_min: int, zone: ZoneInfo
) -> RoomSlot | None:
    """Return the first free slot that can replace `wanted`. This slot has the same room and the same length, and does
    not begin before `wanted`. The slot overlaps none of `taken`. The policies permit the slot for a request at the
    minute `at_min`. Return None if there is no such slot within SEARCH_DAYS."""
    length, last = wanted.end - wanted.start, wanted.start + SEARCH_DAYS * DAY_MIN
    starts = {wanted.start, *(policies.on_grid(entry.slot.end, zone) for entry in taken)}
    starts.update(policies.opening(wanted.room, day, zone) for day in _days(wanted.start, last, zone))
    for start in sorted(starts):
        slot = RoomSlot(wanted.room, start, start + length)
        if not wanted.start <= start <= last or any(entry.slot.overlaps(slot) for entry in taken):
            continue
        if policies.permits(slot, at_min, zone):
            return slot
    return None


def _days(first: int, last: int, zone: ZoneInfo) -> Iterator[date]:
    day = local_date(first, zone)
    while day <= local_date(last, zone):
        yield day
        day += timedelta(days=1)
