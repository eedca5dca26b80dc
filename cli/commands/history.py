"""The command `history`. It shows who changed a reservation, when and at which replica, and how the reservation
moved."""

from __future__ import annotations

from argparse import Namespace
from datetime import datetime

from cli.context import Context
from cli.output.reservations import room_and_slot
from cli.output.screen import Cell, Row, clean
from cli.rest import Json
from cli.times import show_zone

PAST_TENSE = {
    "reserve": "reserved",
    "move": "moved",
    "edit": "given another purpose",
    "extend": "added",
    "cancel": "cancelled",
}


def history(context: Context, arguments: Namespace) -> None:
    screen = context.screen
    answer = context.replica.get(f"{context.reservation_path(arguments.reservation)}/history")
    screen.json(answer)
    if screen.as_json:
        return
    screen.line(f"{screen.paint(clean(answer['id']), bold=True)}  ({show_zone(context.zone, context.now())})")
    rows: list[Row] = []
    for one in answer["events"]:
        csn = one.get("csn")
        rows.append(
            (
                screen.mark(str(one["state"])),
                _moment(context, one["accepted_at"]),
                f"{_what(one)} by {one['user']}",
                "at",
                context.label_cell(str(one["accepted_by"]).partition("~")[0]),
                _effect(context, one),
                Cell(f"CSN {csn}" if csn is not None else "not final", "dark_grey"),
            )
        )
    screen.table(rows, cut=5)
    moves = answer.get("moves_seen_here") or []
    if moves:
        screen.line(f"how it moved, as the replica {context.here} saw it:")
    for one in moves:
        why = f"  {_because(context, one['because'])}" if one.get("because") else ""
        before, after = _where(context, one["from"]), _where(context, one["to"])
        screen.line(f"  {_moment(context, one['at'])}  {before} → {after}{screen.paint(why, 'dark_grey')}")
    kept = answer.get("moves_kept_since")
    if kept and any(
        datetime.fromisoformat(one["accepted_at"]) < datetime.fromisoformat(kept) for one in answer["events"]
    ):
        label, since = clean(context.address.label), _moment(context, kept)
        screen.line(screen.paint(f"{label} no longer knows the moves before {since}", "dark_grey"))


def _what(event: Json) -> str:
    """Return what an event did, such as `moved`. If the event has an owner, add the owner, as in `reserved for ann`."""
    done = PAST_TENSE.get(str(event["op"]), str(event["op"]))
    if not event.get("owner"):
        return done
    return f"handed over to {event['owner']}" if event["op"] == "edit" else f"{done} for {event['owner']}"


def _moment(context: Context, text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(context.zone):%Y-%m-%d %H:%M:%S}"


def _effect(context: Context, event: Json) -> str:
    """Return the effect of an event as text, such as the old and the new slot of the reservation.

    For a cancel with a reason, return the old slot and the reason. If the reservation has no slot before and after the
    event, return the outcome of the event.
    """
    before, after = event.get("before"), event.get("after")
    if event.get("reason"):
        return f"{_where(context, before)}: {clean(event['reason'])}"
    if before == after and after is None:
        return clean(str(event.get("outcome", "")).partition(" ")[0])
    if before is None or before == after:
        return _where(context, after)
    return f"{_where(context, before)} → {_where(context, after)}"


def _because(context: Context, cause: Json) -> str:
    """Return why the reservation moved, such as `because ann had asked earlier for 6.12 Tue …`."""
    why = "had asked earlier" if cause["earlier"] else "was first at the primary"
    return f"because {clean(cause['user'])} {why} for {_where(context, cause['got'])}"


def _where(context: Context, result: Json | None) -> str:
    return room_and_slot(result, context.zone) if result else "no slot"
