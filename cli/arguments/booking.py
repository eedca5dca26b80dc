"""The arguments of the commands with which people book: what each takes, and its help. This module only parses words.

Times stay text here. Only the building's time zone, which a replica names, gives them a meaning.
"""

from __future__ import annotations

from cli.arguments import values
from cli.arguments.parser import Parser, add_request
from cli.times import DATE_FORMS, LENGTH_FORMS, PERIOD_FORMS

TIMES_HELP = f"""\
times, in the building's time zone:
  2026-12-01T09:00, 2026-12-01 9:00, today 14:00, tomorrow 9:00, friday 9:00
  2026-12-01T09:00+01:00 or 2026-12-01T08:00Z, for a day on which clocks change
spans, instead of a time and --for: {PERIOD_FORMS}
lengths: {LENGTH_FORMS}"""
BESIDE_HELP = "A 10:00 alone, in --or and --to, is on the day of --at."
ID_HELP = "the id, or the beginning of it; USER/ID for another user's"


def add_commands(commands: Parser) -> None:
    _reserve(commands)
    _free(commands)
    _status(commands)
    _calendar(commands)
    _cancel(commands)
    _move(commands)
    _series(commands)
    _history(commands)
    _calendar_files(commands)
    commands.add_command("rooms", "list the rooms: seats, features, location, opening hours", "  rooms\n  rooms --json")


def _reserve(commands: Parser) -> None:
    parser = commands.add_command(
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
    parser.add_argument("--room", required=True, metavar="ROOM", help="the room, by its name in `rooms`")
    _add_slots(parser)
    parser.add_argument("--purpose", default="", metavar="TEXT", help="what it is for, up to 200 characters")
    _add_merge(parser)
    _add_repeat(parser)
    parser.add_argument("--new-room", action="store_true", help="accept a room that was never named before")
    add_request(parser)


def _add_repeat(parser: Parser) -> None:
    group = parser.add_argument_group("a series", "The local time stays the same when clocks change.")
    how, end = group.add_mutually_exclusive_group(), group.add_mutually_exclusive_group()
    parser.add_argument(
        "--repeat",
        group=how,
        type=values.repeat,
        metavar="HOW",
        help=f"{', '.join(values.REPEATS)}; needs --until or --count",
    )
    parser.add_argument(
        "--rule", group=how, metavar="RRULE", help="any other rule of iCalendar, such as 'FREQ=WEEKLY;COUNT=10'"
    )
    parser.add_argument("--until", group=end, metavar="DATE", help=f"the last day: {DATE_FORMS}")
    parser.add_argument(
        "--count", group=end, type=values.number(1, values.COUNT_MAX), metavar="N", help="how many times"
    )
    parser.add_argument(
        "--except",
        group=group,
        dest="exceptions",
        nargs="+",
        action="extend",
        default=[],
        metavar="DATE",
        help="leave out these days",
    )
    parser.add_argument(
        "--all-or-nothing",
        group=group,
        action="store_true",
        help="reserve nothing unless every occurrence finds a slot (default: reserve those that do)",
    )


def _add_slots(parser: Parser) -> None:
    parser.add_argument("--at", nargs="+", required=True, metavar="TIME", help="when it starts, or a span")
    _add_length(parser)
    parser.add_argument(
        "--or",
        dest="others",
        nargs="+",
        action="append",
        default=[],
        metavar="TIME",
        help="another time or span, to try if that is taken (repeatable)",
    )


def _add_length(parser: Parser) -> None:
    group = parser.add_mutually_exclusive_group()
    parser.add_argument("--for", group=group, dest="length", type=values.length, metavar="LENGTH", help="how long")
    parser.add_argument("--to", group=group, nargs="+", metavar="TIME", help="when it ends, instead of --for")


def _add_merge(parser: Parser, default: str = values.MERGES[0]) -> None:
    names = ", ".join(values.MERGES)
    parser.add_argument(
        "--merge", type=values.merge, metavar="NAME", help=f"what to do if it is taken: {names} (default: {default})"
    )
    parser.add_argument(
        "--window", type=values.length, metavar="LENGTH", help="with nearest_free_time: how far it may move"
    )
    parser.add_argument(
        "--else-room",
        dest="else_rooms",
        action="append",
        default=[],
        metavar="ROOM",
        help="with another_room: a room to take instead (repeatable)",
    )


def _add_reach(parser: Parser, verb: str) -> None:
    group = parser.add_mutually_exclusive_group()
    for option, reach, what in (
        ("--and-later", "later", "this and the later occurrences of its series"),
        ("--all", "all", "its whole series"),
    ):
        parser.add_argument(option, group=group, dest="reach", action="store_const", const=reach, help=f"{verb} {what}")


def _free(commands: Parser) -> None:
    parser = commands.add_command(
        "free",
        "find free rooms, the smallest first",
        "  free tomorrow 14:00 --for 90m --capacity 8\n  free friday 9-10:30 --features projector whiteboard\n"
        f"{TIMES_HELP}",
    )
    parser.add_argument("when", nargs="+", metavar="TIME", help="when it starts, or a span")
    _add_length(parser)
    parser.add_argument("--capacity", type=values.number(1, values.COUNT_MAX), metavar="N", help="seats, at least")
    parser.add_argument(
        "--features", nargs="+", action="extend", default=[], metavar="NAME", help="what the room must have, all of it"
    )


def _status(commands: Parser) -> None:
    parser = commands.add_command(
        "status",
        "show your reservations, or one",
        "  status\n  status 8f3a\n  status --all\n  status priyal/8f3a",
    )
    parser.add_argument("reservation", nargs="?", metavar="ID", help=ID_HELP)
    parser.add_argument("--all", action="store_true", help="past and cancelled ones too (--json always lists all)")


def _calendar(commands: Parser) -> None:
    parser = commands.add_command(
        "calendar",
        "show what is reserved, as a grid of rooms and hours or as a list",
        "  calendar\n  calendar --on friday --list\n  calendar 6.12 --on 2026-12-01 --days 7\n"
        f"  calendar 6.12 6.13 --on tomorrow --committed\ndates: {DATE_FORMS}",
    )
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="only these rooms (default: all)")
    parser.add_argument("--on", default="today", metavar="DATE", help="the first day (default: today)")
    parser.add_argument(
        "--days",
        type=values.number(1, values.CALENDAR_DAYS_MAX),
        default=1,
        metavar="N",
        help=f"how many days, 1 to {values.CALENDAR_DAYS_MAX} (default: 1)",
    )
    parser.add_argument("--list", action="store_true", help="a line for each reservation, in time order")
    parser.add_argument("--committed", action="store_true", help="only what is final")


def _cancel(commands: Parser) -> None:
    parser = commands.add_command(
        "cancel",
        "cancel a reservation of yours, or its series",
        "  cancel 8f3a\n  cancel 8f3a~2026-12-08 --and-later\n  cancel 8f3a --all\n"
        "  cancel priyal/8f3a --reason 'the room is being painted'    (as a manager)",
    )
    parser.add_argument("reservation", metavar="ID", help=ID_HELP)
    _add_reach(parser, "cancel")
    parser.add_argument("--reason", metavar="TEXT", help="why; it is kept with the reservation")
    add_request(parser)


def _move(commands: Parser) -> None:
    parser = commands.add_command(
        "move",
        "move a reservation of yours; if nothing is free, it stays where it is",
        "  move 8f3a --at 2026-12-01T14:00\n  move 8f3a --at 2026-12-01T14:00 --or 15:00 --room 6.13\n"
        "  move 8f3a --at tomorrow 9:00 --for 2h\n"
        "  move 8f3a~2026-12-08 --at 2026-12-08 14-15 --and-later\n"
        f"{TIMES_HELP}\n{BESIDE_HELP}\nWithout --for, --to or a span it keeps its length.",
    )
    parser.add_argument("reservation", metavar="ID", help="the id, or the beginning of it")
    _add_slots(parser)
    parser.add_argument("--room", metavar="ROOM", help="to another room (default: the same)")
    _add_reach(parser, "move")
    _add_merge(parser)
    add_request(parser)


def _series(commands: Parser) -> None:
    parser = commands.add_command(
        "series",
        "show your series, or the occurrences of one",
        "  series\n  series 8f3a\n  series priyal/8f3a",
    )
    parser.add_argument("series", nargs="?", metavar="ID", help=ID_HELP)


def _history(commands: Parser) -> None:
    parser = commands.add_command(
        "history",
        "show who did what with a reservation, when and where, and how it moved",
        "  history 8f3a\n  history priyal/8f3a",
    )
    parser.add_argument("reservation", metavar="ID", help=ID_HELP)


def _calendar_files(commands: Parser) -> None:
    take = commands.add_command(
        "import",
        "reserve every event of a calendar file; a second import adds only what is new",
        "  import timetable.ics\n  import timetable.ics --merge nearest_free_time --window 2h\n"
        "  import timetable.ics --part 2/3        every third event, from the second\n"
        "  import weekly.ics --until 2027-06-30   for events that repeat without an end",
    )
    take.add_argument("file", metavar="FILE.ics", help="an iCalendar file; an event's LOCATION is its room")
    take.add_argument("--part", type=values.part, metavar="K/N", help="only every Nth event, from the Kth")
    take.add_argument("--until", metavar="DATE", help=f"the last day of repeating events: {DATE_FORMS}")
    _add_merge(take, "give_up")
    give = commands.add_command(
        "export",
        "write your reservations, or a room's, into a calendar file",
        "  export mine.ics\n  export room.ics --room 6.12\n"
        "The file covers the last month and the next year. `import` of it adds nothing twice.\n"
        "To subscribe instead: http://HOST:PORT/users/NAME/calendar.ics or /rooms/ROOM/calendar.ics",
    )
    give.add_argument("file", metavar="FILE.ics", help="where to write it; a file of that name is replaced")
    which = give.add_mutually_exclusive_group()
    give.add_argument("--room", group=which, metavar="ROOM", help="the reservations of this room")
    give.add_argument("--of", group=which, type=values.name("user name"), metavar="USER", help="those of another user")
