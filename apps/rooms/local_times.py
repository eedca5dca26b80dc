"""Finds reservations that no longer stand at the local time for which they were asked.

A page holds minutes in UTC, and the local time of the request as an offset (lua/local_times.lua). What people see is
another local time after the rules of a time zone have changed, or after `timezone` of the configuration was corrected.
Local times of a zone that the request named stay in this zone; all others are those of the building's present zone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from apps.api.request import ClientSession
from apps.api.service import Service
from apps.rooms.building import Building
from apps.rooms.pages import Reservation, RoomSlot, decode_reservation, decode_room, in_parts, reservation_page
from apps.rooms.times import DAY_MIN, offset_min, present_minute, zone_named
from bayou.session_token import Token

DAYS = "local_days"  # a list; see lua/local_times.lua

_FIRST_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Shifted:
    """A reservation that stands at another local time than it was asked for.

    asked_at  where the local time of the request is by the present rules
    overlaps  the ids of reservations that overlap it at these local times
    """

    id: str
    held: Reservation
    asked_at: RoomSlot
    overlaps: tuple[str, ...] = ()


def slot_asked_at(held: Reservation, building: ZoneInfo) -> RoomSlot | None:
    """Return the slot that has the local times for which a reservation was asked, by the present rules. Return None if
    that is its slot, and if its local times are not known."""
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


def find_shifted(service: Service, building: Building) -> list[Shifted]:
    """Return the reservations that are not over and stand at another local time than they were asked for, in the order
    of time. The tentative view counts."""
    session = ClientSession(Token())
    now_min = int(service.now().timestamp()) // 60
    days = _doubtful_days(service.list_entries(DAYS, session), now_min // DAY_MIN - 1, building.zone)
    if not days:
        return []
    rooms = service.list_entries("rooms", session)
    found = []
    for identifier, held in _reservations(service, rooms, days, session):
        asked_at = slot_asked_at(held, building.zone)
        if asked_at and held.slot and max(asked_at.end, held.slot.end) > now_min:
            found.append(Shifted(identifier, held, asked_at))
    found.sort(key=lambda one: (one.asked_at.start, one.id))
    standing = _standing(service, found, session)
    return [replace(one, overlaps=tuple(_overlapping(one, standing))) for one in found]


def warnings(service: Service) -> Iterator[str]:
    """Yield what the operator should know when the replica has started."""
    count = len(find_shifted(service, Building.of(service.settings)))
    if count:
        yield (
            f"{count} {'reservation stands' if count == 1 else 'reservations stand'} at another local time than asked"
            " for, because `timezone` or the rules of a time zone have changed. `admin check-times` lists"
            f" {'it' if count == 1 else 'them'}."
        )


def _doubtful_days(entries: Collection[str], first: int, building: ZoneInfo) -> list[str]:
    """Return the UTC days, from the day `first` on, on which a local time may have been said with another offset than
    the present rules give. A day on which clocks change is always one."""
    found = set()
    for entry in entries:
        text, offset, *own = entry.split(" ")
        day = (date.fromisoformat(text) - _FIRST_DAY).days
        zone = zone_named(own[0]) if own else building
        if day >= first and zone is not None:
            ends = {offset_min(minute, zone) for minute in (day * DAY_MIN, (day + 1) * DAY_MIN)}
            if ends != {int(offset)}:
                found.add(text)
    return sorted(found)


def _reservations(
    service: Service, rooms: Sequence[str], days: Sequence[str], session: ClientSession
) -> Iterator[tuple[str, Reservation]]:
    """Yield the id and the contents of each reservation that stands in one of these rooms on one of these days."""
    seen: set[str] = set()
    for part in in_parts(f"room:{room}/{day}" for room in rooms for day in days):
        pages = service.read(part, session).pages
        ids = {entry.id: None for page in part for entry in decode_room("", pages[page].tentative)}
        for some in in_parts(one for one in ids if one not in seen):
            views = service.read([reservation_page(one) for one in some], session).pages
            for one in some:
                held = decode_reservation(views[reservation_page(one)].tentative)
                if held is not None:
                    yield one, held
        seen.update(ids)


def _overlapping(one: Shifted, standing: Mapping[str, Mapping[str, RoomSlot]]) -> list[str]:
    others = {identifier: slot for page in one.asked_at.pages for identifier, slot in standing[page].items()}
    return sorted(other for other, slot in others.items() if other != one.id and slot.overlaps(one.asked_at))


def _standing(service: Service, shifted: Iterable[Shifted], session: ClientSession) -> dict[str, dict[str, RoomSlot]]:
    """Return what would stand on the pages of the slots that the shifted reservations were asked for, if all of them
    had these slots: page -> id -> slot."""
    found: dict[str, dict[str, RoomSlot]] = {page: {} for one in shifted for page in one.asked_at.pages}
    for part in in_parts(found):
        pages = service.read(part, session).pages
        for page in part:
            room = page.removeprefix("room:").rpartition("/")[0]
            found[page] = {entry.id: entry.slot for entry in decode_room(room, pages[page].tentative)}
    moving = {one.id for one in shifted}
    found = {
        page: {name: slot for name, slot in standing.items() if name not in moving} for page, standing in found.items()
    }
    for one in shifted:
        for page in one.asked_at.pages:
            found[page][one.id] = one.asked_at
    return found
