"""Makes the JSON values of answers about rooms: reservations, series, calendars, and descriptions of writes.

This module reads pages in both views. It has no access to requests or the store.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from apps.rooms.local_times import Shifted, slot_asked_at
from apps.rooms.outcomes import NO_EFFECT, no_effect
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
    owner_of,
)
from apps.rooms.settings import Closed, RoomSettings
from apps.rooms.times import clock_text, format_minute
from bayou.application import LogEntry, PageViews, refusal_of_judge
from bayou.write import Write

REASONS = {
    "no_alternative": "An earlier reservation took the slot, and no other slot that the request allows is free. "
    "Move the reservation to another time, or cancel it.",
    "open_reservations": "The owner already has as many open reservations as the policy allows. "
    "Cancel one of them, then move this reservation.",
    "forbidden": "The user had been revoked, or had too low a role, when the reservation was committed. "
    "Ask a manager, then make a new reservation.",
    "series": "Another occurrence of the series found no free slot. The request asked for all occurrences or none, so "
    "this occurrence was rejected too. Move this occurrence, or reserve a series without the dates that have no free "
    "slot.",
}
NOT_AS_WANTED = ("merged", *NO_EFFECT)
WITH_SLOT = {"updated", "merged", "unmoved", "kept"}  # statuses whose detail names the slot of the reservation

_UTC = ZoneInfo("UTC")


class WritePart(NamedTuple):
    """The part of a write that is about the reservation `id`. `args` and `outcome` are the arguments and the outcome
    for this reservation."""

    id: str
    args: Mapping[str, Any]
    outcome: str

    @property
    def status(self) -> str:
        return self.outcome.partition(" ")[0]


def reservation(identifier: str, views: PageViews, zone: ZoneInfo) -> dict[str, Any] | None:
    """Return the reservation of a page as a JSON value with the schema RESERVATION (see answer_schemas.py); None if the
    page holds no reservation."""
    held = decode_reservation(views.tentative)
    if held is None:
        return None
    made, asked_at = _made(identifier, held), slot_asked_at(held, zone)
    return {
        **made,
        "room": held.room,
        "slot": _times(held.slot, zone) if held.slot else None,
        "purpose": held.purpose,
        "state": state(held, views),
        "final": is_final(views),
        "reason": reason(held),
        "series": held.series,
        "occurrence": made["request"].partition("~")[2] or None,  # its date
        "asked": [{"room": slot.room, **_times(slot, zone)} for slot in held.asked],
        "changed_by": list(held.changed_by),
        **({"shifted": local_shown(held, asked_at, zone)} if asked_at else {}),
    }


def shifted(one: Shifted, zone: ZoneInfo) -> dict[str, Any]:
    """Return a shifted reservation (see local_times.py) as a JSON value with the schema SHIFTED (see
    answer_schemas.py)."""
    assert one.held.slot is not None, "it has a slot, at another local time"
    return {
        "id": one.id,
        "user": one.id.partition("/")[0],
        "owner": owner_of(one.id, one.held),
        "room": one.held.room,
        "purpose": one.held.purpose,
        "slot": _times(one.held.slot, zone),
        "shifted": {**local_shown(one.held, one.asked_at, zone), "overlaps": list(one.overlaps)},
    }


def local_shown(held: Reservation, asked_at: RoomSlot, zone: ZoneInfo) -> dict[str, str]:
    """Return the local times that the user requested for the reservation `held`, as a JSON value with the schema LOCAL
    (see answer_schemas.py). `asked_at` is the slot that these local times mean under the present rules of the time
    zone. The rules may have changed since the request, so `held` may have another slot."""
    assert held.local is not None, "its local times are known"
    return {"timezone": held.local.zone or zone.key, **_times(asked_at, zone)}


def state(held: Reservation, views: PageViews) -> str:
    """Return the state of a reservation in the REST interface: committed, tentative, rejected or cancelled."""
    if held.state != "reserved":
        return held.state
    return "committed" if is_final(views) else "tentative"


def series(identifier: str, held: Series, reservations: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a series as a JSON value with the schema SERIES (see answer_schemas.py). `reservations` are the
    reservations of its occurrences."""
    return {
        **_made(identifier, held),
        "rule": held.rule,
        "except": list(held.excluded),
        "occurrences": held.wanted,
        "timezone": held.zone,
        "reservations": list(reservations),
    }


def room(name: str, listed: RoomSettings | None, closed: Closed = ()) -> dict[str, Any]:
    """Return a room as a JSON value with the schema ROOM (see answer_schemas.py). `listed` has the settings of the
    room; None if the configuration does not list the room. `closed` has the days on which all rooms are closed."""
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
        "closed": [days.text for days in (*closed, *known.closed)],
    }


def calendar(period: RoomSlot, days: Sequence[PageViews], view: str, zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return the reservations of a room in a period, sorted by time. A reservation that crosses midnight is included
    once. `days` are the room's pages for the days of the period."""
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
    """Return the slot of a reservation, and the calendar row that shows this slot. `start` and `value` are the name and
    the value of a field of a room's page. Callers must not change the row, because it is cached."""
    (entry,) = decode_room(room, {start: value})
    together = {} if entry.slot.room == room else {"room": entry.slot.room}
    return entry.slot, {**_entry(entry, zone), "state": state, **together}


def taken(entry: Entry, zone: ZoneInfo) -> dict[str, Any]:
    """Return the JSON value for a reservation that is in the way of a request."""
    return {"room": entry.slot.room, **_entry(entry, zone)}


def describe(write: Write, outcome: str) -> dict[str, Any]:
    """Return the description of a write for screens, with times in UTC.

    result  the slot that the reservation got by this write; None if it got no slot
    owner   the owner that the write names; None if the write names no owner
    why     a sentence that says why an acknowledged write had no effect; None if the write had its effect
    parts   one description for each occurrence; only given for a write about a series, and then `result` and `why` of
            the whole write are None
    """
    op, parts = write.op.removesuffix("_series"), parts_of(write, outcome)
    if "occurrences" not in write.args:
        return _described(write, parts[0])
    shown = [{**_described(write, part), "op": op, "outcome": part.status} for part in parts]
    whole = {"reservation": _about(write), "result": None, "why": None, "outcome": outcome.partition(" ")[0]}
    return {**shown[0], **whole, "parts": shown}


def _about(write: Write) -> str:
    """Return the id of the reservation or series that a write is about."""
    found: str = write.args.get("reservation") or f"{write.user}/{write.request}"
    if write.op in {"move_series", "cancel_series", "edit_series", "extend_series"}:
        found = write.args["series"]
    return found


def parts_of(write: Write, outcome: str) -> list[WritePart]:
    """Return the parts of a write with this outcome: one for each reservation that the write is about."""
    args, about = write.args, _about(write)
    if "occurrences" not in args:
        return [WritePart(about, args, outcome)]
    occurrences = args["occurrences"]
    _, _, detail = outcome.partition(" ")
    is_of_all = not detail or refusal_of_judge(outcome)
    outcomes = [outcome] * len(occurrences) if is_of_all else detail.split("\t")
    pairs = zip(occurrences, outcomes, strict=True)
    return [WritePart(f"{about}~{one['date']}", {**args, **one}, part) for one, part in pairs]


def not_as_wanted(entry: LogEntry, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    """Yield the conflicts of a write as JSON values with the schema CONFLICT (see answer_schemas.py). Each conflict is
    about one reservation. There is a conflict if the reservation did not get its first choice, or if the write had no
    effect on the reservation. `got` is the slot in the outcome; None if the outcome has no slot."""
    write, op = entry.write, entry.write.op.removesuffix("_series")
    for part in parts_of(write, entry.outcome):
        room = part.args["room"]
        why = no_effect(write.user, op, part.id, room, part.outcome)
        if part.status == "merged" or why:
            slots = decode_slots(part.args.get("slots", ""))
            yield {
                "id": part.id,
                "write": write.id,
                "op": op,
                "user": write.user,
                "accepted_at": write.accepted_at,
                "state": "tentative" if entry.csn is None else "committed",
                "outcome": part.status,
                "why": why,
                "wanted": slot_shown(RoomSlot(room, *slots[0]) if slots else None, zone),
                "got": slot_shown(slot_of(part.outcome), zone),
            }


def outcome_for(write: Write | None, outcome: str, identifier: str) -> str:
    """Return the part of a write's outcome that is about one reservation. `write` is None if the log no longer holds
    the write. Then the whole outcome is returned."""
    if write is None or "occurrences" not in write.args:
        return outcome
    return {part.id: part.outcome for part in parts_of(write, outcome)}.get(identifier, outcome.partition(" ")[0])


def slots_of(write: Write, outcome: str) -> list[RoomSlot]:
    """Return the slots that a write with this outcome gave to reservations."""
    return [slot for part in parts_of(write, outcome) if (slot := slot_of(part.outcome))]


def _described(write: Write, part: WritePart) -> dict[str, Any]:
    op, args = write.op.removesuffix("_series"), part.args
    return {
        "reservation": part.id,
        "room": args["room"],
        "slots": [_times(RoomSlot(args["room"], *slot), _UTC) for slot in decode_slots(args.get("slots", ""))],
        "purpose": args.get("purpose"),
        "owner": args.get("owner"),
        "merge": write.merge,
        "result": slot_shown(slot_of(part.outcome), _UTC),
        "why": no_effect(write.user, op, part.id, args["room"], part.outcome),
    }


def slot_of(outcome: str) -> RoomSlot | None:
    """Return the slot that an outcome gave to a reservation; None if the outcome gave no slot."""
    status, _, detail = outcome.partition(" ")
    return decode_detail(detail) if status in WITH_SLOT else None


def slot_shown(slot: RoomSlot | None, zone: ZoneInfo) -> dict[str, str] | None:
    """Return a slot as a JSON value with the schema ROOM_SLOT (see answer_schemas.py); None if there is no slot."""
    return {"room": slot.room, **_times(slot, zone)} if slot else None


def reason(held: Reservation) -> dict[str, str] | None:
    """Return why a reservation is rejected, or why somebody cancelled it. Return None if the page gives no reason. The
    result has a code and a message. After a cancel, the key `by` has the name of the user who cancelled the
    reservation."""
    if held.reason is None:
        return None
    if held.why:
        by, text = held.why
        return {"code": held.reason, "message": f"Cancelled by {by}: {text}", "by": by}
    return {"code": held.reason, "message": REASONS[held.reason]}


def _made(identifier: str, held: Reservation | Series) -> dict[str, str]:
    """Return the keys of the schema MADE (see answer_schemas.py) with their values for a reservation or series."""
    user, _, request = identifier.partition("/")
    return {"id": identifier, "user": user, "request": request, "owner": owner_of(identifier, held)}


def _times(slot: RoomSlot, zone: ZoneInfo) -> dict[str, str]:
    return {"start": format_minute(slot.start, zone), "end": format_minute(slot.end, zone)}


def _entry(entry: Entry, zone: ZoneInfo) -> dict[str, str]:
    return {
        "id": entry.id,
        "user": entry.user,
        "request": entry.request,
        "owner": entry.owner,
        "purpose": entry.purpose,
        **_times(entry.slot, zone),
    }
