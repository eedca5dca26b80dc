"""The commands for relations of records: define, drop, relations, write, read and conflicts."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from cli.commands.until_final import awaited
from cli.context import Context
from cli.output.records import change_text, is_done, obstacle_text, show_write
from cli.output.reservations import room_and_slot
from cli.output.screen import Row, Screen, clean
from cli.problems import DONE, NOTHING_FREE, Refused, Usage
from cli.rest import Json, Query, new_request, segment
from cli.times import day_bounds, read_date


def define(context: Context, arguments: Namespace) -> None:
    request = arguments.request or new_request()
    status, relation = context.replica.write("POST", "/relations", request, _document(arguments.file))
    context.screen.json(relation)
    _show_relation(context.screen, relation)
    if status == 200:
        context.screen.line("It was defined before.")


def drop(context: Context, arguments: Namespace) -> None:
    path = f"/relations/{segment(arguments.relation)}"
    _, dropped = context.replica.write("DELETE", path, arguments.request or new_request())
    context.screen.json(dropped)
    context.screen.line(f"dropped {clean(dropped['relation'])}")


def relations(context: Context, _arguments: Namespace) -> None:
    found = context.replica.get_all("/relations", "relations")["relations"]
    context.screen.json({"relations": found})
    for relation in found:
        _show_relation(context.screen, relation)
    if not found:
        context.screen.line("No relation is defined yet. Define a relation with `define FILE`.")


def write(context: Context, arguments: Namespace) -> int:
    body = _document(arguments.file)
    if arguments.parameters:
        body["parameters"] = {**(body.get("parameters") or {}), **dict(map(_parameter, arguments.parameters))}
    screen, request = context.screen, arguments.request or new_request()
    try:
        status, answer = context.replica.write("POST", "/records", request, body)
    except Refused as problem:
        if problem.code == "conflict":
            for one in problem.details.get("in_the_way", ()):
                screen.note(obstacle_text(one))
        raise
    if status == 200:
        screen.line("The replica has this request already. This is what it did:")
    written = {"user": context.user, "request": request, **answer}
    if arguments.until_final:
        path = f"/writes/{segment(str(written['write']))}"
        written = awaited(context, written, path, arguments.until_final, _may_change)
    screen.json(written)
    show_write(screen, written)
    return DONE if is_done(written) else NOTHING_FREE


def _may_change(write: Json) -> bool:
    return write["state"] == "tentative" and is_done(write)


def read(context: Context, arguments: Namespace) -> None:
    view = "committed" if arguments.committed else "tentative"
    parameters = json.dumps(dict(map(_parameter, arguments.parameters))) if arguments.parameters else None
    answer = context.replica.get("/records", {"query": arguments.query, "view": view, "parameters": parameters})
    screen = context.screen
    screen.json(answer)
    rows = answer["rows"]
    if rows:
        screen.table([list(rows[0]), *([str(value) for value in row.values()] for row in rows)])
    count = f"{len(rows)} {'record' if len(rows) == 1 else 'records'}"
    screen.line(f"{count} · {view} view at {context.here}")


def conflicts(context: Context, arguments: Namespace) -> None:
    rooms = [] if arguments.relation else _conflicts_of_rooms(context, arguments)
    of_rooms = arguments.room or arguments.on
    named = [arguments.relation] if arguments.relation else [] if of_rooms else _names(context)
    records = {
        one["write"]: one  # a write may name two relations
        for name in named
        for one in context.replica.get(f"/relations/{segment(name)}/conflicts")["conflicts"]
        if arguments.of_user in {None, one["user"]}
    }
    merged = [] if of_rooms else _merged(context, arguments)
    screen = context.screen
    screen.json({"rooms": rooms, "records": list(records.values()), "merged": merged})
    if screen.as_json:
        return
    rows = [_conflict_of_room(context, one) for one in rooms]
    for one in records.values():
        rows += _conflict_of_records(context, one)
    rows += [_merged_row(context, one) for one in merged]
    screen.table(rows)
    if not rows:
        screen.line(f"no conflicts at {context.here}")


def _conflicts_of_rooms(context: Context, arguments: Namespace) -> list[Json]:
    query: Query = {"user": arguments.of_user, "room": arguments.room}
    if arguments.on:
        zone = context.zone
        day = day_bounds(read_date(arguments.on, zone, context.now()), 1, zone)
        query |= {"from": day.start.isoformat(), "to": day.end.isoformat()}
    return list(context.replica.get("/conflicts", query)["conflicts"])


def _merged(context: Context, arguments: Namespace) -> list[Json]:
    """Return the entries of GET /writes/merged: the writes of records with the outcome `merged`. If the user names a
    relation, return only the writes that changed this relation."""
    found = context.replica.get("/writes/merged", {"user": arguments.of_user})["writes"]
    named = arguments.relation and str(arguments.relation).partition("~")[0]
    return [
        one
        for one in found
        if not named or named in {str(change["relation"]).partition("~")[0] for change in one["changed"]}
    ]


def _merged_row(context: Context, one: Json) -> Row:
    """Return the table row for an entry of GET /writes/merged: what the user wanted, and what was done instead."""
    wanted, done = ("; ".join(map(change_text, one[name])) for name in ("wanted", "changed"))
    write = f"{one['user']}/{one['request']}"
    return context.screen.mark(str(one["state"])), write, f"{wanted} → {done}", f"moved, {_finality(one)}"


def _conflict_of_room(context: Context, one: Json) -> Row:
    """Return the table row of a conflict over a room. The columns are the mark, the id of the reservation,
    WANTED → GOT, and the outcome."""
    got = room_and_slot(one["got"], context.zone) if one["got"] else "nothing"
    wanted = room_and_slot(one["wanted"], context.zone) if one["wanted"] else one["op"]
    how = {"merged": "moved", "rejected": "rejected"}.get(str(one["outcome"]), one["why"])
    return (
        context.screen.mark(str(one["state"]) if one["outcome"] == "merged" else "rejected"),
        str(one["id"]),
        f"{wanted} → {got}",
        f"{how}, {_finality(one)}" if how in {"moved", "rejected"} else f"{_finality(one)}. {how}",
    )


def _conflict_of_records(context: Context, one: Json) -> list[Row]:
    """Return the table rows of a conflict over records. The first row shows the write. Each further row shows a record
    that is in the way or missing."""
    wanted = "; ".join(map(change_text, one["wanted"]))
    write = f"{one['user']}/{one['request']}"
    first: Row = (context.screen.mark("conflict"), write, f"{wanted} → nothing", f"conflict, {_finality(one)}")
    return [first, *(("", "", obstacle_text(obstacle)) for obstacle in one["in_the_way"])]


def _finality(one: Json) -> str:
    return "final" if one["state"] == "committed" else "may still change"


def _names(context: Context) -> list[str]:
    return [str(one["name"]) for one in context.replica.get_all("/relations", "relations")["relations"]]


def _document(path: str) -> Json:
    """Read a YAML file, or standard input if `path` is `-`. YAML reads an unquoted 2026-12-01 as a date; this function
    converts dates back to text. Raise Usage if the content is not a YAML mapping."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
        document = yaml.safe_load(text)
    except OSError as error:
        raise Usage(f"{path} cannot be read: {error.strerror}. Name another file.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Usage(f"{path} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(document, dict):
        raise Usage(f"{path} must be a YAML mapping of names to values, such as `update: …`.")
    return dict(_plain(document))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


def _parameter(text: str) -> tuple[str, str | int]:
    """Split NAME=VALUE, and return the name and the value. A value that is a whole number becomes an int; any other
    value stays text."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise Usage(f"--set {text} has no name and value. Write NAME=VALUE, such as --set day=2026-12-01.")
    is_number = value.removeprefix("-").isdecimal() and value.isascii()
    return name, int(value) if is_number else value


def _show_relation(screen: Screen, relation: Json) -> None:
    attributes = ", ".join(f"{clean(name)} {kind}" for name, kind in relation["attributes"].items())
    name = clean(relation["relation"] if relation["owns_name"] else relation["name"])
    screen.line(
        f"{screen.state(str(relation['state']))}  {screen.paint(name, bold=True)} ({attributes})"
        f"  key {', '.join(relation['key'])}; pages by {', '.join(relation['page_by'])}"
    )
