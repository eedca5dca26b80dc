"""Finds shifted reservations. A reservation is shifted if its slot no longer has the local time that was asked for.

A page holds the slot in minutes of UTC, and how far local time was ahead of UTC (lua/local_times.lua). The local time
of a slot changes if the rules of a time zone change, or if `timezone` of the configuration is corrected. If the request
named a time zone, its local times belong to that zone. Otherwise, its local times belong to the building's present
zone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from zoneinfo import ZoneInfo

from apps.api.request import ClientSession
from apps.api.service import Service
from apps.rooms.building import Building
from apps.rooms.pages import (
    PAGES_AT_ONCE,
    Reservation,
    RoomSlot,
    decode_reservation,
    decode_room,
    in_parts,
    reservation_page,
)
from apps.rooms.times import DAY_MIN, FIRST_DAY, minute_of, offset_min, present_minute, utc_day, zone_named
from bayou.session_token import Token

DAYS = "local_days"  # a list; see lua/local_times.lua
PART = 1000  # reservations: a part ends with the day on which it has read this many
PAGES_MAX = 5000  # pages (rooms times days) that a part reads, unless one day has more
PARTS_AT_START = 10
SHIFT_MAX_MIN = 26 * 60  # between two offsets from UTC


@dataclass(frozen=True, slots=True)
class Shifted:
    """A shifted reservation.

    asked_at  the slot at the local times that were asked for, by the present rules of the time zone
    overlaps  the ids of reservations that overlap `asked_at`
    """

    id: str
    held: Reservation
    asked_at: RoomSlot
    overlaps: tuple[str, ...] = ()


def slot_asked_at(held: Reservation, building: ZoneInfo) -> RoomSlot | None:
    """Return the slot at the local times that were asked for, by the present rules of the time zone. Return None if the
    reservation has this slot already, or if the local times are not known."""
    slot, local = held.slot, held.local
    if slot is None or local is None:
        return None
    zone = zone_named(local.zone) if local.zone else building
    if zone is None:
        return None
    start, end = (
        present_minute(minute, offset, zone)
        for minute, offset in ((slot.start, local.start_offset), (slot.end, local.end_offset))
    )
    if end <= start:  # clocks skip a part of it now
        end = start + slot.end - slot.start
    found = RoomSlot(slot.room, start, end)
    return None if found == slot else found


@dataclass(frozen=True, slots=True)
class Part:
    """What a search has found on some days. `last_day` is the last of these days."""

    shifted: list[Shifted]
    last_day: str


class Search:
    """Finds the shifted reservations that are not over, in the tentative view. The search covers the period from
    `start` to `end` (minutes since 1970). If `start` or `end` is None, the period has no limit on that side.

    days  the UTC days of this period that may have shifted reservations, in order
    """

    def __init__(self, service: Service, building: Building, start: int | None = None, end: int | None = None) -> None:
        self._service, self._zone = service, building.zone
        self._session = ClientSession(Token())
        self._now_min = minute_of(service.now())
        entries = service.list_entries(DAYS, self._session)
        self._doubtful = _doubtful_days(entries, self._now_min // DAY_MIN - 1, self._zone)
        first, last = "" if start is None else utc_day(start), None if end is None else utc_day(end - 1)
        self.days = [day for day in self._doubtful if first <= day and (last is None or day <= last)]
        self._rooms = service.list_entries("rooms", self._session) if self.days else []

    def parts(self, days: Sequence[str], limit: int) -> Iterator[Part]:
        """Search `days` in the given order, and yield the results in parts. `days` must be days of this search. A part
        ends after the day on which `limit` reservations or PAGES_MAX pages of rooms have been read. In each part, the
        reservations are sorted by the start of `asked_at`. If a reservation spans several days of this search, the
        reservation belongs to the first of these days."""
        taken, ids = list[str](), dict[str, None]()
        for some in _split(days, max(PAGES_AT_ONCE // max(len(self._rooms), 1), 1)):
            found = self._on_pages(f"room:{room}/{day}" for day in some for room in self._rooms)
            for day in some:
                taken.append(day)
                for room in self._rooms:
                    ids |= dict.fromkeys(found[f"room:{room}/{day}"])
                if len(ids) >= limit or len(taken) * len(self._rooms) >= PAGES_MAX:
                    yield self._part(taken, ids)
                    taken, ids = [], {}
        if taken:
            yield self._part(taken, ids)

    def _part(self, days: Sequence[str], ids: Iterable[str]) -> Part:
        candidates = self._shifted(ids)
        found = [one for one in candidates if self._home(one) in days]
        found.sort(key=lambda one: (one.asked_at.start, one.id))
        moving = {one.id: one for one in candidates}
        moving |= {one.id: one for one in self._shifted(self._near(found) - set(ids))}
        standing = self._standing(found, moving)
        return Part([replace(one, overlaps=tuple(_overlapping(one, standing))) for one in found], days[-1])

    def _home(self, one: Shifted) -> str | None:
        assert one.held.slot is not None, "it stands somewhere"
        first, last = utc_day(one.held.slot.start), utc_day(one.held.slot.end - 1)
        at = bisect_left(self.days, first)
        return self.days[at] if at < len(self.days) and self.days[at] <= last else None

    def _on_pages(self, pages: Iterable[str]) -> dict[str, list[str]]:
        """Return the ids of the reservations that stand on each of these pages of rooms."""
        found = dict[str, list[str]]()
        for part in in_parts(pages):
            views = self._service.read(part, self._session).pages
            found |= {page: [entry.id for entry in decode_room("", views[page].tentative)] for page in part}
        return found

    def _shifted(self, ids: Iterable[str]) -> list[Shifted]:
        """Return those of these reservations that stand at another local time than the user requested. Leave out the
        reservations that are over."""
        found = []
        for part in in_parts(ids):
            views = self._service.read([reservation_page(one) for one in part], self._session).pages
            for one in part:
                held = decode_reservation(views[reservation_page(one)].tentative)
                asked_at = held and slot_asked_at(held, self._zone)
                if held and held.slot and asked_at and max(asked_at.end, held.slot.end) > self._now_min:
                    found.append(Shifted(one, held, asked_at))
        return found

    def _near(self, shifted: Iterable[Shifted]) -> set[str]:
        """Return the ids of the reservations that may move into a slot `asked_at` of `shifted` when they move back. The
        reservations stand on pages of rooms at most SHIFT_MAX_MIN minutes from this slot. Pages of days without
        shifted reservations are left out."""
        doubtful, pages = set(self._doubtful), set[str]()
        for one in shifted:
            at = one.asked_at
            wide = RoomSlot(at.room, max(at.start - SHIFT_MAX_MIN, 0), at.end + SHIFT_MAX_MIN)
            pages |= {page for page in wide.pages if page.rpartition("/")[2] in doubtful}
        return {identifier for ids in self._on_pages(pages).values() for identifier in ids}

    def _standing(self, shifted: Iterable[Shifted], moving: Mapping[str, Shifted]) -> dict[str, dict[str, RoomSlot]]:
        """Return page -> id -> slot. The pages are those that hold a slot `asked_at` of `shifted`. The slot of a
        reservation in `moving` is its `asked_at`, as if the reservation had already moved. Any other reservation has
        its present slot."""
        found: dict[str, dict[str, RoomSlot]] = {page: {} for one in shifted for page in one.asked_at.pages}
        for part in in_parts(found):
            views = self._service.read(part, self._session).pages
            for page in part:
                room = page.removeprefix("room:").rpartition("/")[0]
                entries = decode_room(room, views[page].tentative)
                found[page] = {entry.id: entry.slot for entry in entries if entry.id not in moving}
        for one in moving.values():
            for page in one.asked_at.pages:
                if page in found:
                    found[page][one.id] = one.asked_at
        return found


def warnings(service: Service) -> Iterator[str]:
    """Yield a warning to the operator if there are shifted reservations. A replica calls this function at its start.
    Only the first PARTS_AT_START parts are searched, so that the start does not take long."""
    search = Search(service, Building.of(service.settings))
    parts = list(islice(search.parts(search.days, PART), PARTS_AT_START))
    count = sum(len(part.shifted) for part in parts)
    if count:
        number = f"{count} {'reservation' if count == 1 else 'reservations'}"
        number = f"At least {number}" if parts[-1].last_day != search.days[-1] else number
        yield (
            f"{number} {'does' if count == 1 else 'do'} not have the requested local time any more, because the setting"
            " `timezone` or the rules of a time zone have changed. To list each such reservation, run `admin"
            " check-times`."
        )


def _doubtful_days(entries: Collection[str], first: int, building: ZoneInfo) -> list[str]:
    """Return the UTC days on which reservations may be shifted. The result has only days from the day `first` on.

    Each of `entries` has a UTC day and the offset of local time that a write has recorded for that day. A day is
    returned if its recorded offset differs from the offset that the time zone has now, at the beginning or at the end
    of the day. So a day on which clocks change is always returned.
    """
    found = set()
    for entry in entries:
        text, offset, *own = entry.split(" ")
        day = (date.fromisoformat(text) - FIRST_DAY).days
        zone = zone_named(own[0]) if own else building
        if day >= first and zone is not None:
            ends = {offset_min(minute, zone) for minute in (day * DAY_MIN, (day + 1) * DAY_MIN)}
            if ends != {int(offset)}:
                found.add(text)
    return sorted(found)


def _overlapping(one: Shifted, standing: Mapping[str, Mapping[str, RoomSlot]]) -> list[str]:
    others = {identifier: slot for page in one.asked_at.pages for identifier, slot in standing[page].items()}
    return sorted(other for other, slot in others.items() if other != one.id and slot.overlaps(one.asked_at))


def _split(days: Sequence[str], count: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(days), count):
        yield days[first : first + count]
