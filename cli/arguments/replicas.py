"""The arguments of the commands that show replicas, watch them, and change their links."""

from __future__ import annotations

from cli.arguments import values
from cli.arguments.parser import Parser


def add_commands(commands: Parser) -> None:
    watch = commands.add_command(
        "watch",
        "show each change of your reservations and writes of records when the change happens, until Ctrl-C",
        "  watch             your reservations and writes\n  watch 8f3a        one reservation or write of records\n"
        "  watch --all       everything that the replica does\n  watch --json      an event a line, for programs",
    )
    which = watch.add_mutually_exclusive_group()
    watch.add("identifier", "ID", "only this reservation or write", which, nargs="?")
    watch.add_flag(
        "--all", "everybody's reservations, writes and songs, links, sessions, and changes of the membership", which
    )
    commands.add_command(
        "replicas",
        "show every replica of the cluster, and how many writes each replica has",
        "  replicas\n  replicas --json",
    )
    commands.add_command("links", "show the links to peers, and the last session", "  links\n  links --replica two")
    link = commands.add_command("link", "cut or heal links to peers", "  link cut two\n  link heal two three")
    link.add("action", None, "what to do with the links", choices=("cut", "heal"))
    link.add("peers", "PEER", "the labels of the peers", nargs="+")
    sync = commands.add_command("sync", "exchange writes with peers now", "  sync\n  sync two")
    sync.add("peers", "PEER", "the labels of the peers (default: all peers whose link is up)", nargs="*")
    pace = commands.add_command(
        "pace",
        "set whether a replica sends and commits writes by itself (auto) or only on request (manual)",
        "  pace manual --replica two     then `sync` and `commit` do one step at a time\n  pace auto",
    )
    pace.add("pace", None, "the pace of the replica, also after a restart", choices=("manual", "auto"))
    log = commands.add_command(
        "log",
        "show the replica's log: committed writes in their order, then tentative ones",
        "  log\n  log --last 50\n  log --after 1764547200000000@one~k3v9qd",
    )
    which = log.add_mutually_exclusive_group()
    number = values.number(1, values.COUNT_MAX)
    log.add("--last", "N", "how many writes, from the end of the log (default: 20)", which, type=number, default=20)
    log.add("--after", "ID", "all writes after the write with this id", which)
    commands.add_command(
        "commit",
        "commit the tentative writes; for a primary with `commit: manual` or manual pace",
        "  commit --replica one",
    )
