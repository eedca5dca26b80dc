"""The arguments of the `admin` commands. Operators manage replicas with these commands; managers manage people."""

from __future__ import annotations

from cli.arguments import values
from cli.arguments.parser import Parser

ROLES = ("user", "manager", "guest")


def add_commands(commands: Parser) -> None:
    admin = commands.add_command(
        "admin",
        "operate a replica, and manage people",
        "  admin retire --replica three\n  admin promote --replica two            the primary hands its role"
        " over to two\n"
        "  admin promote --force --replica two    the primary will never run again\n  admin truncate 1000\n"
        "  admin forget three --yes               three will never run again\n  admin waiting\n"
        "  admin export out.bayou --for three\n  admin import out.bayou --replica three\n  admin user add priyal",
    )
    admin.begin_commands("action", "ACTION")
    retire = admin.add_command(
        "retire",
        "take the replica out of the cluster; if it is the primary, another replica becomes the primary",
        "  admin retire --replica three\n  admin retire --replica one --to two",
    )
    retire.add(
        "--to",
        "LABEL",
        "the peer that receives the writes, and that becomes the primary if this replica is the primary",
    )
    forget = admin.add_command(
        "forget",
        "forget another replica that will never run again; its writes on other replicas are kept",
        "  admin forget three        shows which writes may be lost\n  admin forget three --yes",
    )
    forget.add("lost", "ID", "the label or the id of the lost replica")
    forget.add_flag("--yes", "forget the replica although its last writes may be lost")
    admin.add_command(
        "waiting",
        "list tentative writes that wait for long, or whose replica is unreachable or forgotten",
        "  admin waiting --replica two",
    )
    promote = admin.add_command(
        "promote",
        "make a replica the primary",
        "  admin promote --replica two        two becomes the primary\n"
        "  admin promote two --replica one    the same; the request goes to the primary, one",
    )
    promote.add("label", "LABEL", "the new primary (default: the replica that gets the request)", nargs="?")
    promote.add_flag("--force", "do not ask the current primary; its commits that the new primary lacks become void")
    promote.add_flag("--yes", "with --force: even if the current primary answers")
    activate = admin.add_command(
        "activate",
        "let clients use a new version of an application; all replicas must have this version",
        "  admin activate rooms/2",
    )
    activate.add("application", "NAME/VERSION", "the application and its version")
    invite = admin.add_command(
        "invite",
        "let a new replica join through this one within an hour; needed unless `auth: none`",
        "  admin invite four --replica one",
    )
    invite.add("label", "LABEL", "the label of the new replica")
    give = admin.add_command(
        "export",
        "export writes to a file, for a replica that this replica cannot reach",
        "  admin export out.bayou --for three\n  admin export out.bayou --since three.json\n"
        "  admin export out.bayou --volume-mib 16    files out.bayou, out.bayou.2, out.bayou.3 …",
    )
    give.add("file", "FILE", "the file to write; an earlier export in this file is replaced")
    only = give.add_mutually_exclusive_group()
    give.add("--for", "LABEL|URL", "only the writes that the given replica lacks (default: all)", only, dest="receiver")
    give.add(
        "--since",
        "FILE",
        "only the writes that a replica lacks; FILE has the answer of that replica to GET /replica",
        only,
    )
    volume_mib = values.number(1, values.VOLUME_MIB_MAX)
    volume_help = f"begin another file after N MiB, 1 to {values.VOLUME_MIB_MAX}"
    give.add("--volume-mib", "N", volume_help, type=volume_mib)
    take = admin.add_command(
        "import",
        "import the writes from the files of `admin export`",
        "  admin import out.bayou --replica three\n  admin import out.bayou* --replica three",
    )
    take.add("files", "FILE", "the files of the export", nargs="+")
    truncate = admin.add_command("truncate", "drop old committed writes from the log", "  admin truncate 1000")
    truncate.add("keep", "KEEP", "how many committed writes stay", type=values.number(0, values.KEEP_MAX))
    check = admin.add_command(
        "check-times",
        "list reservations whose local time is not the requested one, because a time zone or its rules changed",
        "  admin check-times\n  admin check-times --move-back    exit status 3: some could not be moved",
    )
    check.add_flag("--move-back", "move these reservations to their requested local times")
    _add_user(admin)


def _add_user(admin: Parser) -> None:
    user = admin.add_command(
        "user",
        "add people, give them roles and tokens, revoke them",
        "  admin user list\n  admin user add priyal\n  admin user add neil --role manager\n"
        "  admin user role neil guest\n  admin user token priyal     a new token; the old one ends\n"
        "  admin user revoke neil\n"
        "Add the first manager on the machine of a replica, with the operator's token:\n"
        "  BAYOU_TOKEN=$(cat data/one/operator.token) python client.py operator admin user add vish --role manager",
    )
    user.begin_commands("person_action", "ACTION")
    user.add_command("list", "list people and their roles", "  admin user list")
    add = user.add_command("add", "add a person, and show the token once", "  admin user add priyal --role user")
    role = user.add_command("role", "give a person another role", "  admin user role priyal manager")
    token = user.add_command("token", "give a person a new token, and show it once", "  admin user token priyal")
    revoke = user.add_command("revoke", "take away a person's role and token", "  admin user revoke priyal")
    for parser in (add, role, token, revoke):
        parser.add("name", "NAME", "the person's user name", type=values.name("user name"))
    add.add("--role", None, "the role of the person (default: user)", choices=ROLES, default="user")
    role.add("role", None, "the new role of the person", choices=ROLES)
