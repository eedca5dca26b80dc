"""The command `watch`. It shows a replica's events until the user stops it, and reconnects after a lost connection."""

from __future__ import annotations

import json
import time
from argparse import Namespace
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from cli.context import Context
from cli.output.records import show_writes
from cli.output.reservations import room_and_slot, show_reservations
from cli.output.screen import brief, clean
from cli.problems import Problem, Refused, Unreachable
from cli.rest import Json, Replica

RECONNECT_WAITS_S = (0.2, 0.5, 1.0, 2.0, *[5.0] * 60)  # after these five minutes the replica counts as gone
SESSION_COUNTS = ("sent", "received", "rolled_back", "replayed")
STATES = {"committed": "committed", "rejected": "rejected", "revoked": "rejected"}


@dataclass(frozen=True)
class Event:
    """An event of `watch`. Most events come from the replica. The client adds two events about the connection:
    `connected` and `lost`."""

    name: str
    identity: str = ""
    data: Json = field(default_factory=dict)


def watch(context: Context, arguments: Namespace) -> None:
    path = context.path_of(arguments.identifier) if arguments.identifier else None
    only = _name_of(context.replica.get(path)) if path else None
    others = set[str]()  # what others made for the user, or handed over to them
    if not context.screen.as_json:
        context.rooms()  # for the time zone, before the stream is open
    try:
        for event in _follow(context.replica):
            if event.name in {"connected", "reset"}:
                _show_current(context, event, path)
                if not only and not arguments.all:
                    others |= {_whole(one["id"]) for one in context.reservations() if one["user"] != context.user}
            if event.data.get("owner") == context.user:
                others.add(_whole(_name_of(event.data)))
            if event.name == "lost":
                context.screen.note(f"the connection to {context.address.label} is lost; reconnecting")
            elif event.name != "connected" and (arguments.all or _concerns(event, context.user, only, others)):
                _show(context, event)
    except KeyboardInterrupt:
        context.screen.line()


def _follow(replica: Replica) -> Iterator[Event]:
    """Yield the replica's events from now on.

    After a lost connection, the stream continues after the last event. Raise Problem if the connection stays lost.
    """
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
            message = f"{replica.address.label} ended the stream of events. Start `watch` again."
            problem: Problem = Unreachable("stream_ended", message)
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
        time.sleep(wait)


def _events(lines: Iterator[str]) -> Iterator[Event]:
    """Parse the lines of an event stream, and yield its events.

    If a block of lines has an id but no data, yield an event without a name. The caller does not show this event, but
    uses the id: after a lost connection, the stream can continue from this id.
    """
    next(lines)  # the stream is open
    yield Event("connected")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in fields:
            fields["data"] += f"\n{value}"
        elif name:
            fields[name] = value
        elif not line:
            if "data" in fields:
                yield Event(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
            elif "id" in fields:
                yield Event("", fields["id"])
            fields = {}


def _show_current(context: Context, event: Event, path: str | None) -> None:
    """Say whether the watch starts or continues, and show the reservations as they are now."""
    screen, label = context.screen, context.address.label
    if event.name == "reset":
        screen.note("some events are lost, because the replica no longer keeps them; this is the current state")
    elif event.data.get("again"):
        if event.identity:
            screen.note(f"connected to {label} again, continuing after event {event.identity}")
            return
        screen.note(f"connected to {label} again; what happened meanwhile is not shown, this is the current state")
    if screen.as_json:
        return
    if event.name == "connected" and not event.data.get("again"):
        screen.line(f"watching {context.here}, times in {context.zone}; Ctrl-C ends it")
    if path:
        shown = [context.replica.get(path)]
    else:
        moving = {"tentative", "rejected"}
        shown = [one for one in context.reservations() if one["state"] in moving and not one.get("final")]
        shown += [one for one in context.writes() if one["state"] == "tentative"]
    show_reservations(screen, [one for one in shown if "room" in one], context.zone)
    show_writes(screen, [one for one in shown if "room" not in one])


def _concerns(event: Event, user: str, only: str | None, others: Collection[str]) -> bool:
    """Return whether to show an event to the user. The event `reset` is always shown.

    `only` is the id of a reservation or write. With `only`, show the events of this reservation or write. Without
    `only`, show the events of everything that the user made, did or owns.

    `others` has the ids of reservations that other users made, and that the user has owned during this watch. For an
    occurrence, `others` has the id of the series.
    """
    if event.name == "reset":
        return True
    name = _name_of(event.data)
    if only:
        return name == only
    return name.startswith(f"{user}/") or event.data.get("user") == user or _whole(name) in others


def _whole(name: str) -> str:
    """If `name` is the id of an occurrence, return the id of its series. Otherwise, return `name` unchanged."""
    return name.partition("~")[0]


def _name_of(data: Json) -> str:
    """Return USER/REQUEST of the reservation or write that an event or an answer is about."""
    return str(data.get("reservation") or f"{data.get('user') or ''}/{data.get('request') or ''}")


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
    elif event.name == "pace":
        text = f"{data.get('pace')} pace"
    elif event.name == "replay":
        text = "\n".join(_replay_texts(context, data))
    elif data.get("membership"):
        text = _membership_text(context, event.name, data["membership"])
    else:
        text = _write_text(context, event.name, data)
    screen.line(f"{clock}  {text}")


def _replay_texts(context: Context, data: Json) -> Iterator[str]:
    """Yield the lines of a replay.

    The first line says how many writes were undone, and how many were played again. A line for each undone write
    follows, and then a line for each write that was played again. The replica may leave out some of these writes. Then
    the last line says how many.
    """
    source = f" with writes from {context.label(str(data['from']))}" if data.get("from") else ""
    yield f"replay{source}: {data['rolled_back']} undone, {data['replayed']} played again"
    for sign, step in [*(("↶", step) for step in data["undone"]), *(("↷", step) for step in data["played_again"])]:
        who = clean(f"{step['user']}’s {step['what']}" if step.get("user") else step.get("what") or step["write"])
        before, after = (
            room_and_slot(step[end], context.zone) if step.get(end) else "nothing" for end in ("before", "after")
        )
        change = before if sign == "↶" else f"{before}, as before" if before == after else f"{before} → {after}"
        yield f"          {sign} {who}  {change}"
    if data["left_out"]:
        yield f"          … and {data['left_out']} later ones"


def _membership_text(context: Context, name: str, change: Json) -> str:
    """Return the text of a membership event, such as `committed: four joined through one`. Here, `four` and `one` are
    labels."""
    label = context.label(str(change.get("label")))
    texts = {
        "create": f"{label} joined through {context.label(str(change.get('through')))}",
        "retire": f"{label} retired",
        "return": f"{label}, which was forgotten, is back",
        "forget": f"{label} was forgotten by {context.label(str(change.get('by')))}",
        "primary": f"primary is {label}",
    }
    return f"{name}: {texts.get(str(change['membership']), '')}"


def _write_text(context: Context, name: str, data: Json) -> str:
    """Return the line that shows an event of a write, such as
    `✓ committed  8f3a  6.12  Tue 2026-12-01 09:00–10:00  CSN 17  from two`."""
    screen, zone = context.screen, context.zone
    owner, _, request = _name_of(data).rpartition("/")
    before, after = (room_and_slot(data[end], zone) if data.get(end) else None for end in ("before", "after"))
    why, outcome = data.get("why"), str(data.get("outcome"))
    cancelled = data.get("op") == "cancel" and not after and not why
    what = (
        f"{name}: cancelled"
        if cancelled
        else "no effect"
        if name == "rejected" and why and outcome != "rejected"
        else name
    )
    mark = screen.mark("rejected" if why else STATES.get(name, "tentative"))
    parts = [
        screen.paint(f"{mark.text} {what:<9}", mark.color),
        clean(brief(request)) if owner == context.user else f"{clean(owner)}/{clean(brief(request))}",
    ]
    if before and not (after or cancelled):
        nothing = "no slot" if "start" in data["before"] else "nothing"
        parts.append(f"{before} → {screen.paint(nothing, 'red')}")
    elif before and after and before != after:
        parts.append(f"{before} → {screen.paint(after, bold=True)}")
    elif after:
        parts.append(after)
    if data.get("owner"):
        parts.append(f"for {clean(data['owner'])}")
    if why:
        parts.append(screen.paint(clean(why), "red"))
    if name == "revoked":
        parts.append("lost: reserve again" if data.get("outcome") == "lost" else "was final, is tentative again")
    if data.get("csn") is not None:
        parts.append(screen.paint(f"CSN {data['csn']}", "dark_grey"))
    if data.get("from"):
        parts.append(f"from {context.label(str(data['from']))}")
    return "  ".join(parts)
