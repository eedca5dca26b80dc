"""The command `calendar`. It shows the reservations of rooms on some days, as a grid or as a list."""

from __future__ import annotations

from argparse import Namespace
from datetime import timedelta

from cli.context import Context
from cli.output.calendar_grid import LEGEND, day_title, line_of, show_grid, show_list
from cli.output.reservations import Viewer
from cli.problems import Usage
from cli.rest import Json, Query, segment
from cli.times import DAY_WORDS, day_bounds, read_date, show_zone


def calendar(context: Context, arguments: Namespace) -> None:
    screen = context.screen
    answer = context.rooms()
    zone = context.zone
    first = read_date(arguments.on, zone, context.now())
    bounds = day_bounds(first, arguments.days, zone)
    view = "committed" if arguments.committed else "tentative"
    period = {"view": view, "from": bounds.start.isoformat(), "to": bounds.end.isoformat()}
    details = {str(room["name"]): room for room in answer.get("rooms", [])}
    for name in arguments.rooms:
        if name not in details and (name.lower() in DAY_WORDS or (name[:1].isdigit() and name.count("-") == 2)):
            raise Usage(f"No room has the name {name!r}. If you mean the day, write --on {name}.")
    calendars: dict[str, list[Json]] = {}
    for room in dict.fromkeys(arguments.rooms or details):
        query: Query = {**period}
        entries = context.replica.get(f"/rooms/{segment(room)}/calendar", query)["reservations"]
        if entries or arguments.rooms or details[room].get("listed", True):
            calendars[room] = entries
    rooms = [{"room": room, "reservations": entries} for room, entries in calendars.items()]
    screen.json({**period, "timezone": str(zone), "rooms": rooms})
    if screen.as_json:
        return
    days = [first + timedelta(days=more) for more in range(arguments.days)]
    viewer = Viewer(screen, context.user, zone)
    if arguments.list:
        show_list(viewer, days, calendars)
    elif not calendars:
        screen.line("There is no room yet.")
    elif len(calendars) == 1 and len(days) > 1:
        room, entries = next(iter(calendars.items()))
        known = details.get(room, {})
        show_grid(viewer, room, [line_of(f"{day:%a %d %b}", day, viewer, entries, known) for day in days])
    else:
        for day in days:
            lines = [line_of(room, day, viewer, taken, details.get(room, {})) for room, taken in calendars.items()]
            show_grid(viewer, day_title(day), lines)
            screen.line()
    if not arguments.list and calendars:
        screen.line(screen.paint(LEGEND, "dark_grey"))
    screen.line(f"{view} view at {context.here}, {show_zone(zone, bounds.start)}")
