"""What people are shown: a reservation, a calendar, a write of the log; plain values, ready for JSON.

It reads pages in both views and knows of neither requests nor the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from apps.rooms.pages import (
    Entry,
    Place,
    Reservation,
    Series,
    decode_detail,
    decode_reservation,
    decode_room,
    decode_slots,
    is_final,
    occurrence_date,
)
from apps.rooms.settings import RoomSettings
from apps.rooms.times import format_minute
from bayou.application import PageViews
from bayou.write import Write

REASONS = {
    "no_alternative": "An earlier reservation took the place, and nothing else that was asked for is free; "
    "move the reservation to another time, or cancel it.",
    "open_reservations": "The user holds as many reservations that are not over as one may hold; "
    "cancel one, then move this one.",
    "series": "Another occurrence of the series found no place, and all or none were wanted; "
    "move this one, or ask for a series without those dates.",
}
PLACED = {"updated", "merged", "unmoved", "kept"}  # statuses whose detail says where the reservation is

_UTC = ZoneInfo("UTC")


def reservation(identifier: str, views: PageViews, zone: ZoneInfo) -> dict[str, Any] | None:
    """RESERVATION as the REST interface defines it; None when there is no such reservation."""
    held = decode_reservation(views.tentative)
    if held is None:
        return None
    user, _, request = identifier.partition("/")
    final = is_final(views)
    return {
        "id": identifier,
        "user": user,
        "request": request,
        "room": held.room,
        "slot": _slot(held.place, zone) if held.place else None,
        "purpose": held.purpose,
        "state": ("committed" if final else "tentative") if held.state == "reserved" else held.state,
        "final": final,
        "reason": reason(held) if held.reason else None,
        "series": held.series,
        "occurrence": occurrence_date(request),
        "asked": [{"room": place.room, **_slot(place, zone)} for place in held.asked],
    }


def series(identifier: str, held: Series, members: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """SERIES as the REST interface defines it, of its reservations."""
    user, _, request = identifier.partition("/")
    return {
        "id": identifier,
        "user": user,
        "request": request,
        "rule": held.rule,
        "except": list(held.excluded),
        "occurrences": held.wanted,
        "timezone": held.zone,
        "reservations": list(members),
    }


def room(name: str, listed: RoomSettings | None) -> dict[str, Any]:
    """ROOM as the REST interface defines it; `listed` is what the configuration says of it."""
    known = listed or RoomSettings(name=name)
    hours = known.hours
    return {
        "name": name,
        "listed": listed is not None,
        "capacity": known.capacity,
        "features": list(known.features),
        "location": known.location,
        "opens": _clock(hours[0]) if hours else None,
        "closes": _clock(hours[1]) if hours else None,
    }


def calendar(period: Place, days: Sequence[PageViews], view: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The reservations of a room in a period, in time order, each once; `days` are its pages."""
    committed = {start: value for day in days for start, value in day.committed.items()}
    shown = committed
    if view != "committed":
        shown = {start: value for day in days for start, value in day.tentative.items()}
    found = []
    for start in sorted(shown):
        value = shown[start]
        state = "committed" if committed.get(start) == value else "tentative"
        place, told = _row(period.room, start, value, state, zone)
        if place.overlaps(period):
            found.append(told)
    return found


@lru_cache(maxsize=10_000)  # the same weeks are shown again and again
def _row(room: str, start: str, value: str, state: str, zone: ZoneInfo) -> tuple[Place, dict[str, str]]:
    """A field of a room's page: its place, and what is shown of it; not to be changed, for it is shown again."""
    (entry,) = decode_room(room, {start: value})
    return entry.place, {**_entry(entry, zone), "state": state}


def taken(asked: list[Place], pages: Mapping[str, PageViews], but: Set[str], zone: ZoneInfo) -> list[dict[str, Any]]:
    """What stands in the way of the places asked for, each once: when, where, whose; without those of the ids `but`."""
    found = {
        entry: None
        for place in asked
        for page in place.pages
        for entry in decode_room(place.room, pages[page].tentative)
        if entry.place.overlaps(place) and entry.id not in but
    }
    return [{"room": entry.place.room, **_entry(entry, zone)} for entry in found]


def describe(write: Write, outcome: str) -> dict[str, Any]:
    """What a write asked and where its outcome put the reservation (`result`, None if nowhere); times in UTC.

    A write of a series has a `parts` with the same for each occurrence, and what became of it.
    """
    args, about = write.args, _about(write)
    if "occurrences" not in args:
        return _described(write, about, args, outcome)
    parts = [
        {
            **_described(write, f"{about}~{occurrence['date']}", {**args, **occurrence}, told),
            "op": write.op.removesuffix("_series"),
            "outcome": told.partition(" ")[0],
        }
        for occurrence, told in _told(write, outcome)
    ]
    return {**parts[0], "reservation": about, "result": None, "outcome": outcome.partition(" ")[0], "parts": parts}


def _about(write: Write) -> str:
    """The id of the reservation or series that a write is about."""
    found: str = write.args.get("reservation") or f"{write.user}/{write.request}"
    if write.op in {"move_series", "cancel_series"}:
        found = write.args["series"]
    return found


def _told(write: Write, outcome: str) -> list[tuple[Mapping[str, Any], str]]:
    """Each occurrence of a series' write with its own outcome."""
    occurrences = write.args["occurrences"]
    status, _, detail = outcome.partition(" ")
    outcomes = detail.split("\t") if detail else [status] * len(occurrences)
    return list(zip(occurrences, outcomes, strict=True))


def outcome_for(write: Write | None, outcome: str, identifier: str) -> str:
    """The outcome of a write for one of the reservations that it is about; a write that is no longer known is taken
    to be about this one alone."""
    if write is None or "occurrences" not in write.args:
        return outcome
    day = identifier.removeprefix(f"{_about(write)}~")
    told = {occurrence["date"]: part for occurrence, part in _told(write, outcome)}
    return told.get(day, outcome.partition(" ")[0])


def places_of(write: Write, outcome: str) -> list[Place]:
    """Where a write with this outcome put reservations."""
    parts = [part for _, part in _told(write, outcome)] if "occurrences" in write.args else [outcome]
    return [place for place in map(place_of, parts) if place]


def _described(write: Write, identifier: str, args: Mapping[str, Any], outcome: str) -> dict[str, Any]:
    return {
        "reservation": identifier,
        "room": args["room"],
        "slots": [_times(start, end, _UTC) for start, end in decode_slots(args.get("slots", ""))],
        "purpose": args.get("purpose"),
        "merge": write.merge,
        "result": place_shown(place_of(outcome), _UTC),
    }


def place_of(outcome: str) -> Place | None:
    """Where an outcome put a reservation."""
    status, _, detail = outcome.partition(" ")
    return decode_detail(detail) if status in PLACED else None


def place_shown(place: Place | None, zone: ZoneInfo) -> dict[str, str] | None:
    """PLACE as the REST interface defines it."""
    return {"room": place.room, **_slot(place, zone)} if place else None


def reason(held: Reservation) -> dict[str, str]:
    """Why it is rejected or cancelled, for programs and for people."""
    code = str(held.reason)
    if held.why:
        return {"code": code, "message": "Cancelled by {}: {}".format(*held.why)}
    return {"code": code, "message": REASONS[code]}


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _slot(place: Place, zone: ZoneInfo) -> dict[str, str]:
    return _times(place.start, place.end, zone)


def _times(start: int, end: int, zone: ZoneInfo) -> dict[str, str]:
    return {"start": format_minute(start, zone), "end": format_minute(end, zone)}


def _entry(entry: Entry, zone: ZoneInfo) -> dict[str, str]:
    return {
        "id": entry.id,
        "user": entry.user,
        "request": entry.request,
        "purpose": entry.purpose,
        **_slot(entry.place, zone),
    }
