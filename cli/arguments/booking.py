"""The arguments and help texts of the commands for reservations.

The parsed arguments have times as text. The commands read this text later, when a replica has given the building's time
zone.
"""

from __future__ import annotations

from typing import Any

from cli.arguments import values
from cli.arguments.parser import Parser, add_request, add_until_final
from cli.times import DATE_FORMS, LENGTH_FORMS, PERIOD_FORMS

TIMES_HELP = f"""\
times, in the building's time zone:
  2026-12-01T09:00, 2026-12-01 9:00, today 14:00, tomorrow 9:00, friday 9:00
  2026-12-01T09:00+01:00 or 2026-12-01T08:00Z, for a day on which clocks change
spans, instead of a time and --for: {PERIOD_FORMS}
lengths: {LENGTH_FORMS}"""
BESIDE_HELP = "In --or and --to, a time needs no date: 10:00 means 10:00 on the day of --at."
SEVERAL: Any = {"nargs": "+", "action": "extend", "default": []}  # one or more words, and the option may be repeated
ID_HELP = "the id or its beginning; USER/ID for a reservation of another user"


def add_commands(commands: Parser) -> None:
    _reserve(commands)
    _free(commands)
    _status(commands)
    _calendar(commands)
    _cancel(commands)
    _move(commands)
    _edit(commands)
    _extend(commands)
    _series(commands)
    _history(commands)
    _calendar_files(commands)
    commands.add_command("rooms", "list the rooms: seats, features, location, opening hours", "  rooms\n  rooms --json")


def _reserve(commands: Parser) -> None:
    parser = commands.add_command(
        "reserve",
        "reserve a room, once or as a series",
        "  reserve 6.12 tomorrow 9-10:30 --purpose weekly\n"
        "  reserve --room 6.12 --at 2026-12-01T09:00 --for 1h --or 10:00 --or 11:00\n"
        "  reserve --room 6.12 --at friday 9:00 --to 10:30\n"
        "  reserve --room 6.12 --at today 14-15 --merge nearest_free_time --window 2h\n"
        "  reserve --room 6.12 --at today 14-15 --merge another_room --else-room 6.13\n"
        "  reserve 6.12+6.14 friday 9-12          both rooms or none\n"
        "  reserve 6.12 friday --all-day\n  reserve 6.12 2026-12-01 --to 2026-12-03 --all-day\n"
        "  reserve 6.12 monday 9-10 --repeat weekly --count 10\n"
        "  reserve 6.12 monday 9-9:15 --repeat weekdays --until 2027-06-30\n"
        "  reserve 6.12 tomorrow 9-10 --owner priyal     (a manager, for somebody else)\n"
        "  reserve --room 6.12 --at monday 9-10 --repeat weekly --until 2027-06-30\n"
        "          --except 2026-12-21 2026-12-28     (all on one line)\n"
        "  reserve --room 6.12 --at monday 9-10 --rule 'FREQ=MONTHLY;BYDAY=1MO;COUNT=6'\n"
        f"{TIMES_HELP}\n{BESIDE_HELP}",
    )
    what = "the room, as `rooms` names it, and the time; the same as --room and --at"
    parser.add("words", "ROOM TIME", what, nargs="*")
    parser.add("--room", "ROOM", "the room, instead of the first word; 6.12+6.14 for both")
    _add_slots(parser, required=False)
    parser.add("--purpose", "TEXT", "the purpose, up to 200 characters", default="")
    parser.add(
        "--owner",
        "USER",
        "the owner of the reservation (default: you); only for managers",
        type=values.name("user name"),
    )
    _add_merge(parser)
    _add_repeat(parser)
    add_until_final(parser, "; not with a series")
    parser.add_flag("--new-room", "accept a room that neither the configuration nor a reservation names")
    add_request(parser)


def _add_repeat(parser: Parser) -> None:
    group = parser.add_argument_group("a series", "The local time stays the same when clocks change.")
    how, end = group.add_mutually_exclusive_group(), group.add_mutually_exclusive_group()
    parser.add("--repeat", "HOW", f"{', '.join(values.REPEATS)}; needs --until or --count", how, type=values.repeat)
    parser.add("--rule", "RRULE", "a rule of iCalendar instead of --repeat, such as 'FREQ=WEEKLY;COUNT=10'", how)
    parser.add("--until", "DATE", f"the last day: {DATE_FORMS}", end)
    parser.add("--count", "N", "how many times", end, type=values.number(1, values.COUNT_MAX))
    parser.add("--except", "DATE", "leave out these days", group, dest="exceptions", **SEVERAL)
    what = "reserve nothing unless every occurrence finds a slot (default: reserve the occurrences that do)"
    parser.add_flag("--all-or-nothing", what, group)


def _add_slots(parser: Parser, required: bool = True) -> None:
    parser.add("--at", "TIME", "when it starts, or a span", nargs="+", required=required)
    _add_length(parser)
    parser.add_flag("--all-day", "the whole day, or all days up to the date of --to, while the room is open")
    what = "another time or span to try if the first is taken (repeatable)"
    parser.add("--or", "TIME", what, dest="others", nargs="+", action="append", default=[])


def _add_length(parser: Parser) -> None:
    group = parser.add_mutually_exclusive_group()
    parser.add("--for", "LENGTH", "how long", group, dest="length", type=values.length)
    parser.add("--to", "TIME", "when it ends, instead of --for", group, nargs="+")


def _add_merge(parser: Parser, default: str = values.MERGES[0]) -> None:
    what = f"what to do if all these times are taken: {', '.join(values.MERGES)} (default: {default})"
    parser.add("--merge", "NAME", what, type=values.merge)
    parser.add("--window", "LENGTH", "with nearest_free_time: how far the reservation can move", type=values.length)
    what = "with another_room: a room to take instead of one that is taken (repeatable)"
    parser.add("--else-room", "ROOM", what, dest="else_rooms", action="append", default=[])


def _add_reach(parser: Parser, verb: str) -> None:
    group = parser.add_mutually_exclusive_group()
    later = f"{verb} this and the later occurrences of its series"
    parser.add_flag("--and-later", later, group, dest="reach", action="store_const", const="later")
    parser.add_flag("--all", f"{verb} its whole series", group, dest="reach", action="store_const", const="all")


def _free(commands: Parser) -> None:
    parser = commands.add_command(
        "free",
        "find free rooms, the smallest first",
        "  free tomorrow 14:00 --for 90m --capacity 8\n  free friday 9-10:30 --features projector whiteboard\n"
        f"{TIMES_HELP}",
    )
    parser.add("when", "TIME", "when it starts, or a span", nargs="+")
    _add_length(parser)
    parser.add("--capacity", "N", "seats, at least", type=values.number(1, values.COUNT_MAX))
    parser.add("--features", "NAME", "features that the room must have", **SEVERAL)


def _status(commands: Parser) -> None:
    parser = commands.add_command(
        "status",
        "show your reservations and writes of records, or one of them",
        "  status\n  status 8f3a\n  status --all\n  status priyal/8f3a",
    )
    parser.add("identifier", "ID", ID_HELP, nargs="?")
    parser.add_flag("--all", "past and cancelled reservations and final writes too (--json always lists all)")


def _calendar(commands: Parser) -> None:
    parser = commands.add_command(
        "calendar",
        "show what is reserved, as a grid of rooms and hours or as a list",
        "  calendar\n  calendar --on friday --list\n  calendar 6.12 --on 2026-12-01 --days 7\n"
        f"  calendar 6.12 6.13 --on tomorrow --committed\ndates: {DATE_FORMS}",
    )
    parser.add("rooms", "ROOM", "only these rooms (default: all)", nargs="*")
    parser.add("--on", "DATE", "the first day (default: today)", default="today")
    days = values.number(1, values.CALENDAR_DAYS_MAX)
    parser.add("--days", "N", f"how many days, 1 to {values.CALENDAR_DAYS_MAX} (default: 1)", type=days, default=1)
    parser.add_flag("--list", "a line for each reservation, in time order")
    parser.add_flag("--committed", "only what is final")


def _cancel(commands: Parser) -> None:
    parser = commands.add_command(
        "cancel",
        "cancel a reservation of yours, or its series",
        "  cancel 8f3a\n  cancel 8f3a~2026-12-08 --and-later\n  cancel 8f3a --all\n"
        "  cancel priyal/8f3a --reason 'the room is being painted'    (as a manager)",
    )
    parser.add("reservation", "ID", ID_HELP)
    _add_reach(parser, "cancel")
    parser.add("--reason", "TEXT", "the reason, which is stored with the reservation")
    add_request(parser)


def _move(commands: Parser) -> None:
    parser = commands.add_command(
        "move",
        "move a reservation of yours; if no requested slot is free, the reservation keeps its slot",
        "  move 8f3a --at 2026-12-01T14:00\n  move 8f3a --at 2026-12-01T14:00 --or 15:00 --room 6.13\n"
        "  move 8f3a --at tomorrow 9:00 --for 2h\n"
        "  move 8f3a~2026-12-08 --at 2026-12-08 14-15 --and-later     exit status 3: some stay where they were\n"
        f"{TIMES_HELP}\n{BESIDE_HELP}\nWithout --for, --to or a span, the reservation keeps its length.",
    )
    parser.add("reservation", "ID", "the id or its beginning")
    _add_slots(parser)
    parser.add("--room", "ROOM", "the new room, or several: 6.12+6.14 (default: the same room)")
    _add_reach(parser, "move")
    parser.add_flag("--all-or-nothing", "of a series: move nothing unless every occurrence finds a slot")
    _add_merge(parser)
    add_request(parser)


def _edit(commands: Parser) -> None:
    parser = commands.add_command(
        "edit",
        "change the purpose or the owner of a reservation of yours",
        "  edit 8f3a --purpose planning\n  edit 8f3a~2026-12-08 --purpose planning --and-later\n"
        "  edit 8f3a --owner priyal\n  edit vish/8f3a --owner priyal     (a manager)\n"
        "`move` changes the room and the time.",
    )
    parser.add("reservation", "ID", ID_HELP)
    parser.add("--purpose", "TEXT", "what it is for, up to 200 characters")
    parser.add("--owner", "USER", "who owns it from now on", type=values.name("user name"))
    _add_reach(parser, "edit")
    add_request(parser)


def _extend(commands: Parser) -> None:
    parser = commands.add_command(
        "extend",
        "add occurrences to a series of yours, or bring back dates that were left out or cancelled",
        "  extend 8f3a --until 2027-06-30\n  extend 8f3a --dates 2026-12-15 2026-12-22\n"
        "A new occurrence is like the one before it. Exit status 3: some found no slot.",
    )
    parser.add("reservation", "ID", "the id of the series, or the beginning of it")
    group = parser.add_mutually_exclusive_group(required=True)
    parser.add("--until", "DATE", f"the new last day of the series: {DATE_FORMS}", group)
    parser.add("--dates", "DATE", "these days", group, nargs="+")
    parser.add_flag("--all-or-nothing", "add nothing unless every occurrence finds a slot")
    _add_merge(parser)
    add_request(parser)


def _series(commands: Parser) -> None:
    parser = commands.add_command(
        "series", "show your series, or the occurrences of one", "  series\n  series 8f3a\n  series priyal/8f3a"
    )
    parser.add("series", "ID", ID_HELP, nargs="?")


def _history(commands: Parser) -> None:
    parser = commands.add_command(
        "history",
        "show the changes of a reservation: who made each change, when and at which replica",
        "  history 8f3a\n  history priyal/8f3a",
    )
    parser.add("reservation", "ID", ID_HELP)


def _calendar_files(commands: Parser) -> None:
    take = commands.add_command(
        "import",
        "reserve every event of a calendar file, and follow the file when it changes",
        "  import timetable.ics --dry-run         shows what would be added, changed and cancelled\n"
        "  import timetable.ics --merge nearest_free_time --window 2h\n"
        "  import timetable.ics --map 'Room 6.12 (Building A)=6.12'\n"
        "  import timetable.ics --part 2/3        every third event, from the second\n"
        "  import weekly.ics --until 2027-06-30   for events that repeat without an end\n"
        "An event with a higher SEQUENCE than at the last import moves, changes or cancels what that import made. The\n"
        "same file again changes nothing. Events that cannot be read are listed, and the exit status is not 0.",
    )
    take.add("file", "FILE.ics", "an iCalendar file; an event's LOCATION is its room")
    take.add("--part", "K/N", "only every Nth event, from the Kth", type=values.part)
    take.add("--until", "DATE", f"the last day of repeating events: {DATE_FORMS}")
    take.add("--map", "NAME=ROOM", "the room that a LOCATION means (repeatable)", action="append", default=[])
    take.add_flag("--new-rooms", "accept rooms that neither the configuration nor a reservation names")
    take.add_flag("--dry-run", "show what would be done, and send nothing")
    _add_merge(take, "give_up")
    give = commands.add_command(
        "export",
        "write your reservations, or a room's, into a calendar file",
        "  export mine.ics\n  export room.ics --room 6.12\n"
        "The file covers the last month and the next year. If you `import` this file, nothing is added twice.\n"
        "To subscribe instead: http://HOST:PORT/users/NAME/calendar.ics or /rooms/ROOM/calendar.ics",
    )
    give.add("file", "FILE.ics", "where to write it; a file of that name is replaced")
    which = give.add_mutually_exclusive_group()
    give.add("--room", "ROOM", "the reservations of this room", which)
    give.add("--of", "USER", "those of another user", which, type=values.name("user name"))
