"""The command `history`: who did what with a reservation, when and at which replica, and how it moved."""

from __future__ import annotations

from argparse import Namespace

from cli.context import Context
from cli.problems import DONE
from cli.rendering import slot_of
from cli.rest import Json
from cli.screen import Cell, clean
from cli.times import parse_iso, show_slot, show_zone

DONE_WORDS = {"reserve": "reserved", "move": "moved", "cancel": "cancelled"}


def history(context: Context, arguments: Namespace) -> int:
    screen = context.screen
    answer = context.replica.get(f"{context.find(arguments.reservation)}/history")
    screen.json(answer)
    if screen.as_json:
        return DONE
    zone, here = context.zone, context.label(context.place.label)
    screen.line(f"{screen.paint(clean(answer['id']), bold=True)}  ({show_zone(zone, context.now())})")
    rows: list[tuple[Cell | str, ...]] = []
    for one in answer["events"]:
        csn = one.get("csn")
        rows.append(
            (
                screen.mark(str(one["state"])),
                _moment(context, one["accepted_at"]),
                f"{DONE_WORDS.get(one['op'], one['op'])} by {one['user']}",
                "at",
                context.label_cell(str(one["accepted_by"]).partition("~")[0]),
                _became(context, one),
                Cell(f"CSN {csn}" if csn is not None else "not final", "dark_grey"),
            )
        )
    screen.table(rows, cut=5)
    moves = answer.get("moves_seen_here") or []
    if moves:
        screen.line(f"how it moved, as {here} saw it:")
    for one in moves:
        why = f"  for {clean(one['because'])}" if one.get("because") else ""
        screen.line(
            f"  {_moment(context, one['at'])}  {_place(context, one['from'])} → {_place(context, one['to'])}"
            f"{screen.paint(why, 'dark_grey')}"
        )
    kept = answer.get("moves_kept_since")
    if kept and any(parse_iso(one["accepted_at"]) < parse_iso(kept) for one in answer["events"]):
        since = _moment(context, kept)
        screen.line(screen.paint(f"{clean(context.place.label)} has forgotten moves before {since}", "dark_grey"))
    return DONE


def _moment(context: Context, text: str) -> str:
    return f"{parse_iso(text).astimezone(context.zone):%Y-%m-%d %H:%M:%S}"


def _became(context: Context, event: Json) -> str:
    """From where to where a write took it; where it did nothing, its outcome."""
    before, after = event.get("before"), event.get("after")
    if before == after:
        return clean(str(event.get("outcome", "")).partition(" ")[0]) if after is None else _place(context, after)
    if before is None:
        return _place(context, after)
    return f"{_place(context, before)} → {_place(context, after)}"


def _place(context: Context, place: Json | None) -> str:
    """`6.12 Tue 2026-12-01 09:00–10:00`."""
    if place is None:
        return "no place"
    slot = slot_of(place)
    return f"{clean(place['room'])} {show_slot(slot.start, slot.end, context.zone)}"
