"""The commands for reservations: reserve, move, cancel, status, free and rooms."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from cli.commands.series import occurrence_of, repetition_of, show_series, target_of
from cli.commands.slots import merge_of, slot_asked, slots_of
from cli.commands.until_final import awaited
from cli.context import Context
from cli.output.records import show_write, show_writes, state_of
from cli.output.reservations import is_by_another, show_reservation, show_reservations, show_rooms
from cli.output.screen import STATES, Screen, clean
from cli.problems import DONE, NOTHING_FREE, Refused, Usage
from cli.rest import Json, Query, new_request, segment
from cli.times import Slot, day_bounds, read_date, show_length, show_slot, show_zone, slot_of

LOOKED_UP_MAX = 20  # reservations of a list for which `status` asks where they are
REJECTED = {"rejected", "forbidden"}  # outcomes of a new reservation that is shown as rejected


def reserve(context: Context, arguments: Namespace) -> int:
    _take_words(arguments)
    merge = merge_of(arguments)
    repetition = repetition_of(context, arguments)
    slots = slots_of(context, arguments, arguments.room, None)
    request = arguments.request or new_request()
    _echo(context, f"asks {context.here} for {clean(arguments.room)}", slots)
    body: Json = {
        "room": arguments.room,
        "slots": [slot.as_json() for slot in slots],
        "purpose": arguments.purpose,
        "merge": merge or "first_free_alternative",
    }
    if arguments.owner:
        body["owner"] = arguments.owner
    if arguments.new_room:
        body["new_room"] = True
    if repetition:
        body |= repetition
        context.screen.line(f"  and so on: {clean(repetition['rule'])}")
    with _naming_days():
        status, answer = context.replica.write("POST", "/reservations", request, body)
    if status == 200:
        context.screen.line("The replica has this request already. This is its reservation now:")
    if repetition:
        return show_series(context, answer)
    if arguments.until_final:
        answer = awaited(context, answer, _path_of(answer), arguments.until_final, _is_tentative)
    return _conclude(context, answer)


def move(context: Context, arguments: Namespace) -> int:
    merge = merge_of(arguments)
    path, query = target_of(context, arguments)
    current = occurrence_of(context, arguments) if arguments.reach else context.replica.get(path)
    room = arguments.room or current["room"]
    slots = slots_of(context, arguments, room, current)
    more = {"later": " and later ones", "all": " and all of its series"}.get(arguments.reach, "")
    _echo(context, f"asks {context.here} to move {clean(current['id'])}{more} to {clean(room)}", slots)
    body: Json = {"slots": [slot.as_json() for slot in slots]}
    if arguments.all_or_nothing:
        if not arguments.reach:
            raise Usage("--all-or-nothing is for a series. Add --all or --and-later, or leave out --all-or-nothing.")
        body["occurrences"] = "all_or_nothing"
    if arguments.room:
        body["room"] = arguments.room
    if merge:
        body["merge"] = merge
    with _naming_days():
        _, answer = context.replica.write("PATCH", path, arguments.request or new_request(), body, query)
    if not arguments.reach:
        return _conclude(context, answer)
    show_series(context, answer)
    stayed = answer["unmoved"] or []
    if stayed:
        verb = "stays where it was" if len(stayed) == 1 else "stay where they were"
        context.screen.line(
            f"{', '.join(map(clean, stayed))} {verb}, because no slot that you asked for is free."
            " With --all-or-nothing, either all occurrences move or none moves."
        )
    return NOTHING_FREE if stayed else DONE


def extend(context: Context, arguments: Namespace) -> int:
    zone, now = context.zone, context.now()
    body: Json = {"occurrences": "all_or_nothing" if arguments.all_or_nothing else "best_effort"}
    if merge := merge_of(arguments):
        body["merge"] = merge
    if arguments.until:
        body["until"] = read_date(arguments.until, zone, now).isoformat()
    else:
        body["dates"] = [read_date(text, zone, now).isoformat() for text in arguments.dates]
    path = f"{context.series_path(arguments.reservation)}/occurrences"
    with _naming_days():
        _, answer = context.replica.write("POST", path, arguments.request or new_request(), body)
    show_series(context, answer)
    if missed := answer["unmoved"]:
        days = ", ".join(map(clean, missed))
        context.screen.line(f"These days have no free slot for the series: {days}.")
    return NOTHING_FREE if missed else DONE


def edit(context: Context, arguments: Namespace) -> int:
    changes: Json = {"purpose": arguments.purpose, "owner": arguments.owner}
    body = {name: value for name, value in changes.items() if value is not None}
    if not body:
        raise Usage("No change was given. Add --purpose TEXT, or --owner USER to hand the reservation over.")
    path, query = target_of(context, arguments)
    _, answer = context.replica.write("PATCH", path, arguments.request or new_request(), body, query)
    (show_series if arguments.reach else _conclude)(context, answer)
    return DONE


def cancel(context: Context, arguments: Namespace) -> int:
    path, query = target_of(context, arguments)
    query["reason"] = arguments.reason
    _, answer = context.replica.write("DELETE", path, arguments.request or new_request(), None, query)
    (show_series if arguments.reach else _conclude)(context, answer)
    return DONE


def status(context: Context, arguments: Namespace) -> None:
    screen = context.screen
    if arguments.identifier:
        answer = context.replica.get(context.path_of(arguments.identifier))
        if "room" in answer:
            _conclude(context, answer)
        else:
            screen.json(answer)
            show_write(screen, answer)
        return
    reservations, writes = context.reservations(), context.writes()
    lost = [
        one
        for one in context.replica.get("/conflicts", {"user": context.user})["conflicts"]
        if one["why"] and (one["op"] != "reserve" or one["outcome"] not in REJECTED)
    ]
    screen.json({"user": context.user, "reservations": reservations, "writes": writes, "without_effect": lost})
    if screen.as_json:
        return
    zone = context.zone
    today = day_bounds(context.now().astimezone(zone).date(), 1, zone)
    shown = [one for one in reservations if arguments.all or _is_current(one, today.start)]
    looked_up = [_with_holders(context, one) for one in shown[:LOOKED_UP_MAX]]
    show_reservations(screen, looked_up + shown[LOOKED_UP_MAX:], zone)
    _show_lost(screen, [one for one in lost if arguments.all or _is_open(one, today.start)])
    shown_writes = [one for one in writes if arguments.all or state_of(one) != "committed"]
    show_writes(screen, shown_writes)
    states = Counter([*(one["state"] for one in shown), *map(state_of, shown_writes)])
    parts = [screen.state(state, states[state]) for state in (*STATES, "failed") if states[state]]
    if hidden := len(reservations) - len(shown):
        parts.append(f"{hidden} past or cancelled: status --all")
    if hidden := len(writes) - len(shown_writes):
        parts.append(f"{hidden} final {'write' if hidden == 1 else 'writes'} of records: status --all")
    summary = ", ".join(parts) or f"{context.user} has no reservation here"
    screen.line(f"{summary}  ({show_zone(zone, context.now())}, at {context.here})")


def free(context: Context, arguments: Namespace) -> int:
    zone, screen = context.zone, context.screen
    slot = slot_asked(context, arguments.when, arguments)
    features = [name for word in arguments.features for name in word.split(",") if name]
    query: Query = {
        "from": slot.start.isoformat(),
        "to": slot.end.isoformat(),
        "capacity": arguments.capacity,
        "features": ",".join(features) or None,
    }
    answer = context.replica.get("/rooms/free", query)
    screen.json(answer)
    when = f"{show_slot(slot, zone)} {show_zone(zone, slot.start)}"
    wanted = [f"{arguments.capacity} seats"] if arguments.capacity else []
    what = f" with {', '.join([*wanted, *features])}" if wanted or features else ""
    found = answer["rooms"]
    if not found:
        screen.line(f"At {context.here}, no room{clean(what)} is free {when}.")
        return NOTHING_FREE
    screen.line(f"free{clean(what)} {when}, as the replica {context.here} sees it:")
    if not screen.as_json:
        show_rooms(screen, found, zone)
    start = slot.start.astimezone(zone).isoformat(timespec="minutes")
    start = start if slot.start.fold else f"{slot.start.astimezone(zone):%Y-%m-%dT%H:%M}"
    command = f"reserve --room {shlex.quote(str(found[0]['name']))} --at {start} --for {show_length(slot.length)}"
    screen.line(f"{screen.paint('to take the first:', 'dark_grey')} {clean(command)}")
    return DONE


def rooms(context: Context, _arguments: Namespace) -> None:
    answer = context.rooms()
    context.screen.json(answer)
    show_rooms(context.screen, answer["rooms"], context.zone)


@contextmanager
def _naming_days() -> Iterator[None]:
    """If the replica refuses a series in the `with` block, add the days without a free slot to the error message."""
    try:
        yield
    except Refused as problem:
        if days := problem.details.get("occurrences"):
            problem.message += f" These days have no free slot: {', '.join(days)}."
        raise


def _take_words(arguments: Namespace) -> None:
    """Set the room and the time from the words of the command. Keep a room or a time that an option has set.

    Raise Usage if the room or the time is missing, or if the command has too many words.
    """
    words = list(arguments.words)
    if arguments.room is None and words:
        arguments.room = words.pop(0)
    if arguments.at is None and words:
        arguments.at, words = words, []
    if words:
        raise Usage(f"The room and the time are already given. Leave out {' '.join(words)!r}.")
    if arguments.room is None or arguments.at is None:
        missing = "room" if arguments.room is None else "time"
        raise Usage(f"The {missing} is missing. Write the room and then the time, as in: reserve 6.12 tomorrow 9-10.")


def _echo(context: Context, what: str, slots: list[Slot]) -> None:
    """Show the times that the client understood, before the client sends the request."""
    zone = context.zone
    shown = [show_slot(slot, zone) for slot in slots]
    day = shown[0][: len("Tue 2026-12-01 ")]
    times = ", or ".join([shown[0], *(text.removeprefix(day) for text in shown[1:])])
    context.screen.line(f"{what}: {times}, {show_zone(zone, slots[0].start)}")


def _show_lost(screen: Screen, conflicts: list[Json]) -> None:
    """Show accepted requests that had no effect. Conflicts of one write with the same outcome share a line."""
    texts = dict.fromkeys((one["write"], one["outcome"]) for one in conflicts)
    for write, outcome in texts:
        first, *others = [one["why"] for one in conflicts if (one["write"], one["outcome"]) == (write, outcome)]
        more = f" The same is true of {len(others)} more of the series." if others else ""
        mark = screen.mark("rejected")
        screen.line(screen.paint(f"{mark.text} {clean(first + more)}", mark.color))


def _is_open(conflict: Json, since: datetime) -> bool:
    slots = [slot for slot in (conflict["wanted"], conflict["got"]) if slot]
    return not slots or any(slot_of(slot).end > since for slot in slots)


def _with_holders(context: Context, reservation: Json) -> Json:
    """Return the reservation. If it is tentative, ask the replica for it again, and return the answer. The answer names
    the replicas that are known to hold the reservation."""
    return context.replica.get(_path_of(reservation)) if reservation["state"] == "tentative" else reservation


def _path_of(reservation: Json) -> str:
    return f"/reservations/{segment(reservation['user'])}/{segment(reservation['request'])}"


def _is_tentative(reservation: Json) -> bool:
    return bool(reservation["state"] == "tentative")


def _conclude(context: Context, reservation: Json) -> int:
    context.screen.json(reservation)
    if not context.screen.as_json:
        show_reservation(context.screen, reservation, context.zone)
    return NOTHING_FREE if reservation["state"] == "rejected" else DONE


def _is_current(reservation: Json, since: datetime) -> bool:
    if reservation["state"] == "cancelled" and not is_by_another(reservation):
        return False
    slots = [reservation["slot"]] if reservation.get("slot") else (reservation.get("asked") or [])
    return not slots or any(slot_of(slot).end > since for slot in slots)
