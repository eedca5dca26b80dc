"""The arguments of the commands for relations of records."""

from __future__ import annotations

from cli.arguments.parser import Parser, add_request, add_until_final


def add_commands(commands: Parser) -> None:
    define = commands.add_command("define", "define a relation of records, from a file", "  define meetings.yaml")
    write = commands.add_command(
        "write",
        "write records; FILE has the changes, the check and the alternatives",
        "  write meeting.yaml\n  write cancel.yaml --set day=2026-12-01 --set start=540\n"
        "  write meeting.yaml --until-final 30s",
    )
    read = commands.add_command(
        "read",
        "read records by a query",
        """  read "SELECT start, who FROM meetings WHERE room = '6.12' AND day = '2026-12-01' ORDER BY start"\n"""
        """  read "SELECT * FROM meetings WHERE room = '6.12' AND day IN ('2026-12-01', '2026-12-02')" --committed""",
    )
    commands.add_command("relations", "list the relations and their attributes", "  relations")
    drop = commands.add_command("drop", "drop a relation; its name is free again", "  drop meetings")
    conflicts = commands.add_command(
        "conflicts",
        "list writes that were rejected, moved or without effect, and the records in conflict",
        "  conflicts\n  conflicts --room 6.12 --on tomorrow\n  conflicts meetings",
    )
    for parser in (define, write):
        parser.add("file", "FILE", "a YAML file; - reads standard input")
        add_request(parser)
    for parser in (write, read):
        parser.add(
            "--set", "NAME=VALUE", "the value of :NAME in the SQL", dest="parameters", action="append", default=[]
        )
    add_until_final(write)
    read.add("query", "QUERY", "SELECT … FROM … WHERE …")
    read.add_flag("--committed", "only what is final")
    drop.add("relation", "RELATION", "the name of the relation")
    add_request(drop)
    conflicts.add("relation", "RELATION", "only writes to this relation; by default rooms and all relations", nargs="?")
    conflicts.add("--user", "USER", "only writes of this user", dest="of_user")
    conflicts.add("--room", "ROOM", "only reservations that wanted or got this room")
    conflicts.add("--on", "DATE", "only reservations that wanted or got a time on this day")
