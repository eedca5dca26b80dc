"""The words of `admin user …`: people, roles and tokens."""

from __future__ import annotations

from typing import Any

from cli.arguments.base import add_command
from cli.arguments.values import user as user_word

ROLES = ("user", "manager", "guest")


def add_arguments(actions: Any) -> None:
    """`admin user` and its actions, below `admin`."""
    parser = add_command(
        actions,
        "user",
        "add people, give them roles and tokens, revoke them",
        "  admin user list\n  admin user add priyal\n  admin user add neil --role manager\n"
        "  admin user role neil guest\n  admin user token priyal     another token; the one before ends\n"
        "  admin user revoke neil\n"
        "  BAYOU_TOKEN=$(cat data/one/operator.token) python client.py operator admin user add vish --role manager\n"
        "                              the first manager, at the machine of a replica",
    )
    people = parser.add_subparsers(dest="person_action", metavar="ACTION", required=True)
    add_command(people, "list", "list people and their roles", "  admin user list")
    add = add_command(people, "add", "add a person; prints the token, this once", "  admin user add priyal")
    add.add_argument("name", type=user_word, metavar="NAME")
    add.add_argument("--role", choices=ROLES, default="user")
    role = add_command(people, "role", "give a person another role", "  admin user role priyal manager")
    role.add_argument("name", type=user_word, metavar="NAME")
    role.add_argument("role", choices=ROLES)
    token = add_command(
        people, "token", "give a person another token; prints it, this once", "  admin user token priyal"
    )
    token.add_argument("name", type=user_word, metavar="NAME")
    revoke = add_command(people, "revoke", "take a person's role and token", "  admin user revoke priyal")
    revoke.add_argument("name", type=user_word, metavar="NAME")
