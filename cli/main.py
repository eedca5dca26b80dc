"""The entry point: reads the command line, runs one command or the prompt, and returns the exit status."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from cli.arguments.command_line import parse
from cli.output.screen import screen_for
from cli.problems import DONE, INTERRUPTED, Problem, Usage


def main(words: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ✓ is no reason to fail
    screen = screen_for(sys.stdout, shutil.get_terminal_size().columns, "--json" in words)
    try:
        return _main(words)
    except Problem as problem:
        from cli.run import show_problem  # noqa: PLC0415 (late, so that --help need not load it)

        show_problem(screen, problem)
        return problem.status
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on, as with `| head`
        return DONE


def _main(words: Sequence[str]) -> int:
    arguments = parse(words)

    from cli.client_session import ClientSession  # noqa: PLC0415
    from cli.context import Context  # noqa: PLC0415 (what speaks to replicas, only once the command is understood)
    from cli.replica_addresses import read_directory  # noqa: PLC0415

    context = Context(
        user=arguments.user,
        screen=screen_for(sys.stdout, shutil.get_terminal_size().columns, arguments.json),
        directory=read_directory(arguments.config),
        environment=os.environ,
        now=lambda: datetime.now(UTC),
        option=arguments.replica,
        client_session=ClientSession.load(arguments.user, os.environ),
    )
    try:
        if arguments.command:
            from cli.run import run  # noqa: PLC0415

            return run(context, arguments)
        if arguments.json:
            raise Usage("--json needs a command; the prompt is for people.")
        from cli.prompt.prompt import converse  # noqa: PLC0415 (prompt_toolkit takes a while to load)

        return converse(context)
    finally:
        context.close()
