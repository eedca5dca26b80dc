"""What people are shown: a reservation, a calendar, a write of the log. All are plain values, ready for JSON.

This module reads pages in both views, and knows neither requests nor the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from apps.rooms.pages import (
    Entry,
    Reservation,
    RoomSlot,
    Series,
    decode_detail,
    decode_reservation,
    decode_room,
    decode_slots,
    is_final,
    occurrence_date,
)
from apps.rooms.settings import RoomSettings
from apps.rooms.times import clock_text, format_minute
from bayou.application import PageViews
from bayou.write import Write

REASONS = {
    "no_alternative": "An earlier reservation took the slot, and nothing else that was asked for is free. "
    "Move the reservation to another time, or cancel it.",
    "open_reservations": "The user holds as many reservations as the policy allows that are not over. "
    "Cancel one, then move this one.",
    "series": "Another occurrence of the series found no slot, and all or none were wanted. "
    "Move this one, or ask for a series without those dates.",
}
WITH_SLOT = {"updated", "merged", "unmoved", "kept"}  # statuses whose detail names the slot of the reservation

_UTC = ZoneInfo("UTC")


def reservation(identifier: str, views: PageViews, zone: ZoneInfo) -> dict[str, Any] | None:
    """The RESERVATION of the REST interface; None if there is no such reservation."""
    held = decode_reservation(views.tentative)
    if held is None:
        return None
    user, _, request = identifier.partition("/")
    return {
        "id": identifier,
        "user": user,
        "request": request,
        "room": held.room,
        "slot": _times(held.slot, zone) if held.slot else None,
        "purpose": held.purpose,
        "state": state(held, views),
        "final": is_final(views),
        "reason": reason(held),
        "series": held.series,
        "occurrence": occurrence_date(request),
        "asked": [{"room": slot.room, **_times(slot, zone)} for slot in held.asked],
    }


def state(held: Reservation, views: PageViews) -> str:
    """The state of a reservation in the REST interface: committed, tentative, rejected or cancelled."""
    if held.state != "reserved":
        return held.state
    return "committed" if is_final(views) else "tentative"


def series(identifier: str, held: Series, reservations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The SERIES of the REST interface; `reservations` are those of its occurrences."""
    user, _, request = identifier.partition("/")
    return {
        "id": identifier,
        "user": user,
        "request": request,
        "rule": held.rule,
        "except": list(held.excluded),
        "occurrences": held.wanted,
        "timezone": held.zone,
        "reservations": list(reservations),
    }


def room(name: str, listed: RoomSettings | None) -> dict[str, Any]:
    """The ROOM of the REST interface; `listed` is what the configuration says of the room."""
    known = listed or RoomSettings(name=name)
    hours = known.hours
    return {
        "name": name,
        "listed": listed is not None,
        "capacity": known.capacity,
        "features": list(known.features),
        "location": known.location,
        "opens": clock_text(hours[0]) if hours else None,
        "closes": clock_text(hours[1]) if hours else None,
    }


def calendar(period: RoomSlot, days: Sequence[PageViews], view: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The reservations of a room in a period, in time order, each once. `days` are the pages of the period."""
    committed = {start: value for day in days for start, value in day.committed.items()}
    shown = committed
    if view != "committed":
        shown = {start: value for day in days for start, value in day.tentative.items()}
    found = []
    for start in sorted(shown):
        value = shown[start]
        state = "committed" if committed.get(start) == value else "tentative"
        slot, row = _row(period.room, start, value, state, zone)
        if slot.overlaps(period):
            found.append(row)
    return found


@lru_cache(maxsize=10_000)  # the same weeks are shown again and again
def _row(room: str, start: str, value: str, state: str, zone: ZoneInfo) -> tuple[RoomSlot, dict[str, str]]:
    """The slot of a field on a room's page, and what is shown of it. The result is cached, so callers must not change
    it."""
    (entry,) = decode_room(room, {start: value})
    return entry.slot, {**_entry(entry, zone), "state": state}


def taken(asked: list[RoomSlot], pages: Mapping[str, PageViews], but: Set[str], zone: ZoneInfo) -> list[dict[str, Any]]:
    """The reservations that overlap the slots asked for, each once, except those whose ids are in `but`."""
    found = {
        entry: None
        for slot in asked
        for page in slot.pages
        for entry in decode_room(slot.room, pages[page].tentative)
        if entry.slot.overlaps(slot) and entry.id not in but
    }
    return [{"room": entry.slot.room, **_entry(entry, zone)} for entry in found]


def describe(write: Write, outcome: str) -> dict[str, Any]:
    """What a write asked for, and the slot that its outcome gave (`result`; None for none). Times are in UTC.

    For a write about a series, `parts` has the same for each occurrence, with its outcome.
    """
    args, about = write.args, _about(write)
    if "occurrences" not in args:
        return _described(write, about, args, outcome)
    parts = [
        {
            **_described(write, f"{about}~{occurrence['date']}", {**args, **occurrence}, part),
            "op": write.op.removesuffix("_series"),
            "outcome": part.partition(" ")[0],
        }
        for occurrence, part in _outcomes(write, outcome)
    ]
    return {**parts[0], "reservation": about, "result": None, "outcome": outcome.partition(" ")[0], "parts": parts}


def _about(write: Write) -> str:
    """The id of the reservation or series that a write is about."""
    found: str = write.args.get("reservation") or f"{write.user}/{write.request}"
    if write.op in {"move_series", "cancel_series"}:
        found = write.args["series"]
    return found


def _outcomes(write: Write, outcome: str) -> list[tuple[Mapping[str, Any], str]]:
    """Each occurrence of a write about a series, with its own outcome."""
    occurrences = write.args["occurrences"]
    status, _, detail = outcome.partition(" ")
    outcomes = detail.split("\t") if detail else [status] * len(occurrences)
    return list(zip(occurrences, outcomes, strict=True))


def outcome_for(write: Write | None, outcome: str, identifier: str) -> str:
    """The outcome of a write for one of the reservations that it is about. If the write is no longer known, its outcome
    is taken to be about this reservation alone."""
    if write is None or "occurrences" not in write.args:
        return outcome
    day = identifier.removeprefix(f"{_about(write)}~")
    parts = {occurrence["date"]: part for occurrence, part in _outcomes(write, outcome)}
    return parts.get(day, outcome.partition(" ")[0])


def slots_of(write: Write, outcome: str) -> list[RoomSlot]:
    """The slots that a write with this outcome gave to reservations."""
    parts = [part for _, part in _outcomes(write, outcome)] if "occurrences" in write.args else [outcome]
    return [slot for slot in map(slot_of, parts) if slot]


def _described(write: Write, identifier: str, args: Mapping[str, Any], outcome: str) -> dict[str, Any]:
    return {
        "reservation": identifier,
        "room": args["room"],
        "slots": [_times(RoomSlot(args["room"], *slot), _UTC) for slot in decode_slots(args.get("slots", ""))],
        "purpose": args.get("purpose"),
        "merge": write.merge,
        "result": slot_shown(slot_of(outcome), _UTC),
    }


def slot_of(outcome: str) -> RoomSlot | None:
    """The slot that an outcome gave to a reservation; None if it gave none."""
    status, _, detail = outcome.partition(" ")
    return decode_detail(detail) if status in WITH_SLOT else None


def slot_shown(slot: RoomSlot | None, zone: ZoneInfo) -> dict[str, str] | None:
    """The ROOM_SLOT of the REST interface; None for no slot."""
    return {"room": slot.room, **_times(slot, zone)} if slot else None


def reason(held: Reservation) -> dict[str, str] | None:
    """Why a reservation is rejected or cancelled, for programs and for people; None if it has no reason."""
    if held.reason is None:
        return None
    message = "Cancelled by {}: {}".format(*held.why) if held.why else REASONS[held.reason]
    return {"code": held.reason, "message": message}


def _times(slot: RoomSlot, zone: ZoneInfo) -> dict[str, str]:
    return {"start": format_minute(slot.start, zone), "end": format_minute(slot.end, zone)}


def _entry(entry: Entry, zone: ZoneInfo) -> dict[str, str]:
    return {
        "id": entry.id,
        "user": entry.user,
        "request": entry.request,
        "purpose": entry.purpose,
        **_times(entry.slot, zone),
    }
