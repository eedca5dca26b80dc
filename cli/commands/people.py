"""What a manager does with people and their roles: `admin user …`. Each returns its exit status."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from cli.context import Context
from cli.problems import DONE
from cli.rest import segment
from cli.screen import clean


def people(context: Context, arguments: Namespace) -> int:
    """The action that was named."""
    actions = {"list": _list, "add": _add, "role": _role, "token": _token, "revoke": _revoke}
    return actions[arguments.person_action](context, arguments)


def _list(context: Context, _arguments: Namespace) -> int:
    found = context.replica.get_all("/people", "people")
    context.screen.json({"people": found})
    context.screen.table([(clean(person["name"]), clean(person["role"])) for person in found])
    if not found:
        context.screen.line("nobody yet; `admin user add NAME` adds a person")
    return DONE


def _add(context: Context, arguments: Namespace) -> int:
    body = {"name": arguments.name, "role": arguments.role}
    return _with_token(context, context.replica.act("POST", "/people", body))


def _token(context: Context, arguments: Namespace) -> int:
    return _with_token(context, context.replica.act("POST", f"{_path(arguments)}/token"))


def _role(context: Context, arguments: Namespace) -> int:
    answer = context.replica.act("PATCH", _path(arguments), {"role": arguments.role})
    context.screen.json(answer)
    context.screen.line(f"{clean(answer.get('name'))} is a {clean(answer.get('role'))}")
    return DONE


def _revoke(context: Context, arguments: Namespace) -> int:
    answer = context.replica.act("DELETE", _path(arguments))
    context.screen.json(answer)
    context.screen.line(f"{clean(answer.get('name'))} is revoked; the reservations stay, and a manager may cancel them")
    return DONE


def _with_token(context: Context, answer: dict[str, Any]) -> int:
    context.screen.json(answer)
    name = clean(answer.get("name"))
    context.screen.line(f"{name} is a {clean(answer.get('role'))}. The token, shown this once:")
    context.screen.line(f"  {clean(answer.get('token'))}")
    context.screen.line(f"{name} keeps it with `python client.py {name} login`, or types it on the page /login.")
    return DONE


def _path(arguments: Namespace) -> str:
    return f"/people/{segment(arguments.name)}"
