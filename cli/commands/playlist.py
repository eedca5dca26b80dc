"""What people do with the playlist: put, get, delete, songs. Each returns its exit status."""

from __future__ import annotations

from argparse import Namespace

from cli.context import Context
from cli.problems import DONE
from cli.rest import Json, new_request, segment
from cli.screen import clean


def put(context: Context, arguments: Namespace) -> int:
    request = arguments.request or new_request()
    _, song = context.replica.write("PUT", _path(arguments.song), request, {"url": arguments.url})
    return _conclude(context, song)


def get(context: Context, arguments: Namespace) -> int:
    return _conclude(context, context.replica.get(_path(arguments.song), {"view": _view(arguments)}))


def delete(context: Context, arguments: Namespace) -> int:
    request = arguments.request or new_request()
    _, song = context.replica.write("DELETE", _path(arguments.song), request)
    return _conclude(context, song)


def songs(context: Context, arguments: Namespace) -> int:
    screen = context.screen
    query: Json = {"view": _view(arguments)}
    answer = part = context.replica.get("/playlist", query)
    while part["next"] is not None:  # a replica gives a long list in parts
        part = context.replica.get("/playlist", query | {"after": part["next"]})
        answer["songs"] += part["songs"]
    del answer["next"]
    screen.json(answer)
    screen.table([(screen.mark(str(one["state"])), str(one["song"]), str(one["url"])) for one in answer["songs"]])
    if not answer["songs"]:
        screen.line("There is no song here yet.")
    screen.line(f"{answer['view']} view at {context.label(context.place.label)}")
    return DONE


def _path(song: str) -> str:
    return f"/playlist/{segment(song)}"


def _view(arguments: Namespace) -> str:
    return "committed" if arguments.committed else "tentative"


def _conclude(context: Context, song: Json) -> int:
    """`✓ committed  eyesOfTexas  https://www.utexas.edu/song`; deleted where it has no URL."""
    screen = context.screen
    screen.json(song)
    url = "deleted" if song["url"] is None else clean(song["url"])
    screen.line("  ".join((screen.state(str(song["state"])), screen.paint(clean(song["song"]), bold=True), url)))
    return DONE
