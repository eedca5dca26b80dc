"""The commands for the playlist: put, get, delete and songs."""

from __future__ import annotations

from argparse import Namespace

from cli.context import Context
from cli.output.screen import clean
from cli.rest import Json, Query, new_request, segment


def put(context: Context, arguments: Namespace) -> None:
    _write(context, arguments, "PUT", {"url": arguments.url})


def delete(context: Context, arguments: Namespace) -> None:
    _write(context, arguments, "DELETE", None)


def get(context: Context, arguments: Namespace) -> None:
    _conclude(context, context.replica.get(_path(arguments.song), _view(arguments)))


def songs(context: Context, arguments: Namespace) -> None:
    screen = context.screen
    answer = context.replica.get_all("/playlist", "songs", _view(arguments))
    del answer["next"]
    screen.json(answer)
    screen.table([(screen.mark(str(one["state"])), str(one["song"]), str(one["url"])) for one in answer["songs"]])
    if not answer["songs"]:
        screen.line("There is no song here yet.")
    screen.line(f"{answer['view']} view at {context.here}")


def _path(song: str) -> str:
    return f"/playlist/{segment(song)}"


def _view(arguments: Namespace) -> Query:
    return {"view": "committed" if arguments.committed else "tentative"}


def _write(context: Context, arguments: Namespace, method: str, body: Json | None) -> None:
    request = arguments.request or new_request()
    _conclude(context, context.replica.write(method, _path(arguments.song), request, body)[1])


def _conclude(context: Context, song: Json) -> None:
    """Show a song, such as `✓ committed  eyesOfTexas  https://www.utexas.edu/song`. A deleted song has no URL."""
    screen = context.screen
    screen.json(song)
    url = "deleted" if song["url"] is None else clean(song["url"])
    screen.line("  ".join((screen.state(str(song["state"])), screen.paint(clean(song["song"]), bold=True), url)))
