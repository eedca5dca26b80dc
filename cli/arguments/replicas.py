"""The arguments of the commands with which a class looks at replicas and works with them."""

from __future__ import annotations

from cli.arguments import values
from cli.arguments.parser import Parser


def add_commands(commands: Parser) -> None:
    watch = commands.add_command(
        "watch",
        "show your reservations move and commit as it happens, until Ctrl-C",
        "  watch             your reservations\n  watch 8f3a        one of them\n"
        "  watch --all       everything that the replica does\n  watch --json      an event a line, for programs",
    )
    which = watch.add_mutually_exclusive_group()
    watch.add_argument("reservation", group=which, nargs="?", metavar="ID", help="only this reservation")
    watch.add_argument(
        "--all",
        group=which,
        action="store_true",
        help="everybody's reservations and songs, links, sessions, and changes of the membership",
    )
    commands.add_command(
        "replicas", "show every replica of the cluster, and how far each one is", "  replicas\n  replicas --json"
    )
    commands.add_command("links", "show the links to peers, and the last session", "  links\n  links --replica two")
    link = commands.add_command("link", "cut or heal links to peers", "  link cut two\n  link heal two three")
    link.add_argument("action", choices=("cut", "heal"), help="what to do with the links")
    link.add_argument("peers", nargs="+", metavar="PEER", help="the labels of the peers")
    sync = commands.add_command("sync", "exchange writes with peers now", "  sync\n  sync two")
    sync.add_argument("peers", nargs="*", metavar="PEER", help="their labels (default: all whose link is up)")
    log = commands.add_command(
        "log",
        "show the replica's log: committed writes in their order, then tentative ones",
        "  log\n  log --last 50\n  log --after 1764547200000000@one~k3v9qd",
    )
    which = log.add_mutually_exclusive_group()
    log.add_argument(
        "--last",
        group=which,
        type=values.number(1, values.COUNT_MAX),
        default=20,
        metavar="N",
        help="how many, from the end (default: 20)",
    )
    log.add_argument("--after", group=which, metavar="ID", help="all after the write with this id")
    commands.add_command(
        "commit", "commit what is tentative; for a primary with `commit: manual`", "  commit --replica one"
    )
