"""The commands with which people book: what each takes, and how its help reads. It reads words, and does nothing.

Times stay text here: only the building's zone, which a replica names, gives them a meaning.
"""

from __future__ import annotations

import argparse
from typing import Any

from cli.arguments import values as word
from cli.arguments.base import add_command, add_request
from cli.arguments.values import CALENDAR_DAYS_MAX, MERGES, REPEATS
from cli.times import DATE_FORMS, LENGTH_FORMS, PERIOD_FORMS

TIMES_HELP = f"""\
times, in the building's zone (what has two meanings is refused):
  2026-12-01T09:00, 2026-12-01 9:00, today 14:00, tomorrow 9:00, friday 9:00
  2026-12-01T09:00+01:00 or 2026-12-01T08:00Z, on days when clocks change
spans, instead of --for: {PERIOD_FORMS}
lengths: {LENGTH_FORMS}"""
BESIDE_HELP = "A 10:00 alone, in --or and --to, is on the day of --at."


def _reserve(commands: Any) -> None:
    parser = add_command(
        commands,
        "reserve",
        "reserve a room, once or as a series",
        "  reserve --room 6.12 --at tomorrow 9-10:30 --purpose weekly\n"
        "  reserve --room 6.12 --at 2026-12-01T09:00 --for 1h --or 10:00 --or 11:00\n"
        "  reserve --room 6.12 --at friday 9:00 --to 10:30\n"
        "  reserve --room 6.12 --at today 14-15 --merge nearest_free_time --window 2h\n"
        "  reserve --room 6.12 --at today 14-15 --merge another_room --else-room 6.13\n"
        "  reserve --room 6.12 --at monday 9-10 --repeat weekly --count 10\n"
        "  reserve --room 6.12 --at monday 9-10 --repeat weekly --until 2027-06-30\n"
        "          --except 2026-12-21 2026-12-28     (all on one line)\n"
        "  reserve --room 6.12 --at monday 9-10 --rule 'FREQ=MONTHLY;BYDAY=1MO;COUNT=6'\n"
        f"{TIMES_HELP}\n{BESIDE_HELP}",
    )
    parser.add_argument("--room", required=True, metavar="ROOM", help="the room, as `rooms` names it")
    _add_slots(parser)
    parser.add_argument("--purpose", default="", metavar="TEXT", help="what for, up to 200 characters")
    _add_merge(parser)
    _add_repeat(parser)
    parser.add_argument("--new-room", action="store_true", help="a room that nobody has named before is meant")
    add_request(parser)


def _add_repeat(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a series", "The local time stays the same when clocks change.")
    how = group.add_mutually_exclusive_group()
    how.add_argument("--repeat", type=word.repeat, metavar="HOW", help=f"{', '.join(REPEATS)}; with --until or --count")
    how.add_argument("--rule", metavar="RRULE", help="any other rule of iCalendar, such as 'FREQ=WEEKLY;COUNT=10'")
    end = group.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="DATE", help=f"its last day: {DATE_FORMS}")
    end.add_argument("--count", type=word.count, metavar="N", help="how many times")
    group.add_argument(
        "--except", dest="exceptions", nargs="+", action="extend", default=[], metavar="DATE", help="not on these days"
    )
    group.add_argument(
        "--all-or-nothing",
        action="store_true",
        help="no occurrence unless every one finds a place (default: those that do)",
    )


def _add_slots(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--at", nargs="+", required=True, metavar="TIME", help="when it starts, or from when to when")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--for", dest="length", type=word.length, metavar="LENGTH", help="how long it lasts")
    group.add_argument("--to", nargs="+", metavar="TIME", help="when it ends, instead of --for")
    parser.add_argument(
        "--or", dest="others", nargs="+", action="append", default=[], metavar="TIME", help="else then (repeatable)"
    )


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--merge", type=word.merge, metavar="NAME", help=f"what to do when it is taken: {', '.join(MERGES)}"
    )
    parser.add_argument("--window", type=word.length, metavar="LENGTH", help="nearest_free_time: how far it may move")
    parser.add_argument(
        "--else-room",
        dest="else_rooms",
        action="append",
        default=[],
        metavar="ROOM",
        help="another_room: a room to take instead (repeatable)",
    )


def _add_reach(parser: argparse.ArgumentParser, what: str) -> None:
    """Of an occurrence of a series: it alone, it and later ones, or all."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--and-later", dest="reach", action="store_const", const="later", help=f"{what} later ones of its series too"
    )
    group.add_argument("--all", dest="reach", action="store_const", const="all", help=f"{what} its whole series")


def _free(commands: Any) -> None:
    parser = add_command(
        commands,
        "free",
        "find a room that is free, the smallest that does first",
        "  free tomorrow 14:00 --for 90m --capacity 8\n  free friday 9-10:30 --features projector whiteboard\n"
        f"{TIMES_HELP}",
    )
    parser.add_argument("when", nargs="+", metavar="TIME", help="when it starts, or from when to when")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--for", dest="length", type=word.length, metavar="LENGTH", help="for how long")
    group.add_argument("--to", nargs="+", metavar="TIME", help="until when, instead of --for")
    parser.add_argument("--capacity", type=word.count, metavar="N", help="seats, at least")
    parser.add_argument(
        "--features", nargs="+", action="extend", default=[], metavar="NAME", help="what it must have, all of them"
    )


def _status(commands: Any) -> None:
    parser = add_command(
        commands,
        "status",
        "show your reservations, or one",
        "  status\n  status 8f3a\n  status --all\n  status priyal/8f3a",
    )
    parser.add_argument(
        "reservation", nargs="?", metavar="ID", help="its id or the beginning of it; USER/ID of another's"
    )
    parser.add_argument("--all", action="store_true", help="past and cancelled ones too (--json always lists all)")


def _calendar(commands: Any) -> None:
    parser = add_command(
        commands,
        "calendar",
        "show what is reserved: rooms and hours of a day as a grid, or a list",
        "  calendar\n  calendar --on friday --list\n  calendar 6.12 --on 2026-12-01 --days 7\n"
        f"  calendar 6.12 6.13 --on tomorrow --committed\ndates: {DATE_FORMS}",
    )
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="default: every room with something in it, or listed")
    parser.add_argument("--on", default="today", metavar="DATE", help="the first day (default: today)")
    parser.add_argument("--days", type=word.days, default=1, metavar="N", help=f"days, 1 to {CALENDAR_DAYS_MAX}")
    parser.add_argument("--list", action="store_true", help="a line for each reservation, in time order")
    parser.add_argument("--committed", action="store_true", help="only what is final")


def _cancel(commands: Any) -> None:
    parser = add_command(
        commands,
        "cancel",
        "cancel a reservation of yours, or of its series",
        "  cancel 8f3a\n  cancel 8f3a~2026-12-08 --and-later\n  cancel 8f3a --all\n"
        "  cancel priyal/8f3a --reason 'the room is being painted'    (a manager)",
    )
    parser.add_argument("reservation", metavar="ID", help="its id or the beginning of it")
    _add_reach(parser, "cancel")
    parser.add_argument("--reason", metavar="TEXT", help="why, kept with it")
    add_request(parser)


def _move(commands: Any) -> None:
    parser = add_command(
        commands,
        "move",
        "move a reservation of yours; it stays where it is if nothing is free",
        "  move 8f3a --at 2026-12-01T14:00\n  move 8f3a --at 2026-12-01T14:00 --or 15:00 --room 6.13\n"
        "  move 8f3a --at tomorrow 9:00 --for 2h\n"
        "  move 8f3a~2026-12-08 --at 2026-12-08 14-15 --and-later\n"
        f"{TIMES_HELP}\n{BESIDE_HELP}\nWithout --for, --to and a span it keeps its length.",
    )
    parser.add_argument("reservation", metavar="ID", help="its id or the beginning of it")
    _add_slots(parser)
    parser.add_argument("--room", metavar="ROOM", help="another room")
    _add_reach(parser, "move")
    _add_merge(parser)
    add_request(parser)


def _series(commands: Any) -> None:
    parser = add_command(
        commands,
        "series",
        "show your series, or the occurrences of one",
        "  series\n  series 8f3a\n  series priyal/8f3a",
    )
    parser.add_argument("series", nargs="?", metavar="ID", help="its id or the beginning of it")


def _history(commands: Any) -> None:
    parser = add_command(
        commands,
        "history",
        "show who did what with a reservation, when and where, and how it moved",
        "  history 8f3a\n  history priyal/8f3a",
    )
    parser.add_argument("reservation", metavar="ID", help="its id or the beginning of it; USER/ID of another's")


def _import(commands: Any) -> None:
    parser = add_command(
        commands,
        "import",
        "reserve every event of a calendar file; again, it makes nothing twice",
        "  import timetable.ics\n  import timetable.ics --merge nearest_free_time --window 2h\n"
        "  import timetable.ics --part 2/3     every third event, from the second\n"
        "  import weekly.ics --until 2027-06-30   for events that repeat without an end",
    )
    parser.add_argument("file", metavar="FILE.ics", help="iCalendar; an event's LOCATION is its room")
    parser.add_argument("--part", type=word.part, metavar="K/N", help="only every Nth event, from the Kth")
    parser.add_argument("--until", metavar="DATE", help=f"the last day of repeating events: {DATE_FORMS}")
    _add_merge(parser)


def _rooms(commands: Any) -> None:
    add_command(commands, "rooms", "list the rooms: seats, features, location, hours", "  rooms\n  rooms --json")


BOOKING = (_reserve, _free, _status, _calendar, _cancel, _move, _series, _history, _import, _rooms)
