"""The command `free`: which rooms are free then, and what to type to have one."""

from __future__ import annotations

import shlex
from argparse import Namespace

from cli.commands.booking import period_of
from cli.context import Context
from cli.problems import DONE, NOTHING_FREE
from cli.rendering import show_rooms
from cli.rest import Query
from cli.screen import clean
from cli.times import show_length, show_slot, show_zone


def free(context: Context, arguments: Namespace) -> int:
    zone, screen = context.zone, context.screen
    slot = period_of(context, arguments.when, arguments)
    features = [name for word in arguments.features for name in word.split(",") if name]
    query: Query = {
        "from": slot.start.isoformat(),
        "to": slot.end.isoformat(),
        "capacity": arguments.capacity,
        "features": ",".join(features) or None,
    }
    answer = context.replica.get("/rooms/free", query)
    screen.json(answer)
    when = f"{show_slot(slot.start, slot.end, zone)} {show_zone(zone, slot.start)}"
    wanted = [f"{arguments.capacity} seats"] if arguments.capacity else []
    what = f" with {', '.join([*wanted, *features])}" if wanted or features else ""
    rooms = answer["rooms"]
    if not rooms:
        screen.line(f"No room{clean(what)} is free {when}, as {context.label(context.place.label)} sees it.")
        return NOTHING_FREE
    screen.line(f"free{clean(what)} {when}, as {context.label(context.place.label)} sees it:")
    if not screen.as_json:
        show_rooms(screen, rooms, zone)
    name = shlex.quote(str(rooms[0]["name"]))
    start = slot.start.astimezone(zone).isoformat(timespec="minutes")
    start = start if slot.start.fold else f"{slot.start.astimezone(zone):%Y-%m-%dT%H:%M}"
    command = f"reserve --room {name} --at {start} --for {show_length(slot.length)}"
    screen.line(f"{screen.paint('to take the first:', 'dark_grey')} {clean(command)}")
    return DONE
