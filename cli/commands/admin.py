"""The commands that operators give to one replica, such as admin retire, promote, truncate, export and import."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from cli.commands.local_times import check_times
from cli.commands.people import people
from cli.context import Context
from cli.output.reservations import room_and_slot
from cli.output.screen import Row, brief, clean
from cli.problems import Problem
from cli.rest import Json, Query

MIB = 1024 * 1024


def admin(context: Context, arguments: Namespace) -> int | None:
    actions: dict[str, Callable[[Context, Namespace], int | None]] = {
        "retire": _retire,
        "forget": _forget,
        "waiting": _waiting,
        "promote": _promote,
        "activate": _activate,
        "invite": _invite,
        "truncate": _truncate,
        "export": _export,
        "import": _import,
        "check-times": check_times,
        "user": people,
    }
    return actions[arguments.action](context, arguments)


def _retire(context: Context, arguments: Namespace) -> None:
    body = {"hand_over_to": arguments.to} if arguments.to else {}
    answer = context.act("POST", "/replica/retire", body)
    end = "its process stops when a peer has all its writes"
    if holder := answer.get("held_by"):
        end = f"{context.label(holder)} has all its writes, so its process stops"
    context.screen.line(f"{context.here} has retired and accepts no more writes; {end}")


def _forget(context: Context, arguments: Namespace) -> None:
    body = {"replica": arguments.lost, "confirmed": arguments.yes}
    answer = context.act("POST", "/replica/forget", body)
    context.screen.line(f"{context.label(answer['label'])} is forgotten; its writes on other replicas are kept")


def _waiting(context: Context, _arguments: Namespace) -> None:
    answer = context.replica.get("/replica/waiting")
    context.screen.json(answer)
    if context.screen.as_json:
        return
    rows: list[Row] = []
    for write in answer["writes"]:
        since = datetime.fromisoformat(write["accepted_at"]).astimezone(context.zone)
        state = {"forgotten": ", which was forgotten", "unreachable": ", which does not answer"}
        rows.append(
            (
                f"{since:%Y-%m-%d %H:%M:%S}",
                f"{write['user']}/{brief(str(write['request']))}",
                _what_is_asked(write, context),
                f"{write['accepted_by']}{state.get(write['because'], '')}",
                ", ".join(write["held_by"]),
            )
        )
    if not rows:
        context.screen.line(
            "No tentative write has waited for long, and none comes from a replica that is unreachable or forgotten."
        )
        return
    context.screen.table(rows, heading=("since", "write", "what", "accepted by", "held by"))
    context.screen.line(clean(answer["help"]))


def _what_is_asked(write: Json, context: Context) -> str:
    """Return what a write asks for, such as `reserve 6.12 Tue 2026-12-01 09:00–10:00`."""
    about = write["describe"]
    slot = about.get("result") or ({"room": about["room"], **about["slots"][0]} if about.get("slots") else None)
    return f"{write['op']} {room_and_slot(slot, context.zone)}" if slot else str(write["op"])


def _promote(context: Context, arguments: Namespace) -> None:
    body: Json = {"force": True, "although_it_answers": arguments.yes} if arguments.force else {}
    if arguments.label and arguments.label != context.address.label:
        body["to"] = arguments.label
    answer = context.act("POST", "/replica/promote", body)
    primary, epoch = answer.get("primary") or {}, answer.get("epoch") or {}
    label, identity, number = context.label(primary.get("label")), clean(primary.get("id")), clean(epoch.get("number"))
    context.screen.line(f"{label} is the primary now, as {identity} (epoch {number})")


def _activate(context: Context, arguments: Namespace) -> None:
    answer = context.act("POST", "/replica/activate", {"application": arguments.application})
    context.screen.line(f"clients can use {clean(answer['application'])} when the primary has committed this change")


def _invite(context: Context, arguments: Namespace) -> None:
    answer = context.act("POST", "/replica/invite", {"label": arguments.label})
    label, here = clean(answer["label"]), context.address.label
    context.screen.line(
        f"python server.py {label} --join {here} --invitation {clean(answer['invitation'])}\n"
        f"lets {label} join through {context.here}, within an hour"
    )


def _truncate(context: Context, arguments: Namespace) -> None:
    answer = context.act("POST", "/replica/truncate", {"keep": arguments.keep})
    context.screen.line(f"{answer.get('dropped', 0)} committed writes dropped from the log; their effects stay")


def _export(context: Context, arguments: Namespace) -> None:
    """Download an export and write each volume to a file of its own.

    No file gets its final name before all files are complete.
    """
    from cli.commands.export_files import VolumeWriter  # noqa: PLC0415 (protobuf takes a while to load)

    path = Path(arguments.file)
    try:
        query = _what_is_missing(context, arguments)
        if arguments.volume_mib:
            query["volume"] = str(arguments.volume_mib * MIB)
        with VolumeWriter(path) as volumes:
            size = context.replica.download("/replica/export", query, volumes.write)
            files = volumes.finish()
    except OSError as error:
        raise Problem("file_unusable", f"Cannot use {error.filename or path}: {error.strerror}.") from error
    removed = [str(file) for file in volumes.removed]
    context.screen.json({"file": str(path), "files": [str(file) for file in files], "bytes": size, "removed": removed})
    named = clean(path) if len(files) == 1 else f"{len(files)} files, {clean(files[0])} to {clean(files[-1])}"
    context.screen.line(f"{size} bytes from {context.here} in {named}")
    if removed:
        context.screen.line(f"removed files of an earlier export: {clean(', '.join(removed))}")


def _what_is_missing(context: Context, arguments: Namespace) -> Query:
    """Return the query that limits an export to the writes that the receiver lacks.

    The state of the receiver is its answer to GET /replica. With --for, the client asks the receiver for the state.
    With --since, the client reads the state from a file. Without both options, the query is empty.
    """
    if arguments.receiver:
        with contextlib.closing(context.connect(context.find_replica(arguments.receiver))) as receiver:
            return _held(receiver.get("/replica"))
    if not arguments.since:
        return {}
    try:
        return _held(json.loads(Path(arguments.since).read_bytes()))
    except (KeyError, TypeError, ValueError):
        message = f"{arguments.since} does not hold a replica's answer to GET /replica. Save that answer in the file."
        raise Problem("file_unusable", message) from None


def _held(state: Json) -> Query:
    return {"csn": state["csn"], "v": json.dumps(state["vectors"]["V"])}


def _import(context: Context, arguments: Namespace) -> None:
    answers = []
    for name in by_number(arguments.files):
        try:
            with Path(name).open("rb") as file:
                answer = context.replica.upload("/replica/import", file)
        except OSError as error:
            raise Problem("file_unusable", f"Cannot read {name}: {error.strerror}. Name another file.") from error
        answers.append(answer)
        full = ", as a full state" if answer.get("full_state") else ""
        context.screen.line(f"{answer.get('received', 0)} received from {context.label(answer.get('from'))}{full}")
    context.screen.json(answers[0] if len(answers) == 1 else {"files": answers})


def by_number(files: Sequence[str]) -> list[str]:
    """Sort the volumes of each export by number. The exports stay in the given order.

    Sorting is needed because a shell lists FILE.10 before FILE.2 when it expands FILE*.
    """

    def place(file: str) -> tuple[int, int]:
        first, _, number = file.rpartition(".")
        if first in files and number.isascii() and number.isdigit():
            return files.index(first), int(number)
        return files.index(file), 1

    return sorted(files, key=place)
