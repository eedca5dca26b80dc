"""The user's session: what was written and read so far, as the token that replicas give and take, whichever replica it
is.

It is kept in a file of the user's, over commands and over `use REPLICA`. What is in the token only replicas know.
"""

from __future__ import annotations

import contextlib
import json
import os
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.problems import DONE
from cli.replica_addresses import state_folder

if TYPE_CHECKING:
    from cli.context import Context

GUARANTEES = {
    "RYW": "read your writes: what you have written is there when you read",
    "MR": "monotonic reads: what you have seen does not vanish",
    "WFR": "writes follow reads: what you write comes after what you have seen",
    "MW": "monotonic writes: what you write comes after what you have written",
}
AHEAD = " With --wait 10 it may wait; `use` chooses another replica; `session reset` forgets what you have seen."


@dataclass
class Session:
    """`guarantees` is what the user wants, None for what goes by itself: all four, but none in the committed view,
    which lags behind whatever one has just written."""

    path: Path
    token: str = ""
    guarantees: str | None = None
    wait_s: int = 0

    @classmethod
    def load(cls, user: str, environment: Mapping[str, str]) -> Session:
        """As it was kept; a new one where the file is missing or unreadable."""
        path = state_folder(environment) / f"{user}.session.json"
        try:
            kept = json.loads(path.read_text("utf-8"))
            return cls(path, str(kept["token"]), kept["guarantees"])
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path)

    def headers(self, *, committed: bool) -> dict[str, str]:
        """What a request carries; `committed` when it asks for the committed view."""
        wanted = "" if self.guarantees is None and committed else self.guarantees
        found = {"Bayou-Session": self.token}
        if wanted is not None:
            found["Bayou-Guarantees"] = wanted
        if self.wait_s:
            found["Bayou-Wait"] = str(self.wait_s * 1000)
        return found

    def take(self, token: str | None) -> None:
        """Go on from what a replica answered."""
        if token is not None:
            self.token = token

    def keep(self) -> None:
        """Write it down, as a whole. Where that cannot be, the session ends with this process."""
        beside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps({"token": self.token, "guarantees": self.guarantees}) + "\n", "utf-8")
            beside.replace(self.path)


def session(context: Context, arguments: Namespace) -> int:
    """The command: show the session, set its guarantees, or begin a new one."""
    present = context.session
    if arguments.action == "reset":
        present.token = ""
    if arguments.guarantees is not None:
        present.guarantees = arguments.guarantees
    names = list(GUARANTEES) if present.guarantees is None else [name for name in present.guarantees.split(",") if name]
    context.screen.json({"begun": bool(present.token), "guarantees": names, "token": present.token})
    state = "goes on from what you have read and written" if present.token else "begins with your next command"
    context.screen.line(f"the session of {context.user} {state}")
    for name, meaning in GUARANTEES.items():
        chosen = context.screen.paint("✓", "green") if name in names else context.screen.paint("–", "dark_grey")
        context.screen.line(f"  {chosen} {name:<4} {meaning}")
    return DONE
