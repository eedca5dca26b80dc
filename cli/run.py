"""Runs one command, from the shell or from the prompt, and shows a problem."""

from __future__ import annotations

import json
import sys
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
from cli.output.screen import Screen, clean
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
    """The exit status of the command. It shows a Problem and does not raise it; it lets KeyboardInterrupt through."""
    context.client_session.wait_s = arguments.wait or 0
    try:
        return HANDLERS[arguments.command](context, arguments)
    except Problem as problem:
        show_problem(context.screen, problem)
        return problem.status
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        unreadable = Problem(
            "answer_unreadable",
            f"The replica's answer makes no sense to this client: {error!r}. Are they of one version?",
        )
        show_problem(context.screen, unreadable)
        return unreadable.status
    finally:
        context.client_session.save()


def show_problem(screen: Screen, problem: Problem) -> None:
    """For people on standard error; for programs as JSON on standard output."""
    if screen.as_json:
        print(json.dumps(problem.as_json(), ensure_ascii=False), flush=True)
    else:
        sys.stdout.flush()
        print(
            f"{screen.paint('✗', 'red')} {clean(problem.message)} [{clean(problem.code)}]", file=sys.stderr, flush=True
        )
