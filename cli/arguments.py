"""The commands and their options, the same for the shell and for the prompt. It reads words, and does nothing.

Times stay text here: only the building's zone, which a replica names, gives them a meaning.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from cli import words as word
from cli.problems import Usage
from cli.times import DATE_FORMS, LENGTH_FORMS, TIME_FORMS
from cli.words import CALENDAR_DAYS_MAX, MERGES

OVERVIEW = """\
examples:
  python client.py vish                                the prompt; `help` inside
  python client.py vish rooms
  python client.py vish reserve --room 6.12 --at 2026-12-01T09:00 --for 1h --or 10:00 --purpose "weekly"
  python client.py vish status
  python client.py vish cancel 8f3a
  python client.py vish --replica two calendar 6.12 --on tomorrow
  python client.py vish watch --json
  python client.py vish put eyesOfTexas https://www.utexas.edu/song

marks: ? tentative, may still move   ✓ committed, final   ✗ rejected   – cancelled
exit status: 0 done (tentative too), 1 error, 2 usage, 3 no alternative free, 4 replica unreachable
replica: --replica, else $BAYOU_REPLICA, else the last `use`, else the first of config.yaml, else 127.0.0.1:8001
colour: on a terminal only, and not with NO_COLOR"""

TIMES_HELP = f"times: {TIME_FORMS}.\n  A bare 10:00 in --or and --to takes the date of --at.\nlengths: {LENGTH_FORMS}."


class Parser(argparse.ArgumentParser):
    """A parser whose errors are Usage problems, so that the prompt survives them and --json can print them."""

    def error(self, message: str) -> NoReturn:
        name = self.prog.split()[-1] if " " in self.prog else ""
        raise Usage(f"{message[:1].upper()}{message[1:]}. See `{f'{name} ' if name else ''}--help`.")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Epilogs keep their lines, and a time of two words reads TIME."""

    def _format_args(self, action: argparse.Action, default_metavar: str) -> str:
        return "TIME" if action.metavar == "TIME" else super()._format_args(action, default_metavar)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The words of a whole command line: USER [COMMAND …]. Raises Usage; leaves by SystemExit after --help."""
    return build().parse_args(list(words))


def build() -> Parser:
    parser = Parser(
        prog="client.py",
        description="Reserve meeting rooms at a replica that may be cut off from all others.",
        epilog=OVERVIEW,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("user", metavar="USER", type=word.user, help="who you are; alone, it starts the prompt")
    _add_common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for add in (
        _reserve,
        _status,
        _calendar,
        _cancel,
        _move,
        _watch,
        _use,
        _import,
        _rooms,
        _playlist,
        _classroom,
        _session,
        _admin,
    ):
        add(commands)
    return parser


def commands_of(parser: Parser) -> dict[str, argparse.ArgumentParser]:
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


def _add(commands: Any, name: str, what: str, examples: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=what,
        description=f"{what[:1].upper()}{what[1:]}.",
        epilog=f"examples:\n{examples}",
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    _add_common(parser, top=False)
    return parser


def _add_common(parser: argparse.ArgumentParser, top: bool) -> None:
    """Options that stand before the command or after it; after it, absence must not undo what stood before."""
    absent: Any = None if top else argparse.SUPPRESS
    group = parser.add_argument_group("for every command")
    group.add_argument("--replica", metavar="LABEL|URL", default=absent, help="the replica to ask, this time")
    group.add_argument("--config", metavar="PATH", default=absent, help="labels and addresses (default: config.yaml)")
    group.add_argument(
        "--wait", type=word.seconds, metavar="SECONDS", default=absent, help="for a replica that is behind your session"
    )
    group.add_argument("--json", action="store_true", default=False if top else absent, help="JSON on standard output")


def _add_slots(parser: argparse.ArgumentParser, length_required: bool) -> None:
    parser.add_argument("--at", nargs="+", required=True, metavar="TIME", help="when it starts")
    group = parser.add_mutually_exclusive_group(required=length_required)
    group.add_argument("--for", dest="length", type=word.length, metavar="LENGTH", help="how long it lasts")
    group.add_argument("--to", nargs="+", metavar="TIME", help="when it ends, instead of --for")
    parser.add_argument(
        "--or", dest="others", nargs="+", action="append", default=[], metavar="TIME", help="else then (repeatable)"
    )


def _add_merge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--merge", type=word.merge, metavar="NAME", help=f"what to do when it is taken: {', '.join(MERGES)}"
    )
    parser.add_argument("--window", type=word.length, metavar="LENGTH", help="nearest_free_time: how far it may move")
    parser.add_argument(
        "--else-room",
        dest="else_rooms",
        action="append",
        default=[],
        metavar="ROOM",
        help="another_room: a room to take instead (repeatable)",
    )


def _add_request(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--request", type=word.request, metavar="ID", help="repeat a request that got no answer")


def _reserve(commands: Any) -> None:
    parser = _add(
        commands,
        "reserve",
        "reserve a room",
        "  reserve --room 6.12 --at 2026-12-01T09:00 --for 1h --or 10:00 --or 11:00 --purpose weekly\n"
        "  reserve --room 6.12 --at tomorrow 9:00 --to 10:30\n"
        "  reserve --room 6.12 --at 2026-12-01T09:00+01:00 --for 1h30m --merge nearest_free_time --window 2h\n"
        "  reserve --room 6.12 --at today 14:00 --for 45m --merge another_room --else-room 6.13 --else-room 7.01\n"
        f"{TIMES_HELP}",
    )
    parser.add_argument("--room", required=True, metavar="ROOM", help="the room, as `rooms` names it")
    _add_slots(parser, length_required=True)
    parser.add_argument("--purpose", default="", metavar="TEXT", help="what for, up to 200 characters")
    _add_merge(parser)
    parser.add_argument("--new-room", action="store_true", help="a room that nobody has named before is meant")
    _add_request(parser)


def _status(commands: Any) -> None:
    parser = _add(
        commands,
        "status",
        "show your reservations, or one",
        "  status\n  status 8f3a\n  status --all\n  status priyal/8f3a",
    )
    parser.add_argument(
        "reservation", nargs="?", metavar="ID", help="its id or the beginning of it; USER/ID of another's"
    )
    parser.add_argument("--all", action="store_true", help="past and cancelled ones too (--json always lists all)")


def _calendar(commands: Any) -> None:
    parser = _add(
        commands,
        "calendar",
        "show what is reserved, by room and day",
        "  calendar\n  calendar 6.12 --on 2026-12-01 --days 7\n  calendar 6.12 6.13 --on tomorrow --committed\n"
        f"dates: {DATE_FORMS}",
    )
    parser.add_argument("rooms", nargs="*", metavar="ROOM", help="default: every room with something in it, or listed")
    parser.add_argument("--on", default="today", metavar="DATE", help="the first day (default: today)")
    parser.add_argument("--days", type=word.days, default=1, metavar="N", help=f"days, 1 to {CALENDAR_DAYS_MAX}")
    parser.add_argument("--committed", action="store_true", help="only what is final")


def _cancel(commands: Any) -> None:
    parser = _add(commands, "cancel", "cancel a reservation of yours", "  cancel 8f3a")
    parser.add_argument("reservation", metavar="ID", help="its id or the beginning of it")
    _add_request(parser)


def _move(commands: Any) -> None:
    parser = _add(
        commands,
        "move",
        "move a reservation of yours; it stays where it is if nothing is free",
        "  move 8f3a --at 2026-12-01T14:00\n  move 8f3a --at 2026-12-01T14:00 --or 15:00 --room 6.13\n"
        f"  move 8f3a --at tomorrow 9:00 --for 2h\n{TIMES_HELP}\n  Without --for and --to it keeps its length.",
    )
    parser.add_argument("reservation", metavar="ID", help="its id or the beginning of it")
    _add_slots(parser, length_required=False)
    parser.add_argument("--room", metavar="ROOM", help="another room")
    _add_merge(parser)
    _add_request(parser)


def _watch(commands: Any) -> None:
    parser = _add(
        commands,
        "watch",
        "show reservations move and commit as it happens, until Ctrl-C",
        "  watch\n  watch 8f3a\n  watch --all\n  watch --json",
    )
    parser.add_argument("reservation", nargs="?", metavar="ID", help="only this one (default: all of yours)")
    parser.add_argument("--all", action="store_true", help="everybody's, and links and sessions of the replica")


def _use(commands: Any) -> None:
    parser = _add(
        commands, "use", "choose the replica for your next commands", "  use two\n  use http://127.0.0.1:8002"
    )
    parser.add_argument("name", metavar="REPLICA", help="a label of config.yaml, HOST:PORT or a URL")


def _import(commands: Any) -> None:
    parser = _add(
        commands,
        "import",
        "reserve every event of a calendar file; again, it makes nothing twice",
        "  import timetable.ics\n  import timetable.ics --merge nearest_free_time --window 2h\n"
        "  import timetable.ics --part 2/3     every third event, from the second\n"
        "  import weekly.ics --until 2027-06-30   for events that repeat without an end",
    )
    parser.add_argument("file", metavar="FILE.ics", help="iCalendar; an event's LOCATION is its room")
    parser.add_argument("--part", type=word.part, metavar="K/N", help="only every Nth event, from the Kth")
    parser.add_argument("--until", metavar="DATE", help=f"the last day of repeating events: {DATE_FORMS}")
    _add_merge(parser)


def _rooms(commands: Any) -> None:
    _add(commands, "rooms", "list the rooms", "  rooms")


def _playlist(commands: Any) -> None:
    put = _add(commands, "put", "give a song its URL, or another one", "  put eyesOfTexas https://www.utexas.edu/song")
    put.add_argument("song", type=word.song, metavar="SONG", help="its name, up to 200 characters")
    put.add_argument("url", metavar="URL", help="where it is, up to 2000 characters")
    _add_request(put)
    get = _add(commands, "get", "show the URL of a song", "  get eyesOfTexas\n  get eyesOfTexas --committed")
    get.add_argument("song", type=word.song, metavar="SONG", help="its name")
    delete = _add(commands, "delete", "delete a song, whether it is there or not", "  delete eyesOfTexas")
    delete.add_argument("song", type=word.song, metavar="SONG", help="its name")
    _add_request(delete)
    songs = _add(commands, "songs", "list the songs", "  songs\n  songs --committed")
    for parser in (get, songs):
        parser.add_argument("--committed", action="store_true", help="only what is final")


def _classroom(commands: Any) -> None:
    _add(
        commands, "replicas", "show every replica of config.yaml, and how far each is", "  replicas\n  replicas --json"
    )
    _add(commands, "links", "show the links to peers, and when each last met", "  links\n  links --replica two")
    link = _add(commands, "link", "cut or heal the link to a peer", "  link cut two\n  link heal two three")
    link.add_argument("action", choices=("cut", "heal"))
    link.add_argument("peers", nargs="+", metavar="PEER", help="labels of peers")
    sync = _add(commands, "sync", "exchange writes with peers now", "  sync\n  sync two")
    sync.add_argument("peers", nargs="*", metavar="PEER", help="default: every peer whose link is up")
    log = _add(
        commands,
        "log",
        "show the replica's writes: committed in their order, then tentative",
        "  log\n  log --last 50\n  log --after 1764547200000000@one~k3v9qd",
    )
    which = log.add_mutually_exclusive_group()
    which.add_argument("--last", type=word.count, default=20, metavar="N", help="how many, from the end (default: 20)")
    which.add_argument("--after", metavar="ID", help="all after this write")
    _add(
        commands, "commit", "commit what is tentative at the primary (with `commit: manual`)", "  commit --replica one"
    )


def _session(commands: Any) -> None:
    parser = _add(
        commands,
        "session",
        "show what your session guarantees, whichever replica you use; set it, or begin anew",
        "  session\n  session --guarantees RYW,MR\n  session --guarantees none\n  session reset",
    )
    parser.add_argument("action", nargs="?", choices=("show", "reset"), default="show")
    parser.add_argument("--guarantees", type=word.guarantees, metavar="LIST", help="of RYW,MR,WFR,MW; all or none")


def _admin(commands: Any) -> None:
    parser = _add(
        commands,
        "admin",
        "retire a replica, promote another primary, truncate the log, carry writes in a file",
        "  admin retire --replica three\n  admin promote --replica two      two asks the primary to hand over\n"
        "  admin promote --force --replica two    the primary is lost for good\n  admin truncate 1000",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    retire = _add(
        actions, "retire", "take the replica out of the cluster; a primary hands over first", "  admin retire"
    )
    retire.add_argument("--to", metavar="LABEL", help="who takes over, if it is the primary, and is told first")
    promote = _add(
        actions, "promote", "make a replica the primary: the one asked or, asked at the primary, another one",
        "  admin promote --replica two\n  admin promote two --replica one",
    )  # fmt: skip
    promote.add_argument("label", nargs="?", metavar="LABEL", help="default: the replica that is asked")
    promote.add_argument("--force", action="store_true", help="without the present primary; its later commits are void")
    give = _add(
        actions, "export", "write what another replica lacks into a file", "  admin export out.bayou --for three"
    )
    give.add_argument("file", metavar="FILE")
    give.add_argument("--for", dest="receiver", metavar="LABEL|URL", help="only what this one lacks (default: all)")
    take = _add(actions, "import", "take what is in such a file", "  admin import out.bayou --replica three")
    take.add_argument("file", metavar="FILE")
    truncate = _add(actions, "truncate", "drop old committed writes from the log", "  admin truncate 1000")
    truncate.add_argument("keep", type=word.keep, metavar="KEEP", help="how many committed writes stay")
