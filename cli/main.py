"""The entry point. It reads the command line, runs one command or the prompt, and returns the exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from cli.arguments.command_line import parse
from cli.output.screen import Screen, screen_for
from cli.problems import DONE, INTERRUPTED, Problem, Usage


def main(words: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without ✓ is no reason to fail
    screen = screen_for(sys.stdout, "--json" in words)
    try:
        return _main(words, screen)
    except Problem as problem:
        screen.problem(problem)
        return problem.status
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone, as with `| head`
        return DONE


def _main(words: Sequence[str], screen: Screen) -> int:
    arguments = parse(words)
    screen.as_json = arguments.json

    # Late, so that --help and a wrong command need not load what speaks to replicas.
    from cli.client_session import ClientSession  # noqa: PLC0415
    from cli.context import Context  # noqa: PLC0415
    from cli.replica_addresses import read_directory  # noqa: PLC0415

    context = Context(
        user=arguments.user,
        screen=screen,
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
            raise Usage("--json needs a command. Without a command, the client starts its interactive prompt.")
        from cli.prompt.prompt import converse  # noqa: PLC0415 (prompt_toolkit takes a while to load)

        return converse(context)
    finally:
        context.close()
