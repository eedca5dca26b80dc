"""From what a user asks to the draft of a write: reserve, move, cancel.

Policies (rooms of the configuration, the local day) are resolved here, once, and travel in the write as values; so do
the pages that its rules may touch at any replica, whatever else has happened there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from apps.rooms.pages import Place, Reservation, reservation_page
from apps.rooms.schema import AnotherRoom, Merge, MoveBody, NearestFreeTime, ReserveBody, Slot
from apps.rooms.times import local_day
from bayou.errors import BadInput, TooLarge
from bayou.write import PAGES_MAX, Draft

APP = "rooms/1"

_CHECKS = {"reserve": "first_choice_free", "move": "first_choice_free", "cancel": "reservation_stands"}


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, under which request id, when (UTC), and with which policies."""

    user: str
    request: str
    at: datetime
    zone: ZoneInfo
    listed_rooms: Sequence[str]


def reserve(asking: Asking, body: ReserveBody) -> Draft:
    """A new reservation; raises BadInput, TooLarge."""
    search = _search(asking, body.room, body.slots, body.merge)
    args: dict[str, Any] = {**search.args, "purpose": body.purpose}
    if body.series is not None:
        args["series"] = body.series
    pages = [reservation_page(f"{asking.user}/{asking.request}"), *search.pages]
    return _draft(asking, "reserve", body.merge.name, args, pages)


def move(asking: Asking, identifier: str, reservation: Reservation, final: bool, body: MoveBody) -> Draft:
    """Another place for a reservation; raises BadInput, TooLarge."""
    search = _search(asking, body.room or reservation.room, body.slots, body.merge)
    args = {**search.args, "reservation": identifier}
    pages = [*_standing(identifier, reservation, final), *search.pages]
    return _draft(asking, "move", body.merge.name, args, pages)


def cancel(asking: Asking, identifier: str, reservation: Reservation, final: bool) -> Draft:
    """The end of a reservation. It carries the room for those who read the log."""
    args = {"reservation": identifier, "room": reservation.room}
    pages = _standing(identifier, reservation, final)
    return _draft(asking, "cancel", "give_up", args, pages)


@dataclass(frozen=True, slots=True)
class _Search:
    args: dict[str, Any]
    pages: list[str]


def _search(asking: Asking, room: str, slots: Sequence[Slot], merge: Merge) -> _Search:
    """The arguments of the check and the merge procedure, and every room page on which they may look."""
    args: dict[str, Any] = {"room": room, "slots": [[slot.start, slot.end] for slot in slots]}
    places = [Place(room, slot.start, slot.end) for slot in slots]
    first = slots[0]
    if isinstance(merge, NearestFreeTime):
        day_start, day_end = local_day(first.start, first.end, asking.zone)
        args |= {"window_min": merge.window_min, "day_start": day_start, "day_end": day_end}
        low, high = max(day_start, first.start - merge.window_min), min(day_end, first.end + merge.window_min)
        places.append(Place(room, low, high))
    if isinstance(merge, AnotherRoom):
        args["rooms"] = merge.rooms or [listed for listed in asking.listed_rooms if listed != room]
        if not args["rooms"]:
            raise BadInput(
                "bad_input", "merge.rooms: there is no other room by itself; name some.", field="merge.rooms"
            )
        places += [Place(other, first.start, first.end) for other in args["rooms"]]
    return _Search(args, [page for place in places for page in place.pages])


def _standing(identifier: str, reservation: Reservation, final: bool) -> list[str]:
    """The reservation's page, and the room pages where it may be: if final, its place's; else all it asked for."""
    if final:
        room_pages: Iterable[str] = reservation.place.pages if reservation.place else ()
    else:
        room_pages = reservation.room_pages
    return [reservation_page(identifier), *room_pages]


def _draft(asking: Asking, op: str, merge: str, args: dict[str, Any], pages: Iterable[str]) -> Draft:
    declared = tuple(sorted(set(pages)))
    if len(declared) > PAGES_MAX:
        raise TooLarge(
            "too_large",
            f"This touches {len(declared)} pages (one for each room and day, one for the reservation), and a write"
            f" may touch {PAGES_MAX}: ask for fewer slots, fewer rooms or shorter times.",
            pages=len(declared),
            pages_max=PAGES_MAX,
        )
    return Draft(
        app=APP,
        op=op,
        check=_CHECKS[op],
        merge=merge,
        args=args,
        pages=declared,
        user=asking.user,
        request=asking.request,
        accepted_at=asking.at.astimezone(UTC).isoformat(timespec="milliseconds"),
    )
