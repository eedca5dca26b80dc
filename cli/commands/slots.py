"""Reads the options that say when a reservation should take place, and what to do if that time is taken."""

from __future__ import annotations

from argparse import Namespace
from datetime import UTC, datetime, timedelta

from cli.context import Context
from cli.problems import Usage
from cli.rest import Json
from cli.times import Slot, read_beside, read_date, read_period, read_time, slot_from, slot_of, whole_days


def merge_of(arguments: Namespace) -> str | Json | None:
    """Return the merge procedure in the form that the REST interface expects. Return None without --merge.

    Raise Usage if an option belongs to another merge procedure, or if an option that the procedure needs is missing.
    """
    name = arguments.merge
    if arguments.window and name != "nearest_free_time":
        raise Usage(
            "--window works only with --merge nearest_free_time. Add this merge procedure, or leave out --window."
        )
    if arguments.else_rooms and name != "another_room":
        raise Usage(
            "--else-room works only with --merge another_room. Add this merge procedure, or leave out --else-room."
        )
    if name == "nearest_free_time":
        if not arguments.window:
            raise Usage("--merge nearest_free_time needs --window, such as --window 2h.")
        return {"name": name, "window_min": int(arguments.window.total_seconds()) // 60}
    if name == "another_room":
        if not arguments.else_rooms:
            raise Usage("--merge another_room needs --else-room ROOM, once or more.")
        return {"name": name, "rooms": arguments.else_rooms}
    return str(name) if name else None


def slots_of(context: Context, arguments: Namespace, room: str, current: Json | None) -> list[Slot]:
    """Return the slots that --at and --or ask for. `room` matters only for --all-day.

    If --at has no length, its slot is as long as `current`, the reservation to move. If --or has no length, its slot is
    as long as the slot of --at.
    """
    zone, now = context.zone, context.now()
    if arguments.all_day:
        return _whole_days(context, arguments, room)
    first = slot_asked(context, arguments.at, arguments, current)
    slots = [first]
    for words in arguments.others:
        text = " ".join(words)
        span = read_period(text, zone, now, first.start)
        slots.append(span or slot_from(read_beside(text, first.start, zone, now), first.length))
    return slots


def slot_asked(context: Context, words: list[str], arguments: Namespace, current: Json | None = None) -> Slot:
    """Read the words as a slot. The words are a span, such as `tomorrow 9-10:30`, or only a start.

    If the words are only a start, --for or --to gives the length. Without these options, the slot is as long as the
    reservation `current`.
    """
    zone, now, text = context.zone, context.now(), " ".join(words)
    if span := read_period(text, zone, now):
        if arguments.length or arguments.to:
            raise Usage(
                f"{text!r} already has a start and an end. Leave out {'--for' if arguments.length else '--to'}."
            )
        return span
    start = read_time(text, zone, now)
    return slot_from(start, _length_of(context, arguments, start, current))


def _whole_days(context: Context, arguments: Namespace, room: str) -> list[Slot]:
    """Return the slots of --at and --or as whole days.

    Each slot begins when the room opens on the first day. It ends when the room closes on the last day. For several
    rooms, the slot is the time in which all rooms are open.

    --to gives the last day of the slot of --at. The slots of --or have the same number of days as the slot of --at.
    """
    zone, now = context.zone, context.now()
    if arguments.length:
        raise Usage("--all-day and --for exclude each other. For several days, give the last day with --to.")
    first = read_date(" ".join(arguments.at), zone, now)
    last = read_date(" ".join(arguments.to), zone, now) if arguments.to else first
    if last < first:
        raise Usage(f"--to {last} is before the first day, {first}. Give a later day.")
    known = [one for one in context.rooms()["rooms"] if one["name"] in room.split("+")]
    opens = max((one.get("opens") or "00:00" for one in known), default="00:00")
    closes = min((one.get("closes") or "24:00" for one in known), default="24:00")
    begins = [first, *(read_date(" ".join(words), zone, now) for words in arguments.others)]
    return [whole_days(day, day + (last - first), opens, closes, zone) for day in begins]


def _length_of(context: Context, arguments: Namespace, start: datetime, current: Json | None) -> timedelta:
    if arguments.length:
        return timedelta(seconds=arguments.length.total_seconds())
    if arguments.to:
        end = read_beside(" ".join(arguments.to), start, context.zone, context.now())
        length = end.astimezone(UTC) - start.astimezone(UTC)
        if length <= timedelta(0):
            raise Usage(
                f"--to {' '.join(arguments.to)} is not after the start. For an end on a later day, give its date."
            )
        return length
    if current is None:
        raise Usage("The length is missing. Give --for 1h, or --to 10:30, or a span such as tomorrow 9-10:30.")
    if not current.get("slot"):
        raise Usage(
            "The reservation has no slot now, so it has no length. Give the length with --for, or the end with --to."
        )
    return slot_of(current["slot"]).length
