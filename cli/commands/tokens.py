"""The user's token, where replicas ask for one: from the environment, or as `login` kept it.

BAYOU_TOKEN goes first; else the file USER.token in the client's state folder, readable by its owner alone.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cli.problems import DONE, Problem, Usage
from cli.replica_addresses import state_folder

if TYPE_CHECKING:
    from pathlib import Path

    from cli.context import Context

VARIABLE = "BAYOU_TOKEN"


def token_of(user: str, environment: Mapping[str, str]) -> str | None:
    """None where there is none; one that cannot be in a header counts as none."""
    token = environment.get(VARIABLE, "").strip()
    if not token:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            token = _path(user, environment).read_text("utf-8").strip()
    return token if token and token.isascii() and token.isprintable() else None


def login(context: Context, _arguments: Namespace) -> int:
    """Ask for a token, see whose it is, and keep it."""
    token = getpass.getpass("token: ") if sys.stdin.isatty() else sys.stdin.readline()
    token = token.strip()
    if not token:
        raise Usage("No token was given. A manager makes one: `admin user add NAME`, or `admin user token NAME`.")
    context.replica.bear(token)
    answer = context.replica.get("/login")
    if answer.get("auth") != "tokens":
        raise Problem("auth_off", f"{context.place.label} asks for no token (`auth: none`). Nothing was kept.")
    if answer.get("user") != context.user:
        message = f"That is the token of {answer.get('user')}: use the name {answer.get('user')}. Nothing was kept."
        raise Problem("other_user", message)
    path = _path(context.user, context.environment)
    try:
        _write(path, token)
    except OSError as error:
        raise Problem("state_unwritable", f"Cannot keep the token in {path}: {error.strerror}.") from error
    context.screen.json({**answer, "file": str(path)})
    context.screen.line(f"logged in as {context.user} ({answer.get('role')}); the token is in {path}")
    return DONE


def logout(context: Context, _arguments: Namespace) -> int:
    """Forget the token that `login` kept. It is valid until a manager revokes it."""
    path = _path(context.user, context.environment)
    path.unlink(missing_ok=True)
    context.screen.json({"user": context.user, "file": str(path)})
    context.screen.line(f"the token of {context.user} is forgotten here; to end it, `admin user revoke {context.user}`")
    return DONE


def _path(user: str, environment: Mapping[str, str]) -> Path:
    return state_folder(environment) / f"{user}.token"


def _write(path: Path, token: str) -> None:
    """Atomically, and never readable by others, not even for a moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{token}\n")
    beside.replace(path)
