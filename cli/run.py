"""Runs one command, from the shell or from the prompt."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping

from cli.commands.admin import admin
from cli.commands.booking import cancel, free, move, reserve, rooms, status
from cli.commands.calendar import calendar
from cli.commands.calendar_files import export_file, import_file
from cli.commands.history import history
from cli.commands.playlist import delete, get, put, songs
from cli.commands.replicas import commit, link, links, log, replicas, sync
from cli.commands.series import series
from cli.commands.user_state import login, logout, session, use
from cli.commands.watch import watch
from cli.context import Context
from cli.problems import Problem

HANDLERS: Mapping[str, Callable[[Context, Namespace], int]] = {
    "reserve": reserve,
    "free": free,
    "status": status,
    "calendar": calendar,
    "cancel": cancel,
    "move": move,
    "series": series,
    "history": history,
    "watch": watch,
    "use": use,
    "import": import_file,
    "export": export_file,
    "login": login,
    "logout": logout,
    "rooms": rooms,
    "put": put,
    "get": get,
    "delete": delete,
    "songs": songs,
    "replicas": replicas,
    "links": links,
    "link": link,
    "sync": sync,
    "log": log,
    "commit": commit,
    "session": session,
    "admin": admin,
}


def run(context: Context, arguments: Namespace) -> int:
    """Run the command, and return its exit status. A Problem is shown and not raised; KeyboardInterrupt is raised."""
    context.client_session.wait_s = arguments.wait or 0
    try:
        return HANDLERS[arguments.command](context, arguments)
    except Problem as problem:
        context.screen.problem(problem)
        return problem.status
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = (
            f"The answer of the replica cannot be understood: {error!r}. Its version may differ from this client's."
        )
        context.screen.problem(Problem("answer_unreadable", message))
        return Problem.status
    finally:
        context.client_session.save()
