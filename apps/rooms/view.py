"""What people are shown: a reservation, a calendar, a write of the log; plain values, ready for JSON.

It reads pages in both views and knows of neither requests nor the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from apps.rooms.pages import Entry, Place, decode_days, decode_detail, decode_reservation, decode_room, is_final
from apps.rooms.times import format_minute
from bayou.application import PageViews
from bayou.write import Write

REASONS = {
    "no_alternative": "An earlier reservation took the place, and nothing else that was asked for is free; "
    "move the reservation to another time, or cancel it.",
}

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
        "reason": {"code": held.reason, "message": REASONS[held.reason]} if held.reason else None,
        "series": held.series,
        "asked": [{"room": place.room, **_slot(place, zone)} for place in held.asked],
    }


def calendar(period: Place, days: Sequence[PageViews], view: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The reservations of a room in a period, in time order, each once; `days` are its pages."""
    committed = decode_days(period.room, (day.committed for day in days))
    shown = committed if view == "committed" else decode_days(period.room, (day.tentative for day in days))
    final = set(committed)
    return [
        {**_entry(entry, zone), "state": "committed" if entry in final else "tentative"}
        for entry in shown
        if entry.place.overlaps(period)
    ]


def taken(asked: list[Place], pages: Mapping[str, PageViews], but: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """What stands in the way of the places asked for, each once: when, where, whose; without the reservation `but`."""
    found = {
        entry: None
        for place in asked
        for page in place.pages
        for entry in decode_room(place.room, pages[page].tentative)
        if entry.place.overlaps(place) and entry.id != but
    }
    return [{"room": entry.place.room, **_entry(entry, zone)} for entry in found]


def describe(write: Write, outcome: str) -> dict[str, Any]:
    """What a write asked and where its outcome put the reservation (`place`, None if nowhere); times in UTC."""
    args = write.args
    status, _, detail = outcome.partition(" ")
    place = decode_detail(detail) if status in {"updated", "merged", "unmoved"} else None
    slots = [Place(args["room"], start, end) for start, end in args.get("slots", ())]
    return {
        "reservation": args.get("reservation", f"{write.user}/{write.request}"),
        "room": args["room"],
        "slots": [_slot(slot, _UTC) for slot in slots],
        "purpose": args.get("purpose"),
        "merge": write.merge,
        "place": {"room": place.room, **_slot(place, _UTC)} if place else None,
    }


def _slot(place: Place, zone: ZoneInfo) -> dict[str, str]:
    return {"start": format_minute(place.start, zone), "end": format_minute(place.end, zone)}


def _entry(entry: Entry, zone: ZoneInfo) -> dict[str, str]:
    return {
        "id": entry.id,
        "user": entry.user,
        "request": entry.request,
        "purpose": entry.purpose,
        **_slot(entry.place, zone),
    }
