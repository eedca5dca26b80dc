"""What an operator does with one replica: retire, promote, truncate, export, import. Each returns its exit status."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from pathlib import Path

from cli.commands.people import people
from cli.context import Context
from cli.problems import DONE, Problem
from cli.rest import Json, Query
from cli.screen import clean

MIB = 1024 * 1024


def admin(context: Context, arguments: Namespace) -> int:
    """The action that was named."""
    actions = {
        "retire": _retire,
        "promote": _promote,
        "truncate": _truncate,
        "export": _export,
        "import": _import,
        "user": people,
    }
    return actions[arguments.action](context, arguments)


def _retire(context: Context, arguments: Namespace) -> int:
    body = {"hand_over_to": arguments.to} if arguments.to else {}
    answer = context.replica.act("POST", "/replica/retire", body)
    context.screen.json(answer)
    label = context.label(context.place.label)
    told = answer.get("held_by")
    ends = (
        f"{context.label(told)} holds all that it wrote, and it ends" if told else "it ends once another has its writes"
    )
    context.screen.line(f"{label} has retired: it takes no more writes; {ends}")
    return DONE


def _promote(context: Context, arguments: Namespace) -> int:
    body: Json = {"force": True} if arguments.force else {}
    if arguments.label and arguments.label != context.place.label:
        body["to"] = arguments.label
    answer = context.replica.act("POST", "/replica/promote", body)
    context.screen.json(answer)
    primary, epoch = answer.get("primary") or {}, answer.get("epoch") or {}
    context.screen.line(
        f"{context.label(primary.get('label'))} is the primary now, as {clean(primary.get('id'))}"
        f" (epoch {clean(epoch.get('number'))})"
    )
    return DONE


def _truncate(context: Context, arguments: Namespace) -> int:
    answer = context.replica.act("POST", "/replica/truncate", {"keep": arguments.keep})
    context.screen.json(answer)
    context.screen.line(f"{answer.get('dropped', 0)} committed writes dropped from the log; what they did stays")
    return DONE


def _export(context: Context, arguments: Namespace) -> int:
    """To files of that name only once all is there."""
    from cli.commands.volumes import Volumes  # noqa: PLC0415 (protobuf takes a while to load)

    path = Path(arguments.file)
    try:
        query = _lacking(context, arguments)
        if arguments.volume_mib:
            query["volume"] = str(arguments.volume_mib * MIB)
        with Volumes(path) as volumes:
            size = context.replica.download("/replica/export", query, volumes)
            files = volumes.keep()
    except OSError as error:
        raise Problem("file_unusable", f"Cannot use {error.filename or path}: {error.strerror}.") from error
    removed = [str(file) for file in volumes.removed]
    context.screen.json({"file": str(path), "files": [str(file) for file in files], "bytes": size, "removed": removed})
    named = clean(path) if len(files) == 1 else f"{len(files)} files, {clean(files[0])} to {clean(files[-1])}"
    context.screen.line(f"{size} bytes from {context.label(context.place.label)} in {named}")
    if removed:
        context.screen.line(f"removed, of an earlier export: {clean(', '.join(removed))}")
    return DONE


def _lacking(context: Context, arguments: Namespace) -> Query:
    """What the receiver holds, asked of it, or as it was kept in a file."""
    held, kept = None, b""
    if arguments.receiver:
        other = context.at(context.find_place(arguments.receiver))
        with contextlib.closing(other):
            held = other.get("/replica")
    elif arguments.since:
        kept = Path(arguments.since).read_bytes()
    else:
        return {}
    try:
        held = held or json.loads(kept)
        return {"csn": held["csn"], "v": json.dumps(held["vectors"]["V"])}
    except (KeyError, TypeError, ValueError):
        message = f"{arguments.since} does not say what a replica holds: keep the answer of its GET /replica."
        raise Problem("file_unusable", message) from None


def _import(context: Context, arguments: Namespace) -> int:
    from cli.commands.volume_sets import by_number  # noqa: PLC0415 (protobuf takes a while to load)

    answers = []
    for name in by_number(arguments.files):
        try:
            with Path(name).open("rb") as file:
                answers.append(context.replica.upload("/replica/import", file))
        except OSError as error:
            raise Problem("file_unusable", f"Cannot read {name}: {error.strerror}.") from error
        answer = answers[-1]
        whole = ", as a full state" if answer.get("full_state") else ""
        context.screen.line(f"{answer.get('received', 0)} received from {context.label(answer.get('from'))}{whole}")
    context.screen.json(answers[0] if len(answers) == 1 else {"files": answers})
    return DONE
