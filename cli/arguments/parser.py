"""What all commands share: errors that the prompt survives, help with examples, and the options that each one takes."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from cli.arguments import values
from cli.problems import Usage


class Parser(argparse.ArgumentParser):
    """A parser that raises its errors as Usage. The prompt completes words by its public fields.

    commands  the parsers of the commands below it, by name
    options   the help of each long option, by name
    summary   what the command does, in a few words
    """

    def __init__(self, **settings: Any) -> None:
        self.commands: dict[str, Parser] = {}
        self.options: dict[str, str] = {}
        self.summary = ""
        self._below: Any = None
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        name = self.prog.split()[-1] if " " in self.prog else ""
        raise Usage(f"{message[:1].upper()}{message[1:]}. See `{f'{name} ' if name else ''}--help`.")

    def add_argument(self, *names: Any, group: Any = None, **settings: Any) -> argparse.Action:
        """Add an argument, as in argparse; `group` is one of this parser's argument groups."""
        add = super().add_argument if group is None else group.add_argument
        action: argparse.Action = add(*names, **settings)
        self.options |= {name: action.help or "" for name in action.option_strings if name.startswith("--")}
        return action

    def begin_commands(self, dest: str, metavar: str, required: bool = True) -> None:
        """Begin the commands of this parser. The name of the command that is given is stored as `dest`."""
        self._below = self.add_subparsers(dest=dest, metavar=metavar, required=required)

    def add_command(self, name: str, summary: str, examples: str) -> Parser:
        parser: Parser = self._below.add_parser(
            name, help=summary, description=f"{summary[:1].upper()}{summary[1:]}.", epilog=f"examples:\n{examples}"
        )
        parser.summary = summary
        self.commands[name] = parser
        add_common(parser, top=False)
        return parser


def add_common(parser: Parser, top: bool) -> None:
    """Add the options that may stand before or after the command. One that is absent after it keeps its value from
    before."""
    absent: Any = None if top else argparse.SUPPRESS
    group = parser.add_argument_group("for every command")
    parser.add_argument(
        "--replica", group=group, metavar="LABEL|URL", default=absent, help="the replica to ask, for this command only"
    )
    parser.add_argument(
        "--config",
        group=group,
        metavar="PATH",
        default=absent,
        help="the file that names replicas (default: config.yaml)",
    )
    parser.add_argument(
        "--wait",
        group=group,
        type=values.number(1, values.WAIT_S_MAX),
        metavar="SECONDS",
        default=absent,
        help="wait for a replica that lacks what your session has seen",
    )
    parser.add_argument(
        "--json", group=group, action="store_true", default=False if top else absent, help="JSON on standard output"
    )


def add_request(parser: Parser) -> None:
    parser.add_argument(
        "--request", type=values.name("request id"), metavar="ID", help="repeat a request that got no answer"
    )
