"""What an operator does with one replica: retire, promote, truncate, export, import. Each returns its exit status."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from pathlib import Path

from cli.context import Context
from cli.problems import DONE, Problem
from cli.rest import Json, Query
from cli.show import clean


def admin(context: Context, arguments: Namespace) -> int:
    """The action that was named."""
    actions = {
        "retire": _retire,
        "promote": _promote,
        "truncate": _truncate,
        "export": _export,
        "import": _import,
    }
    return actions[arguments.action](context, arguments)


def _retire(context: Context, arguments: Namespace) -> int:
    body = {"hand_over_to": arguments.to} if arguments.to else {}
    answer = context.replica.act("POST", "/replica/retire", body)
    context.screen.json(answer)
    label = context.label(context.place.label)
    told = answer.get("told")
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
    """To a file of that name only once it is whole."""
    query: Query = {}
    if arguments.receiver:
        other = context.at(context.directory.find(arguments.receiver))
        with contextlib.closing(other):
            held = other.get("/replica")
        query = {"csn": held["csn"], "v": json.dumps(held["vectors"]["V"])}
    path = Path(arguments.file)
    beside = path.with_name(f"{path.name}.part")
    try:
        with beside.open("wb") as file:
            size = context.replica.download("/replica/export", query, file)
        beside.replace(path)
    except OSError as error:
        raise Problem("file_unusable", f"Cannot write {path}: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)
    context.screen.json({"file": str(path), "bytes": size})
    context.screen.line(f"{size} bytes from {context.label(context.place.label)} in {clean(path)}")
    return DONE


def _import(context: Context, arguments: Namespace) -> int:
    try:
        with Path(arguments.file).open("rb") as file:
            answer = context.replica.upload("/replica/import", file)
    except OSError as error:
        raise Problem("file_unusable", f"Cannot read {arguments.file}: {error.strerror}.") from error
    context.screen.json(answer)
    whole = ", as a full state" if answer.get("full_state") else ""
    context.screen.line(f"{answer.get('received', 0)} received from {context.label(answer.get('from'))}{whole}")
    return DONE
