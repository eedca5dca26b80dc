"""Following a replica's events as they happen, over lost connections, until the user ends it."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cli.context import Context
from cli.problems import DONE, Problem, Refused, Unreachable
from cli.rendering import show_reservations, slot_of
from cli.rest import Json, Replica, read_json
from cli.screen import brief, clean
from cli.times import show_slot

RECONNECT_WAITS_S = (0.2, 0.5, 1.0, 2.0, *[5.0] * 60)  # then the replica counts as gone: five minutes
SESSION_COUNTS = ("sent", "received", "rolled_back", "replayed")
COLORS = {
    "accepted": "yellow",
    "received": "yellow",
    "moved": "yellow",
    "committed": "green",
    "rejected": "red",
    "revoked": "red",
}


@dataclass(frozen=True)
class Event:
    """A server-sent event. `connected` and `lost` are the client's own, about the stream."""

    name: str
    identity: str = ""
    data: Json = field(default_factory=dict)


def watch(context: Context, arguments: Namespace) -> int:
    path = context.find(arguments.reservation) if arguments.reservation else None
    only = str(context.replica.get(path)["id"]) if path else None
    if not context.screen.as_json:
        context.rooms()  # the zone, before the stream is open
    try:
        for event in follow(context.replica):
            if event.name in {"connected", "reset"}:
                _present(context, event, path)
            if event.name == "lost":
                context.screen.note(f"the connection to {context.place.label} is lost; reconnecting")
            elif event.name != "connected" and (arguments.all or _concerns(event, context.user, only)):
                _show(context, event)
    except KeyboardInterrupt:
        context.screen.line()
    return DONE


def follow(replica: Replica, pause: Callable[[float], None] = time.sleep) -> Iterator[Event]:
    """The events from now on. A lost stream is taken up behind the last event seen; raises where it stays lost."""
    last_id: str | None = None
    waits = iter(RECONNECT_WAITS_S)
    was_open = False
    while True:
        try:
            for event in _events(replica.stream("/events", last_id)):
                if event.name == "connected":
                    waits = iter(RECONNECT_WAITS_S)
                    yield Event("connected", last_id or "", {"again": was_open})
                    was_open = True
                    continue
                last_id = event.identity or last_id
                if event.name:
                    yield event
            problem: Problem = Unreachable("stream_ended", f"{replica.place.label} ended the stream of events.")
        except Unreachable as error:
            problem = error
        except Refused as error:
            if not was_open or error.http_status not in {429, 503}:
                raise
            problem = error
        wait = next(waits, None)
        if not was_open or wait is None:
            raise problem
        if wait == RECONNECT_WAITS_S[0]:
            yield Event("lost", last_id or "")
        pause(wait)


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """Events from the lines of a stream; an id without data still moves the place where to take it up."""
    name, identity, data = "", "", ""
    started = False
    for line in lines:
        if not line:
            if not started:
                started = True
                yield Event("connected")
            elif data or identity:
                yield Event((name or "message") if data else "", identity, read_json(data))
            name, identity, data = "", "", ""
            continue
        field_name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field_name == "event":
            name = value
        elif field_name == "id":
            identity = value
        elif field_name == "data":
            data = f"{data}\n{value}" if data else value


def _present(context: Context, event: Event, path: str | None) -> None:
    """Say where the watch begins or goes on, and how things stand there."""
    screen, label = context.screen, context.place.label
    if event.name == "reset":
        screen.note("events were missed that the replica no longer keeps; this is how things stand now")
    elif event.data.get("again"):
        if event.identity:
            screen.note(f"connected to {label} again, from where it broke off (event {event.identity})")
            return
        screen.note(f"connected to {label} again; what happened meanwhile is not shown, this is how things stand now")
    if screen.as_json:
        return
    if event.name == "connected" and not event.data.get("again"):
        screen.line(f"watching {context.label(label)}, times in {context.zone}; Ctrl-C ends it")
    if path:
        show_reservations(screen, [context.replica.get(path)], context.zone)
    else:
        moving = [one for one in context.own() if one["state"] in {"tentative", "rejected"} and not one.get("final")]
        show_reservations(screen, moving, context.zone)


def _concerns(event: Event, user: str, only: str | None) -> bool:
    if event.name == "reset":
        return True
    reservation = str(event.data.get("reservation", ""))
    return reservation == only if only else reservation.startswith(f"{user}/")


def _show(context: Context, event: Event) -> None:
    screen, data = context.screen, event.data
    screen.json({"event": event.name, "id": event.identity, "data": data})
    if screen.as_json or event.name == "reset":
        return
    clock = screen.paint(f"{context.now().astimezone(context.zone):%H:%M:%S}", "dark_grey")
    if event.name == "link":
        state = screen.paint("up", "green") if data.get("up") else screen.paint("✂ cut", "red")
        text = f"link to {context.label(str(data.get('peer')))} {state}"
    elif event.name == "session":
        failed = f": {clean(data['error'])}" if data.get("error") else ""
        counts = ", ".join(f"{name.replace('_', ' ')} {data[name]}" for name in SESSION_COUNTS if data.get(name))
        text = f"session with {context.label(str(data.get('peer')))} {counts or 'nothing new'}{failed}"
    elif data.get("membership"):
        text = _membership_text(context, event.name, data["membership"])
    else:
        text = _write_text(context, event.name, data)
    screen.line(f"{clock}  {text}")


def _membership_text(context: Context, name: str, told: Json) -> str:
    """`committed: four joined through one`, `accepted: three retired`, `committed: primary is two`."""
    label = context.label(str(told.get("label")))
    words = {
        "create": f"{label} joined through {context.label(str(told.get('through')))}",
        "retire": f"{label} retired",
        "primary": f"primary is {label}",
    }
    return f"{name}: {words.get(str(told['membership']), '')}"


def _write_text(context: Context, name: str, data: Json) -> str:
    """`✓ committed  8f3a  6.12  Tue 2026-12-01 09:00–10:00  CSN 17  from two`."""
    screen = context.screen
    about = data.get("reservation") or f"{data.get('user')}/{data.get('request')}"
    owner, _, request = str(about).rpartition("/")
    before, after = data.get("before"), data.get("after")
    state = {"committed": "committed", "rejected": "rejected", "revoked": "rejected"}.get(name, "tentative")
    cancelled = data.get("op") == "cancel" and not after
    word = f"{name}: cancelled" if cancelled else name
    parts = [
        screen.paint(f"{screen.mark(state).text} {word:<9}", COLORS.get(name)),
        clean(brief(request)) if owner == context.user else f"{clean(owner)}/{clean(brief(request))}",
    ]
    if before and after and before != after:
        parts.append(f"{_place(context, before)} → {screen.paint(_place(context, after), bold=True)}")
    elif after:
        parts.append(_place(context, after))
    elif before and not cancelled:
        parts.append(f"{_place(context, before)} → {screen.paint('no place', 'red')}")
    if name == "revoked":
        parts.append("lost: reserve again" if data.get("outcome") == "lost" else "was final, is tentative again")
    if data.get("csn") is not None:
        parts.append(screen.paint(f"CSN {data['csn']}", "dark_grey"))
    if data.get("from"):
        parts.append(f"from {context.label(str(data['from']))}")
    return "  ".join(parts)


def _place(context: Context, place: Json) -> str:
    """`6.12 Tue 2026-12-01 09:00–10:00`; another application's place as it says it."""
    if "start" not in place:
        return clean(" ".join(str(value) for value in place.values()))
    slot = slot_of({"start": str(place["start"]), "end": str(place["end"])})
    return f"{clean(place['room'])} {show_slot(slot.start, slot.end, context.zone)}"
