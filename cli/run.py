"""Runs one command, from the shell or from the prompt."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping

from cli.commands import (
    admin,
    booking,
    calendar,
    calendar_files,
    history,
    playlist,
    records,
    replicas,
    series,
    user_state,
    watch,
)
from cli.context import Context
from cli.problems import DONE, Problem

# A handler returns its exit status, or nothing for DONE.
HANDLERS: Mapping[str, Callable[[Context, Namespace], int | None]] = {
    "reserve": booking.reserve,
    "free": booking.free,
    "status": booking.status,
    "calendar": calendar.calendar,
    "cancel": booking.cancel,
    "move": booking.move,
    "edit": booking.edit,
    "series": series.series,
    "extend": booking.extend,
    "history": history.history,
    "watch": watch.watch,
    "use": user_state.use,
    "import": calendar_files.import_file,
    "export": calendar_files.export_file,
    "login": user_state.login,
    "logout": user_state.logout,
    "rooms": booking.rooms,
    "put": playlist.put,
    "get": playlist.get,
    "delete": playlist.delete,
    "songs": playlist.songs,
    "define": records.define,
    "write": records.write,
    "read": records.read,
    "conflicts": records.conflicts,
    "relations": records.relations,
    "drop": records.drop,
    "replicas": replicas.replicas,
    "links": replicas.links,
    "link": replicas.link,
    "sync": replicas.sync,
    "pace": replicas.pace,
    "log": replicas.log,
    "commit": replicas.commit,
    "session": user_state.session,
    "admin": admin.admin,
}


def run(context: Context, arguments: Namespace) -> int:
    """Run the command and return its exit status. This function shows a Problem to the user. It does not catch
    KeyboardInterrupt."""
    context.client_session.wait_s = arguments.wait or 0
    try:
        return HANDLERS[arguments.command](context, arguments) or DONE
    except Problem as problem:
        context.screen.problem(problem)
        return problem.status
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"Cannot read the replica's answer: {error!r}. Use a client of the same release as the replica."
        context.screen.problem(Problem("answer_unreadable", message))
        return Problem.status
    finally:
        context.client_session.save()
