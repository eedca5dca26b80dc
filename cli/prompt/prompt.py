"""The interactive prompt: history, completion, a bottom line for the replica's state, and news above the input."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace

from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import patch_stdout
from prompt_toolkit.styles import Style

from cli.arguments.command_line import build, parse
from cli.context import Context
from cli.output.screen import Screen, screen_for
from cli.problems import DONE, Problem, Usage
from cli.prompt.background import Monitor
from cli.prompt.completion import OWN_WORDS, PromptCompleter
from cli.replica_addresses import read_directory
from cli.run import run
from cli.state import state_file

CHANGING = {"reserve", "cancel", "move", "edit", "extend", "import"}  # these commands show what they change
STYLE = Style.from_dict(
    {
        "bottom-toolbar": "noreverse fg:ansiwhite bg:ansiblack",
        "label": "bold reverse",
        "good": "fg:ansigreen",
        "bad": "fg:ansired bold",
        "waiting": "fg:ansiblack bg:ansiyellow",
    }
)


def converse(context: Context) -> int:
    """Run the prompt until Ctrl-D or `exit`, and return the exit status.

    Without a terminal, read the commands from standard input, one on each line.
    """
    context.address  # noqa: B018 (a wrong name of the replica is an error before the first prompt)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        statuses = [_carry_out(context, line) for line in sys.stdin]
        return next((status for status in statuses if status not in {None, DONE}), None) or DONE
    session: PromptSession[str] = PromptSession(
        history=_history(context),
        style=STYLE,
        color_depth=None if context.screen.color else ColorDepth.DEPTH_1_BIT,
        complete_while_typing=False,
    )

    def changed() -> None:
        if session.app.is_running:
            for line in monitor.take_news():
                print(line, flush=True)
            session.app.invalidate()

    monitor = Monitor(context, changed)
    completer = PromptCompleter(context, monitor)
    context.screen.line("Type `help` for the commands, Tab to complete, Ctrl-D to leave.")
    monitor.start()
    try:
        while True:
            try:
                for line in monitor.take_news():
                    context.screen.line(line)
                with patch_stdout(raw=True):
                    text = session.prompt(
                        _label(context),
                        completer=completer,
                        bottom_toolbar=lambda: FormattedText(monitor.bottom_line()),
                    )
                if text.strip() in {"exit", "quit"}:
                    return DONE
                _carry_out(context, text)
                monitor.look_again(quietly=text.split(maxsplit=1)[0] in CHANGING if text.strip() else False)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return DONE
    finally:
        monitor.end()


def _carry_out(context: Context, text: str) -> int | None:
    """Run the command in the line `text`. Return the exit status, or None if the line is empty."""
    context.screen = screen = screen_for(sys.stdout)
    try:
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise Usage(f"Cannot read that line: {str(error).lower()}. Check its quotes and backslashes.") from error
        if not words:
            return None
        if words[0] == "help":
            _help(screen, words[1:])
            return DONE
        arguments = parse([context.user, *words])
        if arguments.command is None:
            raise Usage("The line has no command. `help` lists the commands.")
        screen.as_json = arguments.json
        here = context
        if arguments.replica or arguments.config:
            directory = read_directory(arguments.config) if arguments.config else context.directory
            here = replace(context, directory=directory, option=arguments.replica, _replica=None, _zone=None)
        try:
            return run(here, arguments)
        finally:
            if here is not context:
                here.close()
    except Problem as problem:
        screen.problem(problem)
        return problem.status
    except SystemExit:  # argparse has shown the help
        return DONE


def _help(screen: Screen, words: list[str]) -> None:
    parser = build()
    commands = parser.commands
    if not words:
        main, *others = parser.groups().items()
        screen.table([*main[1].items(), *OWN_WORDS.items()], indent=2)
        for title, summaries in others:
            screen.line(f"{title}:")
            screen.table([*summaries.items()], indent=2)
        screen.line("`help COMMAND` shows its options, with examples.")
    elif words[0] in commands:
        screen.line(commands[words[0]].format_help().rstrip())
    else:
        raise Usage(parser.no_command(words[0]))


def _label(context: Context) -> FormattedText:
    cell = context.label_cell(context.address.label)
    style = f"fg:ansi{cell.color.removeprefix('light_')}" if cell.color and context.screen.color else ""
    return FormattedText([("", f"{context.user}@"), (style, cell.text), ("", "> ")])


def _history(context: Context) -> History:
    """Return the history of typed lines. It is kept in a file, or in memory if the file cannot be written."""
    path = state_file(context.user, ".history", context.environment)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
