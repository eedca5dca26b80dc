"""The command `export`: the reservations of a user or a room as a calendar file, which `import` reads again."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from cli.context import Context
from cli.problems import DONE, Problem
from cli.rest import segment
from cli.screen import clean


def export_file(context: Context, arguments: Namespace) -> int:
    """To a file of that name only once it is whole."""
    if arguments.room:
        path = f"/rooms/{segment(arguments.room)}/calendar.ics"
    else:
        path = f"/users/{segment(arguments.of or context.user)}/calendar.ics"
    target = Path(arguments.file).expanduser()
    beside = target.with_name(f"{target.name}.part")
    try:
        with beside.open("wb") as file:
            size = context.replica.download(path, {}, file)
        beside.replace(target)
    except OSError as error:
        raise Problem("file_unusable", f"Cannot write {target}: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)
    context.screen.json({"file": str(target), "bytes": size})
    context.screen.line(f"{size} bytes from {context.label(context.place.label)} in {clean(target)}")
    return DONE
