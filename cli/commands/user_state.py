"""The commands that change the client's own files: use, session, login and logout."""

from __future__ import annotations

import getpass
import sys
from argparse import Namespace

from cli.client_session import GUARANTEES
from cli.context import Context
from cli.discovery import probe
from cli.problems import Problem, Usage
from cli.replica_addresses import remember
from cli.state import replace_file, state_file


def use(context: Context, arguments: Namespace) -> None:
    """Choose the replica for the next commands. The replica may be down: it can be chosen before it is started."""
    address = context.find_replica(arguments.name)
    context.switch(address)
    remember(context.user, address, context.environment)
    reachable = probe(context.connect, address) is not None
    context.screen.json({"replica": address.label, "url": address.url, "reachable": reachable})
    state = "" if reachable else context.screen.paint("  (nothing answers there now)", "red")
    context.screen.line(f"using {context.here} at {address.short_url}{state}")
    if context.environment.get("BAYOU_REPLICA"):
        context.screen.note("the variable BAYOU_REPLICA overrides `use`; unset the variable")


def session(context: Context, arguments: Namespace) -> None:
    """Show the client session, choose its guarantees, or start a new session."""
    current = context.client_session
    if arguments.action == "reset":
        current.token = ""
    if arguments.guarantees is not None:
        current.guarantees = arguments.guarantees
    names = list(GUARANTEES) if current.guarantees is None else [name for name in current.guarantees.split(",") if name]
    context.screen.json({"begun": bool(current.token), "guarantees": names, "token": current.token})
    state = "continues from what you have read and written" if current.token else "begins with your next command"
    context.screen.line(f"the session of {context.user} {state}")
    for name, meaning in GUARANTEES.items():
        chosen = context.screen.paint("✓", "green") if name in names else context.screen.paint("–", "dark_grey")
        context.screen.line(f"  {chosen} {name:<4} {meaning}")


def login(context: Context, _arguments: Namespace) -> None:
    """Ask for a token, check that it belongs to this user, and store it."""
    token = (getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline()).strip()
    if not token:
        raise Usage(
            "No token was given. A manager makes a token with `admin user add NAME` or `admin user token NAME`."
        )
    context.replica.set_token(token)
    answer = context.replica.get("/login")
    if answer.get("auth") != "tokens":
        raise Problem(
            "auth_off", f"{context.address.label} needs no token (`auth: {answer.get('auth')}`), so none was stored."
        )
    if answer.get("user") != context.user:
        owner = answer.get("user")
        message = f"The token belongs to {owner}, not to {context.user}. Run `python client.py {owner} login` instead."
        raise Problem("other_user", message)
    path = state_file(context.user, ".token", context.environment)
    try:
        replace_file(path, token)
    except OSError as error:
        raise Problem(
            "state_unwritable", f"Cannot store the token in {path}: {error.strerror}. Check the folder."
        ) from error
    context.screen.json({**answer, "file": str(path)})
    context.screen.line(f"logged in as {context.user} ({answer.get('role')}); the token is in {path}")


def logout(context: Context, _arguments: Namespace) -> None:
    """Delete the token that `login` stored. The token stays valid until a manager revokes it."""
    path = state_file(context.user, ".token", context.environment)
    path.unlink(missing_ok=True)
    context.screen.json({"user": context.user, "file": str(path)})
    context.screen.line(f"the token of {context.user} is forgotten here; it stays valid until a manager revokes it")
