"""The `admin user` commands, which change people and their roles."""

from __future__ import annotations

from argparse import Namespace

from cli.context import Context
from cli.output.screen import clean
from cli.rest import Json, segment


def people(context: Context, arguments: Namespace) -> None:
    actions = {"list": _list, "add": _add, "role": _role, "token": _token, "revoke": _revoke}
    actions[arguments.person_action](context, arguments)


def _list(context: Context, _arguments: Namespace) -> None:
    found = context.replica.get_all("/people", "people")["people"]
    context.screen.json({"people": found})
    context.screen.table([(person["name"], person["role"]) for person in found])
    if not found:
        context.screen.line("nobody yet; `admin user add NAME` adds a person, with `auth: tokens` in the configuration")


def _add(context: Context, arguments: Namespace) -> None:
    body = {"name": arguments.name, "role": arguments.role}
    _show_token(context, context.act("POST", "/people", body))


def _token(context: Context, arguments: Namespace) -> None:
    _show_token(context, context.act("POST", f"{_path(arguments)}/token"))


def _role(context: Context, arguments: Namespace) -> None:
    answer = context.act("PATCH", _path(arguments), {"role": arguments.role})
    context.screen.line(f"{clean(answer.get('name'))} is a {clean(answer.get('role'))}")


def _revoke(context: Context, arguments: Namespace) -> None:
    answer = context.act("DELETE", _path(arguments))
    context.screen.line(f"{clean(answer.get('name'))} is revoked; the reservations stay, and a manager can cancel them")


def _show_token(context: Context, answer: Json) -> None:
    name = clean(answer.get("name"))
    context.screen.line(f"{name} is a {clean(answer.get('role'))}. The token, which is shown only now:")
    context.screen.line(f"  {clean(answer.get('token'))}")
    context.screen.line(f"{name} gives it to `python client.py {name} login`, or types it on the web page /login.")


def _path(arguments: Namespace) -> str:
    return f"/people/{segment(arguments.name)}"
