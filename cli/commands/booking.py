"""What people do with reservations: reserve, status, cancel, move, calendar, rooms. Each returns its exit status."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime, timedelta

from cli.calendar_grid import LEGEND, day_title, line_of, show_grid, show_list
from cli.commands.series import cancel_series, conclude_series, move_series, occurrence_of, repetition_of
from cli.context import Context
from cli.problems import DONE, NOTHING_FREE, Refused, Usage
from cli.rendering import Viewer, show_reservation, show_reservations, show_rooms, slot_of
from cli.rest import Json, Query, new_request, segment
from cli.screen import clean
from cli.times import (
    DAY_WORDS,
    Slot,
    day_bounds,
    parse_iso,
    read_beside,
    read_date,
    read_period,
    read_time,
    show_slot,
    show_zone,
    slot_from,
)


def reserve(context: Context, arguments: Namespace) -> int:
    merge = merge_of(arguments)
    repetition = repetition_of(context, arguments)
    slots = slots_of(context, arguments, None)
    request = arguments.request or new_request()
    _echo(context, f"asks {context.label(context.place.label)} for {clean(arguments.room)}", slots)
    body: Json = {
        "room": arguments.room,
        "slots": [slot.as_json() for slot in slots],
        "purpose": arguments.purpose,
        "merge": merge or "first_free_alternative",
    }
    if arguments.new_room:
        body["new_room"] = True
    if repetition:
        body |= repetition
        context.screen.line(f"  and so on: {clean(repetition['rule'])}")
    try:
        status, answer = context.replica.write("POST", "/reservations", request, body)
    except Refused as problem:
        if days := problem.details.get("occurrences"):
            problem.message += f" Without a place: {', '.join(days)}."
        raise
    if status == 200:
        context.screen.line("This request was taken before; it stands so now:")
    return conclude_series(context, answer) if repetition else _conclude(context, answer)


def move(context: Context, arguments: Namespace) -> int:
    merge = merge_of(arguments)
    path = None if arguments.reach else context.find(arguments.reservation)
    present = context.replica.get(path) if path else occurrence_of(context, arguments)
    slots = slots_of(context, arguments, present)
    room = arguments.room or present["room"]
    more = {"later": " and later ones", "all": " and all of its series"}.get(arguments.reach, "")
    whither = f"{clean(present['id'])}{more} to {clean(room)}"
    _echo(context, f"asks {context.label(context.place.label)} to move {whither}", slots)
    body: Json = {"slots": [slot.as_json() for slot in slots]}
    if arguments.room:
        body["room"] = arguments.room
    if merge:
        body["merge"] = merge
    request = arguments.request or new_request()
    if path is None:
        return move_series(context, arguments, request, body)
    _, answer = context.replica.write("PATCH", path, request, body)
    return _conclude(context, answer)


def cancel(context: Context, arguments: Namespace) -> int:
    request = arguments.request or new_request()
    if arguments.reach:
        return cancel_series(context, arguments, request)
    path = context.find(arguments.reservation)
    _, answer = context.replica.write("DELETE", path, request, None, {"reason": arguments.reason})
    context.screen.json(answer)
    if not context.screen.as_json:
        show_reservation(context.screen, answer, context.zone)
    return DONE


def status(context: Context, arguments: Namespace) -> int:
    screen = context.screen
    if arguments.reservation:
        reservation = context.replica.get(context.find(arguments.reservation))
        screen.json(reservation)
        if not screen.as_json:
            show_reservation(screen, reservation, context.zone)
        return DONE
    reservations = context.own()
    screen.json({"user": context.user, "reservations": reservations})
    if screen.as_json:
        return DONE
    zone, today = context.zone, day_bounds(context.now().astimezone(context.zone).date(), 1, context.zone)
    shown = [one for one in reservations if arguments.all or _current(one, today.start)]
    show_reservations(screen, shown, zone)
    counts = {state: sum(one["state"] == state for one in shown) for state in ("tentative", "committed", "rejected")}
    marks = {state: screen.mark(state) for state in counts}
    parts = [screen.paint(f"{marks[state].text} {n} {state}", marks[state].color) for state, n in counts.items() if n]
    if hidden := len(reservations) - len(shown):
        parts.append(f"{hidden} past or cancelled: status --all")
    summary = ", ".join(parts) or f"{context.user} has no reservation here"
    screen.line(f"{summary}  ({show_zone(zone, context.now())}, at {context.label(context.place.label)})")
    return DONE


def calendar(context: Context, arguments: Namespace) -> int:
    screen = context.screen
    answer = context.rooms()
    zone = context.zone
    first = read_date(arguments.on, zone, context.now())
    bounds = day_bounds(first, arguments.days, zone)
    view = "committed" if arguments.committed else "tentative"
    details = {str(room["name"]): room for room in answer.get("rooms", [])}
    for name in arguments.rooms:
        if name not in details and (name.lower() in DAY_WORDS or (name[:1].isdigit() and name.count("-") == 2)):
            raise Usage(f"There is no room {name!r}. For what is reserved on that day write --on {name}.")
    calendars: dict[str, list[Json]] = {}
    for room in dict.fromkeys(arguments.rooms or details):
        query: Query = {"view": view, "from": bounds.start.isoformat(), "to": bounds.end.isoformat()}
        entries = context.replica.get(f"/rooms/{segment(room)}/calendar", query)["reservations"]
        if entries or arguments.rooms or details[room].get("listed", True):
            calendars[room] = entries
    screen.json(
        {
            "view": view,
            "timezone": str(zone),
            "from": bounds.start.isoformat(),
            "to": bounds.end.isoformat(),
            "rooms": [{"room": room, "reservations": entries} for room, entries in calendars.items()],
        }
    )
    if screen.as_json:
        return DONE
    days = [first + timedelta(days=more) for more in range(arguments.days)]
    viewer = Viewer(screen, context.user, zone)
    where = f"{view} view at {context.label(context.place.label)}, {show_zone(zone, bounds.start)}"
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
    screen.line(where)
    return DONE


def rooms(context: Context, arguments: Namespace) -> int:
    del arguments
    answer = context.rooms()
    context.screen.json(answer)
    show_rooms(context.screen, answer["rooms"], context.zone)
    return DONE


def merge_of(arguments: Namespace) -> str | Json | None:
    """The merge procedure as REST takes it; its options must belong to it."""
    name = arguments.merge
    if arguments.window and name != "nearest_free_time":
        raise Usage("--window goes with --merge nearest_free_time.")
    if arguments.else_rooms and name != "another_room":
        raise Usage("--else-room goes with --merge another_room.")
    if name == "nearest_free_time":
        if not arguments.window:
            raise Usage("--merge nearest_free_time needs --window, such as --window 2h.")
        return {"name": name, "window_min": int(arguments.window.total_seconds()) // 60}
    if name == "another_room":
        if not arguments.else_rooms:
            raise Usage("--merge another_room needs --else-room ROOM, once or more.")
        return {"name": name, "rooms": list(arguments.else_rooms)}
    return str(name) if name else None


def slots_of(context: Context, arguments: Namespace, present: Json | None) -> list[Slot]:
    """The slots asked for, in order of preference; a move without a length keeps the present one."""
    zone, now = context.zone, context.now()
    first = period_of(context, arguments.at, arguments, present)
    slots = [first]
    for words in arguments.others:
        text = " ".join(words)
        span = read_period(text, zone, now, first.start)
        slots.append(span or slot_from(read_beside(text, first.start, zone, now), first.length))
    return slots


def period_of(context: Context, words: list[str], arguments: Namespace, present: Json | None = None) -> Slot:
    """From when to when: a span, or a time with --for or --to, or with the length of `present`."""
    zone, now, text = context.zone, context.now(), " ".join(words)
    if span := read_period(text, zone, now):
        if arguments.length or arguments.to:
            raise Usage(f"{text!r} says already how long: leave out --for and --to.")
        return span
    start = read_time(text, zone, now)
    return slot_from(start, _length_of(context, arguments, start, present))


def _length_of(context: Context, arguments: Namespace, start: datetime, present: Json | None) -> timedelta:
    if arguments.length:
        return timedelta(seconds=arguments.length.total_seconds())
    if arguments.to:
        end = read_beside(" ".join(arguments.to), start, context.zone, context.now())
        length = end.astimezone(UTC) - start.astimezone(UTC)
        if length <= timedelta(0):
            raise Usage(f"--to {' '.join(arguments.to)} is not after the start; an end on a later day needs its date.")
        return length
    if present is None:
        raise Usage("How long? Say --for 1h, or --to 10:30, or write a span such as tomorrow 9-10:30.")
    if not present.get("slot"):
        raise Usage("That reservation has no slot now, so say how long it shall be with --for or --to.")
    return slot_of(present["slot"]).length


def _echo(context: Context, what: str, slots: list[Slot]) -> None:
    """Say what the times were taken to mean, before anything is sent."""
    zone = context.zone
    shown = [show_slot(slot.start, slot.end, zone) for slot in slots]
    day = shown[0][: len("Tue 2026-12-01 ")]
    rest = [text.removeprefix(day) for text in shown[1:]]
    times = ", or ".join([shown[0], *rest])
    context.screen.line(f"{what}: {times}, {show_zone(zone, slots[0].start)}")


def _conclude(context: Context, reservation: Json) -> int:
    context.screen.json(reservation)
    if not context.screen.as_json:
        show_reservation(context.screen, reservation, context.zone)
    return NOTHING_FREE if reservation["state"] == "rejected" else DONE


def _current(reservation: Json, since: datetime) -> bool:
    if reservation["state"] == "cancelled":
        return False
    slots = [reservation["slot"]] if reservation.get("slot") else (reservation.get("asked") or [])
    return not slots or any(parse_iso(slot["end"]) > since for slot in slots)
