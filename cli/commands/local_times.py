"""The command `admin check-times`. It shows reservations whose local time is not the time that the user asked for. It
can also move these reservations to the times that the users asked for."""

from __future__ import annotations

from argparse import Namespace

from cli.context import Context
from cli.output.screen import clean
from cli.problems import DONE, NOTHING_FREE
from cli.rest import Json
from cli.times import show_slot, show_zone, slot_of


def check_times(context: Context, arguments: Namespace) -> int:
    return _move_back(context) if arguments.move_back else _list(context)


def _list(context: Context) -> int:
    screen = context.screen
    answer = context.replica.get_all("/local-times", "reservations")
    del answer["next"]
    screen.json(answer)
    found = answer["reservations"]
    for one in found:
        screen.line(_line(context, one))
    count = _count(len(found))
    if found:
        screen.line(f"{count} with a local time that was not requested  ({show_zone(context.zone, context.now())})")
        screen.line("to move them to the requested times: admin check-times --move-back")
    else:
        screen.line(f"At {context.here}, every reservation has the local time that its user asked for.")
    return DONE


def _move_back(context: Context) -> int:
    screen, moved = context.screen, []
    while True:  # one that moves may make room for another one
        answer = context.replica.act("POST", "/local-times/move-back", {})
        moved += answer["moved"]
        if not answer["moved"]:
            break
    stay = answer["not_moved"]
    screen.json({"moved": moved, "not_moved": stay})
    for one in moved:
        screen.line(f"moved back: {_line(context, one)}")
    for one in stay:
        screen.line(f"stays: {_line(context, one)}\n  {clean(one['error']['message'])}")
    screen.line(f"{_count(len(moved))} moved back, {len(stay)} could not be moved")
    return NOTHING_FREE if stay else DONE


def _line(context: Context, one: Json) -> str:
    asked, zone = one["shifted"], context.zone
    said_in = f" in {clean(asked['timezone'])}" if asked["timezone"] != zone.key else ""
    text = f"{clean(one['id'])}  {clean(one['room'])}: now {show_slot(slot_of(one['slot']), zone)},"
    text += f" but the request was for {show_slot(slot_of(asked), zone)}{said_in}"
    overlaps = [clean(other) for other in asked["overlaps"]]
    return f"{text}; that slot overlaps {', '.join(overlaps)}" if overlaps else text


def _count(number: int) -> str:
    return f"{number} reservation{'' if number == 1 else 's'}"
