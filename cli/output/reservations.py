"""Shows reservations and rooms as lines and columns. This module sends no requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from cli.output.screen import Cell, Screen, brief, clean
from cli.rest import Json
from cli.times import show_slot, show_zone, slot_of

NOT_FINAL = "not final: it may still change when replicas meet, until the primary commits it"


@dataclass(frozen=True)
class Viewer:
    """The user who looks at the output, with the screen and the time zone to use."""

    screen: Screen
    user: str
    zone: tzinfo


def when(reservation: Json, zone: tzinfo) -> str:
    """Return the slot of a reservation as text. If the reservation has no slot, return the first choice of slot in
    brackets."""
    if slot := reservation.get("slot"):
        return show_slot(slot_of(slot), zone)
    asked = reservation.get("asked")
    return f"({show_slot(slot_of(asked[0]), zone)})" if asked else "–"


def room_and_slot(result: Json, zone: tzinfo) -> str:
    """Return a room and a slot as text, such as `6.12 Tue 2026-12-01 09:00–10:00`.

    A result without a slot comes from another application. For such a result, return all values with spaces in between.
    """
    if "start" not in result:
        return clean(" ".join(str(value) for value in result.values()))
    return f"{clean(result['room'])} {show_slot(slot_of(result), zone)}"


def where(holders: Sequence[str]) -> str:
    """Return a text that names the holders of a tentative write, such as `at one and two, waiting for the primary`.

    `holders` has the labels of the replicas that are known to hold the write.
    """
    *first, last = map(clean, holders)
    return f"at {', '.join(first)} and {last}, waiting for the primary" if first else f"at {last} only"


def reason_of(reservation: Json) -> str:
    reason = reservation.get("reason")
    return f"{reason.get('message', '')} [{reason.get('code', '')}]" if isinstance(reason, dict) else ""


def is_by_another(reservation: Json) -> bool:
    """Return whether the reservation was cancelled by a manager and not by its owner."""
    by = (reservation.get("reason") or {}).get("by")
    return by is not None and by != reservation["owner"]


def name_of(reservation: Json) -> str:
    """Return the shortened id that the owner of a reservation types in a command. If another user made the reservation,
    return USER/ID."""
    request = brief(str(reservation["request"]))
    return request if reservation["user"] == reservation["owner"] else f"{clean(reservation['user'])}/{request}"


def show_reservation(screen: Screen, reservation: Json, zone: tzinfo) -> None:
    """Show one reservation. The id, the reason for a rejection, and other notes follow on separate lines."""
    slot = reservation.get("slot")
    moment = slot_of(slot).start if slot else None
    parts = [
        screen.state(str(reservation["state"])),
        screen.paint(clean(reservation["room"]), bold=True),
        when(reservation, zone) + (f" {show_zone(zone, moment)}" if moment else ""),
    ]
    if reservation.get("purpose"):
        parts.append(clean(reservation["purpose"]))
    screen.line("  ".join(parts))
    lines = [("id", clean(reservation["id"]))]
    if reservation["owner"] != reservation["user"]:
        lines.append(("owner", clean(reservation["owner"])))
    if shifted := reservation.get("shifted"):
        lines.append(
            (
                "note",
                f"the request was for {show_slot(slot_of(shifted), zone)}; the time zone or its rules have"
                " changed since",
            )
        )
    if reservation.get("reason"):
        lines.append(("why", clean(reason_of(reservation))))
    elif choice := _choice(reservation):
        lines.append(("note", choice))
    if reservation.get("series"):
        lines.append(("series", clean(reservation["series"])))
    if holders := reservation.get("held_by"):
        lines.append(("where", where(holders)))
    if not reservation.get("final", True):
        lines.append(("note", NOT_FINAL))
    screen.details(lines)


def show_reservations(screen: Screen, reservations: Sequence[Json], zone: tzinfo) -> None:
    """Show reservations in columns: mark, id, room, slot, and the purpose or the reason of a rejection."""
    rows = []
    for one in reservations:
        rejected = one["state"] == "rejected" or is_by_another(one)
        spread = f"({where(one['held_by'])})" if one.get("held_by") else ""
        remark = reason_of(one) or f"{one.get('purpose', '')} {spread}".strip()
        rows.append(
            (
                screen.mark(str(one["state"])),
                name_of(one),
                str(one["room"]),
                when(one, zone),
                Cell(remark, "red" if rejected else None),
            )
        )
    screen.table(rows)


def show_rooms(screen: Screen, rooms: Sequence[Json], zone: tzinfo | str) -> None:
    """Show rooms in columns: name, seats, features, location, opening hours, closed days. Leave out empty columns."""
    columns = [
        ("room", [str(room["name"]) for room in rooms]),
        ("seats", [str(room["capacity"]) if room.get("capacity") is not None else "" for room in rooms]),
        ("features", [", ".join(room.get("features") or []) for room in rooms]),
        ("location", [str(room.get("location") or "") for room in rooms]),
        ("open", [_hours(room) for room in rooms]),
        ("closed", [", ".join(room.get("closed") or []) for room in rooms]),
        ("", ["" if room.get("listed", True) else "not in the configuration" for room in rooms]),
    ]
    shown = [(title, cells) for title, cells in columns if title == "room" or any(cells)]
    if len(shown) > 1:
        heading = [title for title, _ in shown]
        screen.table(list(zip(*(cells for _, cells in shown), strict=True)), heading=heading)
    else:
        screen.table([(name,) for name in columns[0][1]])
    screen.line(screen.paint(f"times are in {clean(zone)}", "dark_grey"))


def _hours(room: Json) -> str:
    opens, closes = room.get("opens"), room.get("closes")
    return f"{opens or '00:00'}–{closes or '24:00'}" if opens or closes else ""


def _choice(reservation: Json) -> str:
    """Return a note if the reservation did not get its first choice of slot, else an empty text."""
    slot, asked = reservation.get("slot"), reservation.get("asked") or []
    if not slot or not asked:
        return ""
    held, room = slot_of(slot), reservation.get("room")
    for position, one in enumerate(asked, start=1):
        if slot_of(one) == held and one.get("room", room) == room:
            return f"the earlier choices were taken; this is choice {position}" if position > 1 else ""
    return "the requested slots were taken; the merge procedure found this slot"
