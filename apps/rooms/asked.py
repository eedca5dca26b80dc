"""Compares two requests with the same id, to find out whether both ask for the same.

Only what the client chose is compared. The replica adds values of its configuration, such as the opening hours. These
values may differ when the same request is sent again, later or to another replica.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from apps.rooms.answer_values import slot_shown
from apps.rooms.pages import RoomSlot, decode_slots, encode_slots
from apps.rooms.schema import AnotherRoom, ChangeBody, Merge, NearestFreeTime, SeriesChangeBody
from bayou.errors import Conflict
from bayou.write import Draft, Write

# Name of a value -> the value; None if the client gave none. A name that is missing is not compared.
Asked = Mapping[str, Any]

_OF_THE_MERGE = ("merge", "window_min", "rooms")


def in_write(write: Write | Draft) -> Asked:
    """Return what a write asks for. For a series, `slots` has the slots of the first occurrence, and `from` is the date
    of the first occurrence."""
    args, asked = write.args, dict[str, Any](op=write.op)
    if "occurrences" in args:
        first = min(args["occurrences"], key=lambda occurrence: str(occurrence["date"]))
        args, asked["from"] = {**args, **first}, first["date"]
    if write.op in {"cancel", "cancel_series"}:
        return {**asked, "reason": args.get("reason")}
    if write.op in {"edit", "edit_series"}:
        return {**asked, "purpose": args.get("purpose"), "owner": args.get("owner")}
    if write.op == "extend_series":
        return {"op": write.op, "merge": write.merge, "occurrences": args["occurrences_wanted"]}
    asked["merge"] = write.merge
    asked |= {name: args.get(name) for name in ("room", "slots", "window_min", "rooms")}
    if write.op == "reserve":
        asked |= {"purpose": args["purpose"], "series": args.get("series"), "owner": args.get("owner")}
    if write.op in {"move", "move_series"} and "purpose" in args:
        asked["purpose"] = args["purpose"]
    if write.op == "reserve_series":
        asked |= {"purpose": args["purpose"], "rule": args["rule"], "owner": args.get("owner")}
        closed = args.get("closed", "").split()  # left out by the replica, not by the client
        asked["except"] = " ".join(day for day in args["except"].split() if day not in closed)
    if "zone" in args:
        asked["timezone"] = args["zone"] if args.get("own_zone") else None
    if "occurrences_wanted" in args:
        asked["occurrences"] = args["occurrences_wanted"]
    return asked


def in_page(identifier: str, fields: Mapping[str, str]) -> Asked:
    """Return what a request to make a reservation or a series asked for. `fields` are the fields of the page of this
    reservation or series. Values that the page does not keep are missing in the result."""
    made_for = fields.get("made_for", fields.get("owner"))
    owner = None if made_for == identifier.partition("/")[0] else made_for
    if fields["state"] == "series":
        rule = fields.get("first", fields["rule"])
        return {"op": "reserve_series", "rule": rule, "occurrences": fields["wanted"], "owner": owner}
    room, slots, purpose = fields.get("first", fields["asked"]).split("\t", 2)
    series = fields.get("series")
    return {"op": "reserve", "room": room, "slots": slots, "purpose": purpose, "series": series, "owner": owner}


def by_reserve(draft: Draft, merge: Merge) -> Asked:
    """Return what a request to reserve asks for. `draft` was made from the request, and `merge` is the merge procedure
    of the request."""
    asked = {name: value for name, value in in_write(draft).items() if name not in {*_OF_THE_MERGE, "from"}}
    return {**asked, **_merge(merge)}


def by_change(op: str, body: ChangeBody, first: str | None = None) -> Asked:
    """Return what a request to move or edit a reservation or a series asks for. `first` is the date from which a series
    is to be changed. `first` is None if the request is about all occurrences, or about one reservation."""
    if body.slots is None:
        return {"op": op, "purpose": body.purpose, "owner": body.owner, "from": first}
    slots = encode_slots((slot.start, slot.end) for slot in body.slots)
    asked = {"op": op, "slots": slots, "timezone": body.timezone, **_merge(body.merge)}
    if body.room is not None:
        asked["room"] = body.room
    if body.purpose is not None:
        asked["purpose"] = body.purpose
    if isinstance(body, SeriesChangeBody):
        asked |= {"occurrences": body.occurrences, "from": first}
    return asked


def by_cancel(op: str, reason: str | None, first: str | None = None) -> Asked:
    return {"op": op, "reason": reason, "from": first}


def require_same(wanted: Asked, earlier: Asked, request: str, zone: ZoneInfo) -> None:
    """Raise Conflict if two requests with the id `request` differ. `wanted` is what the new request asks for, and
    `earlier` is what the earlier request asked for."""
    differing = [name for name, value in wanted.items() if name in earlier and not _fits(name, value, earlier[name])]
    if not differing:
        return
    shown, was = {name: value for name, value in earlier.items() if value is not None}, str(earlier["op"])
    if "slots" in shown:
        slots = [slot_shown(RoomSlot(shown["room"], *slot), zone) for slot in decode_slots(shown["slots"])]
        shown["slots"] = slots
        was += " {room} from {start} to {end}".format(**slots[0] or {})
    raise Conflict(
        "request_differs",
        f"An earlier request with the id {request} had different content: {was}. The two requests differ in"
        f" {', '.join(differing)}. The new request has changed nothing. Give each request its own id.",
        request=request,
        differs=differing,
        earlier=shown,
    )


def _merge(merge: Merge) -> Asked:
    """Return what a request says about its merge procedure. A request may ask for `another_room` without naming rooms.
    Then the result has no key `rooms`, so the rooms are not compared."""
    asked: dict[str, Any] = {"merge": merge.name}
    asked["window_min"] = merge.window_min if isinstance(merge, NearestFreeTime) else None
    if not isinstance(merge, AnotherRoom) or merge.rooms:
        asked["rooms"] = merge.rooms if isinstance(merge, AnotherRoom) else None
    return asked


def _fits(name: str, value: Any, earlier: Any) -> bool:
    # The write begins at its first occurrence. This may be after `from`, because earlier ones were cancelled.
    return value is None or value <= earlier if name == "from" else value == earlier
