"""The parser class that all commands use, and the options that all commands or several commands take."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from typing import Any, NoReturn

from cli.arguments import values
from cli.output.screen import width_of_terminal, wrapped
from cli.problems import Usage

_NO_CHOICE = re.compile("invalid choice: '(.*?)' \\(choose from")


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises Usage for a wrong command line. A plain argparse parser would end the program, but
    the prompt has to go on after a wrong command.

    The prompt uses these fields to complete words:

    commands  name of a subcommand -> its parser
    options   name of a long option -> its help text
    summary   a few words that say what the command does
    group     the title of the group to which the command belongs; empty for most commands
    """

    def __init__(self, **settings: Any) -> None:
        self.commands: dict[str, Parser] = {}
        self.options = {"--help": "show this help message and exit"}
        self.summary = ""
        self.group = ""
        self._below: Any = None
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **settings)

    def format_help(self) -> str:
        return wrapped(super().format_help(), width_of_terminal(sys.stdout))

    def error(self, message: str) -> NoReturn:
        if (found := _NO_CHOICE.search(message)) and self.commands:
            raise Usage(self.no_command(found[1]))
        name = self.prog.split()[-1] if " " in self.prog else ""
        raise Usage(f"{message[:1].upper()}{message[1:]}. See `{f'{name} ' if name else ''}--help`.")

    def no_command(self, typed: str) -> str:
        """Return the message for an unknown command. It suggests the most similar command or, if no command is similar,
        lists all commands."""
        close = difflib.get_close_matches(typed.lower(), self.commands, n=1)
        hint = f"Did you mean `{close[0]}`?" if close else f"The commands are: {', '.join(self.commands)}."
        return f"There is no command {typed!r}. {hint}"

    def groups(self) -> dict[str, dict[str, str]]:
        """Return group -> name -> summary for the subcommands. The title of the first group is empty. This group has
        the subcommands that belong to no other group."""
        found: dict[str, dict[str, str]] = {"": {}}
        for name, parser in self.commands.items():
            found.setdefault(parser.group, {})[name] = parser.summary
        return found

    def add(self, name: str, metavar: str | None, meaning: str, group: Any = None, **settings: Any) -> None:
        """Add an argument that takes a value. `meaning` is its help text; `settings` go to argparse unchanged.

        If `group` is given, the argument is added to this argument group of the parser.
        """
        self._add(name, meaning, group, {"metavar": metavar, **settings})

    def add_flag(self, name: str, meaning: str, group: Any = None, **settings: Any) -> None:
        """Add an option that takes no value. The parsed value is False unless the option is given."""
        self._add(name, meaning, group, {"action": "store_true", **settings})

    def _add(self, name: str, meaning: str, group: Any, settings: dict[str, Any]) -> None:
        (group or self).add_argument(name, help=meaning, **settings)
        if name.startswith("--"):
            self.options[name] = meaning

    def begin_commands(self, dest: str, metavar: str, required: bool = True) -> None:
        """Allow subcommands, which `add_command` adds. The attribute `dest` of the parsed arguments has the name of the
        subcommand that the user gave."""
        self._below = self.add_subparsers(dest=dest, metavar=metavar, required=required)

    def add_command(self, name: str, summary: str, examples: str, group: str = "") -> Parser:
        """Add a subcommand, and return its parser. The help of argparse leaves out a subcommand that has a `group`,
        because argparse cannot group subcommands. `groups` returns all subcommands."""
        listed = {} if group else {"help": summary}
        parser: Parser = self._below.add_parser(
            name, description=f"{summary[:1].upper()}{summary[1:]}.", epilog=f"examples:\n{examples}", **listed
        )
        parser.summary, parser.group = summary, group
        self.commands[name] = parser
        add_common(parser, top=False)
        return parser


def add_common(parser: Parser, top: bool) -> None:
    """Add the options that every command has. A user may write these options before the command or after it.

    `top` is true for the parser of the whole command line, which sets the defaults. The parser of a subcommand sets no
    defaults: a default would replace the value that the user wrote before the command.
    """
    absent: Any = None if top else argparse.SUPPRESS
    group = parser.add_argument_group("for every command")
    parser.add("--replica", "LABEL|URL", "the replica to ask, for this command only", group, default=absent)
    parser.add("--config", "PATH", "the file that names replicas (default: config.yaml)", group, default=absent)
    wait_s = values.number(1, values.WAIT_S_MAX)
    wait_help = "how long the replica waits for writes that your session has seen"
    parser.add("--wait", "SECONDS", wait_help, group, type=wait_s, default=absent)
    parser.add_flag("--json", "JSON on standard output", group, default=False if top else absent)


def add_request(parser: Parser) -> None:
    parser.add(
        "--request",
        "ID",
        "the id of an earlier request that got no answer, to send the same request again",
        type=values.name("request id"),
    )


def add_until_final(parser: Parser, but: str = "") -> None:
    what = f"how long to wait until the primary has committed the write, such as 30s{but}"
    parser.add("--until-final", "SECONDS", what, type=values.seconds)
