"""The application of membership writes, `members/1`: what a creation, a retirement and a primary write say.

It is the protocol's own, so every store plays it beside the applications that it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayou.application import LuaApplication
from bayou.write import Draft, Write

PAGE = "members"
SYSTEM = "bayou"  # the user of membership writes


@dataclass(frozen=True, slots=True)
class Member:
    """A created server, where it listens (HOST:PORT), and the request under which it was created."""

    id: str
    label: str
    rest: str
    anti_entropy: str
    request: str


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
            found.append(Member(server, *value.split("\t")))
    return found


def label_of(server: str, created: Iterable[Member]) -> str | None:
    """The label of a server: it stands in a minted id, `LABEL~NONCE`; of a created one, among the members."""
    label, tilde, _ = server.partition("~")
    if tilde and ":" not in label:
        return label
    return next((member.label for member in created if member.id == server), None)


def describe(write: Write) -> dict[str, Any]:
    """What a membership write says, for screens."""
    return {"membership": write.op, **write.args}


MEMBERS = LuaApplication(
    name="members",
    version=1,
    lua=Path(__file__).parent / "lua" / "members.lua",
)
