"""What all commands share: errors that the prompt survives, help with examples, options that each one takes."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from cli.arguments import values as word
from cli.problems import Usage


class Parser(argparse.ArgumentParser):
    """A parser whose errors are Usage problems, so that the prompt survives them and --json can print them."""

    def error(self, message: str) -> NoReturn:
        name = self.prog.split()[-1] if " " in self.prog else ""
        raise Usage(f"{message[:1].upper()}{message[1:]}. See `{f'{name} ' if name else ''}--help`.")


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Epilogs keep their lines, and a time of two words reads TIME."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        return "TIME" if action.metavar == "TIME" else super()._format_args(action, default_metavar)


def add_command(commands: Any, name: str, what: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[:1].upper()}{what[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    add_common(parser, top=False)
    return parser


def add_common(parser: argparse.ArgumentParser, top: bool) -> None:
    """Options that stand before the command or after it; after it, absence must not undo what stood before."""
    absent: Any = None if top else argparse.SUPPRESS
    group = parser.add_argument_group("for every command")
    group.add_argument("--replica", metavar="LABEL|URL", default=absent, help="the replica to ask, this time")
    group.add_argument("--config", metavar="PATH", default=absent, help="labels and addresses (default: config.yaml)")
    group.add_argument(
        "--wait", type=word.seconds, metavar="SECONDS", default=absent, help="for a replica that is behind your session"
    )
    group.add_argument("--json", action="store_true", default=False if top else absent, help="JSON on standard output")


def add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--request", type=word.request, metavar="ID", help="repeat a request that got no answer")
