"""Running one command, from the shell or from the prompt: who carries it out, and how a problem is shown."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping

from cli.client_session import session
from cli.commands.admin import admin
from cli.commands.booking import calendar, cancel, move, reserve, rooms, status
from cli.commands.classroom import commit, link, links, log, replicas, sync, use
from cli.commands.export_calendar import export_file
from cli.commands.free_rooms import free
from cli.commands.history import history
from cli.commands.import_calendar import import_file
from cli.commands.playlist import delete, get, put, songs
from cli.commands.series import series
from cli.commands.tokens import login, logout
from cli.commands.watch import watch
from cli.context import Context
from cli.problems import Problem
from cli.screen import Screen, clean

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
    """The exit status of the command. A Problem is shown, not raised; KeyboardInterrupt is left to the caller."""
    context.session.wait_s = arguments.wait or 0
    try:
        return HANDLERS[arguments.command](context, arguments)
    except Problem as problem:
        show_problem(context.screen, problem)
        return problem.status
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        unreadable = Problem("answer_unreadable", f"The replica's answer cannot be understood: {error!r}.")
        show_problem(context.screen, unreadable)
        return unreadable.status
    finally:
        context.session.keep()


def show_problem(screen: Screen, problem: Problem) -> None:
    """To people on standard error, to programs as JSON on standard output."""
    if screen.as_json:
        print(json.dumps(problem.as_json(), ensure_ascii=False), flush=True)
    else:
        sys.stdout.flush()
        print(
            f"{screen.paint('✗', 'red')} {clean(problem.message)} [{clean(problem.code)}]", file=sys.stderr, flush=True
        )
