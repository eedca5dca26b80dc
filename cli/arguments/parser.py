"""The commands and their options, the same for the shell and for the prompt. It reads words, and does nothing.

Times stay text here: only the building's zone, which a replica names, gives them a meaning.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from cli.arguments import people as people_arguments
from cli.arguments import values as word
from cli.arguments.base import Formatter, Parser, add_command, add_common, add_request
from cli.arguments.booking import BOOKING

OVERVIEW = """\
examples:
  python client.py vish                                the prompt; `help` inside
  python client.py vish free tomorrow 14:00 --for 90m --capacity 8
  python client.py vish reserve --room 6.12 --at 2026-12-01T09:00 --for 1h --or 10:00 --purpose "weekly"
  python client.py vish status
  python client.py vish cancel 8f3a
  python client.py vish reserve --room 6.12 --at monday 9-10 --repeat weekly --count 10
  python client.py vish --replica two calendar --on tomorrow
  python client.py vish watch --json
  python client.py vish put eyesOfTexas https://www.utexas.edu/song

marks: ? tentative, may still move   ✓ committed, final   ✗ rejected   – cancelled
exit status: 0 done (tentative too), 1 error, 2 usage, 3 no alternative free, 4 replica unreachable
replica: --replica, else $BAYOU_REPLICA, else the last `use`, else the first of config.yaml, else 127.0.0.1:8001
colour: on a terminal only, and not with NO_COLOR"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The words of a whole command line: USER [COMMAND …]. Raises Usage; leaves by SystemExit after --help."""
    return build().parse_args(list(words))


def build() -> Parser:
    parser = Parser(
        prog="client.py",
        description="Reserve meeting rooms at a replica that may be cut off from all others.",
        epilog=OVERVIEW,
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("user", metavar="USER", type=word.user, help="who you are; alone, it starts the prompt")
    add_common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for add in (
        *BOOKING,
        _watch,
        _use,
        _playlist,
        _classroom,
        _session,
        _login,
        _export,
        _admin,
    ):
        add(commands)
    return parser


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Each command's own parser, by name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def summaries_of(parser: Parser) -> dict[str, str]:
    """What each command does, in a few words."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {}


def _watch(commands: Any) -> None:
    parser = add_command(
        commands,
        "watch",
        "show reservations move and commit as it happens, until Ctrl-C",
        "  watch\n  watch 8f3a\n  watch --all\n  watch --json",
    )
    parser.add_argument("reservation", nargs="?", metavar="ID", help="only this one (default: all of yours)")
    parser.add_argument("--all", action="store_true", help="everybody's, and links and sessions of the replica")


def _use(commands: Any) -> None:
    parser = add_command(
        commands, "use", "choose the replica for your next commands", "  use two\n  use http://127.0.0.1:8002"
    )
    parser.add_argument("name", metavar="REPLICA", help="a label of config.yaml, HOST:PORT or a URL")


def _playlist(commands: Any) -> None:
    put = add_command(
        commands, "put", "give a song its URL, or another one", "  put eyesOfTexas https://www.utexas.edu/song"
    )
    put.add_argument("song", type=word.song, metavar="SONG", help="its name, up to 200 characters")
    put.add_argument("url", metavar="URL", help="where it is, up to 2000 characters")
    add_request(put)
    get = add_command(commands, "get", "show the URL of a song", "  get eyesOfTexas\n  get eyesOfTexas --committed")
    get.add_argument("song", type=word.song, metavar="SONG", help="its name")
    delete = add_command(commands, "delete", "delete a song, whether it is there or not", "  delete eyesOfTexas")
    delete.add_argument("song", type=word.song, metavar="SONG", help="its name")
    add_request(delete)
    songs = add_command(commands, "songs", "list the songs", "  songs\n  songs --committed")
    for parser in (get, songs):
        parser.add_argument("--committed", action="store_true", help="only what is final")


def _classroom(commands: Any) -> None:
    add_command(
        commands, "replicas", "show every replica of config.yaml, and how far each is", "  replicas\n  replicas --json"
    )
    add_command(commands, "links", "show the links to peers, and when each last met", "  links\n  links --replica two")
    link = add_command(commands, "link", "cut or heal the link to a peer", "  link cut two\n  link heal two three")
    link.add_argument("action", choices=("cut", "heal"))
    link.add_argument("peers", nargs="+", metavar="PEER", help="labels of peers")
    sync = add_command(commands, "sync", "exchange writes with peers now", "  sync\n  sync two")
    sync.add_argument("peers", nargs="*", metavar="PEER", help="default: every peer whose link is up")
    log = add_command(
        commands,
        "log",
        "show the replica's writes: committed in their order, then tentative",
        "  log\n  log --last 50\n  log --after 1764547200000000@one~k3v9qd",
    )
    which = log.add_mutually_exclusive_group()
    which.add_argument("--last", type=word.count, default=20, metavar="N", help="how many, from the end (default: 20)")
    which.add_argument("--after", metavar="ID", help="all after this write")
    add_command(
        commands, "commit", "commit what is tentative at the primary (with `commit: manual`)", "  commit --replica one"
    )


def _session(commands: Any) -> None:
    parser = add_command(
        commands,
        "session",
        "show what your session guarantees, whichever replica you use; set it, or begin anew",
        "  session\n  session --guarantees RYW,MR\n  session --guarantees none\n  session reset",
    )
    parser.add_argument("action", nargs="?", choices=("show", "reset"), default="show")
    parser.add_argument("--guarantees", type=word.guarantees, metavar="LIST", help="of RYW,MR,WFR,MW; all or none")


def _login(commands: Any) -> None:
    add_command(
        commands,
        "login",
        "keep your token, where replicas ask for one",
        "  login                       asks for it, and does not show it\n"
        "  login < token.txt\n  BAYOU_TOKEN=… python client.py vish status     without keeping it",
    )
    add_command(commands, "logout", "forget the token that login kept", "  logout")


def _export(commands: Any) -> None:
    parser = add_command(
        commands,
        "export",
        "write your reservations, or a room's, into a calendar file",
        "  export mine.ics\n  export room.ics --room 6.12\n"
        "It holds a month back and a year ahead; `import` makes nothing twice of it.\n"
        "To subscribe instead: http://HOST:PORT/users/NAME/calendar.ics or /rooms/ROOM/calendar.ics",
    )
    parser.add_argument("file", metavar="FILE.ics")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--room", metavar="ROOM", help="a room's")
    which.add_argument("--of", type=word.user, metavar="USER", help="another user's")


def _admin(commands: Any) -> None:
    parser = add_command(
        commands,
        "admin",
        "retire a replica, promote another primary, truncate the log, carry writes in a file, add people",
        "  admin retire --replica three\n  admin promote --replica two      two asks the primary to hand over\n"
        "  admin promote --force --replica two    the primary is lost for good\n  admin truncate 1000",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    retire = add_command(
        actions, "retire", "take the replica out of the cluster; a primary hands over first", "  admin retire"
    )
    retire.add_argument("--to", metavar="LABEL", help="who takes over, if it is the primary, and is told first")
    promote = add_command(
        actions, "promote", "make a replica the primary: the one asked or, asked at the primary, another one",
        "  admin promote --replica two\n  admin promote two --replica one",
    )  # fmt: skip
    promote.add_argument("label", nargs="?", metavar="LABEL", help="default: the replica that is asked")
    promote.add_argument("--force", action="store_true", help="without the present primary; its later commits are void")
    give = add_command(
        actions, "export", "write what another replica lacks into a file", "  admin export out.bayou --for three"
    )
    give.add_argument("file", metavar="FILE")
    only = give.add_mutually_exclusive_group()
    only.add_argument("--for", dest="receiver", metavar="LABEL|URL", help="only what this one lacks (default: all)")
    only.add_argument("--since", metavar="FILE", help="the same of one out of reach: its GET /replica, kept in a file")
    give.add_argument("--volume-mib", type=word.volume, metavar="N", help="begin another file after so much (1-64)")
    take = add_command(actions, "import", "take what is in such files", "  admin import out.bayou --replica three")
    take.add_argument("files", metavar="FILE", nargs="+", help="in the order in which they were written, or FILE*")
    people_arguments.add_arguments(actions)
    truncate = add_command(actions, "truncate", "drop old committed writes from the log", "  admin truncate 1000")
    truncate.add_argument("keep", type=word.keep, metavar="KEEP", help="how many committed writes stay")
