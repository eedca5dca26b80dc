"""Builds the parser of the whole command line. The shell and the prompt both use it. This module runs no command."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cli.arguments import admin, booking, records, replicas, values
from cli.arguments.parser import Parser, add_common, add_request

OVERVIEW = """\
examples:
  python client.py vish                                the prompt; `help` inside
  python client.py vish free tomorrow 14:00 --for 90m --capacity 8
  python client.py vish reserve 6.12 2026-12-01 9-10 --or 10:00 --purpose weekly
  python client.py vish status
  python client.py vish cancel 8f3a
  python client.py vish reserve 6.12 monday 9-10 --repeat weekly --count 10
  python client.py vish --replica two calendar --on tomorrow
  python client.py vish watch --all
  python client.py vish reserve --help                 the options of a command, with examples

marks: ? tentative, may still move   ✓ committed, final   ✗ rejected   – cancelled
exit status: 0 done (tentative too), 1 error, 2 usage, 3 nothing free (of a series: for some), 4 replica unreachable
replica: --replica, else $BAYOU_REPLICA, else the last `use`, else the first of config.yaml, else 127.0.0.1:8001
colour: on a terminal only, and not if NO_COLOR is set"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse a whole command line: USER [COMMAND …].

    Raise Usage if the command line is wrong. With --help, print the help and raise SystemExit.
    """
    return build().parse_args(list(words))


def build() -> Parser:
    parser = Parser(
        prog="client.py", description="Reserve meeting rooms at a replica, even while it can reach no other replica."
    )
    parser.add("user", "USER", "who you are; without a command, starts the prompt", type=values.name("user name"))
    add_common(parser, top=True)
    parser.begin_commands("command", "COMMAND", required=False)
    booking.add_commands(parser)
    _user_state(parser)
    replicas.add_commands(parser)
    _playlist(parser)
    records.add_commands(parser)
    admin.add_commands(parser)
    parser.epilog = f"{_groups_text(parser)}\n{OVERVIEW}"
    return parser


def _groups_text(parser: Parser) -> str:
    """Return the groups of commands as the help lists them."""
    lines = []
    for title, summaries in parser.groups().items():
        if title:
            lines += [f"{title}:", *(f"    {name:<19}{summary}" for name, summary in summaries.items()), ""]
    return "\n".join(lines)


def _user_state(commands: Parser) -> None:
    use = commands.add_command(
        "use", "choose the replica for your next commands", "  use two\n  use http://127.0.0.1:8002"
    )
    use.add("name", "REPLICA", "a label, HOST:PORT or a URL")
    session = commands.add_command(
        "session",
        "show or set the guarantees of your session, which hold on all replicas",
        "  session\n  session --guarantees RYW,MR\n  session --guarantees none\n"
        "  session reset      forget what you have read and written",
    )
    session.add("action", None, "reset begins a new session", nargs="?", choices=("show", "reset"), default="show")
    session.add("--guarantees", "LIST", "some of RYW,MR,WFR,MW; or all, or none", type=values.guarantees)
    commands.add_command(
        "login",
        "store your token, if the replicas require tokens",
        "  login                       asks for the token, and does not show it\n"
        "  login < token.txt\n  BAYOU_TOKEN=… python client.py vish status     without storing it",
    )
    commands.add_command("logout", "delete the token that `login` stored", "  logout")


def _playlist(commands: Parser) -> None:
    def add(name: str, summary: str, examples: str) -> Parser:
        return commands.add_command(name, summary, examples, "the playlist, an example of a second application")

    put = add("put", "set the URL of a song", "  put eyesOfTexas https://www.utexas.edu/song")
    get = add("get", "show the URL of a song", "  get eyesOfTexas\n  get eyesOfTexas --committed")
    delete = add("delete", "delete a song; if there is no such song, do nothing", "  delete eyesOfTexas")
    songs = add("songs", "list the songs", "  songs\n  songs --committed")
    for parser in (put, get, delete):
        parser.add("song", "SONG", "the name of the song, up to 200 characters", type=values.song)
    put.add("url", "URL", "the URL of the song, up to 2000 characters")
    for parser in (put, delete):
        add_request(parser)
    for parser in (get, songs):
        parser.add_flag("--committed", "only what is final")
