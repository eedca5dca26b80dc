"""The application of membership writes, `members/1`: what a creation, a retirement and a primary write say.

It is the protocol's own, so every store plays it beside the applications that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayou.application import Application
from bayou.write import Draft, Write

PAGE = "members"
SYSTEM = "bayou"  # the user of membership writes


@dataclass(frozen=True, slots=True)
class Member:
    """A created server and where it listens (HOST:PORT)."""

    id: str
    label: str
    rest: str
    anti_entropy: str


def draft(op: str, request: str, accepted_at: str, args: Mapping[str, Any]) -> Draft:
    """A membership write: op is create | retire | primary."""
    return Draft(
        app=MEMBERS.tag,
        op=op,
        check="",
        merge="",
        args=args,
        pages=(PAGE,),
        user=SYSTEM,
        request=request,
        accepted_at=accepted_at,
    )


def decode(page: Mapping[str, str]) -> list[Member]:
    """The created servers of the page, by id."""
    found = []
    for field, value in sorted(page.items()):
        kind, _, server = field.partition(":")
        if kind == "server":
            label, rest, anti_entropy = value.split("\t")
            found.append(Member(server, label, rest, anti_entropy))
    return found


def _describe(write: Write, _outcome: str) -> dict[str, Any]:
    return {"membership": write.op, **write.args}


MEMBERS = Application(
    name="members",
    version=1,
    lua=(Path(__file__).parent / "lua" / "members.lua").read_text(),
    describe=_describe,
    register=lambda _api, _service: None,
)
