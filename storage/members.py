"""The application `members/1`. Its writes create servers, retire servers, and name the primary.

This application is part of the protocol, so every store plays its writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayou.application import LuaApplication
from bayou.names import label_in
from bayou.write import Draft, Write

MEMBERS_PAGE = "members"
SYSTEM_USER = "bayou"  # of membership writes


@dataclass(frozen=True, slots=True)
class Member:
    """A created server: its id, label and addresses (HOST:PORT), and the request that created it."""

    id: str
    label: str
    rest: str
    anti_entropy: str
    request: str


def membership_draft(op: str, request: str, accepted_at: str, args: Mapping[str, Any]) -> Draft:
    """Return the draft of a membership write. `op` is `create`, `retire`, `forget`, `return`, `primary` or
    `activate`."""
    return Draft(
        app=MEMBERS.tag,
        op=op,
        check="",
        merge="",
        args=args,
        pages=(MEMBERS_PAGE,),
        user=SYSTEM_USER,
        request=request,
        accepted_at=accepted_at,
    )


def decode_members(page: Mapping[str, str]) -> list[Member]:
    """Return the created servers that the page `members` lists, ordered by id."""
    found = []
    for field, value in sorted(page.items()):
        kind, _, server = field.partition(":")
        if kind == "server":
            found.append(Member(server, *value.split("\t")))
    return found


def decode_forgotten(page: Mapping[str, str]) -> set[str]:
    """Return the labels of the servers that were forgotten and have not returned."""
    return {field.partition(":")[2] for field in page if field.startswith("forgotten:")}


def label_of(server: str, created: Iterable[Member]) -> str | None:
    """Return the label of a server, or None if the label is not known. A minted id (LABEL~NONCE) contains the label.
    The label of a created server is looked up in `created`."""
    minted = label_in(server)
    return minted or next((member.label for member in created if member.id == server), None)


def describe(write: Write) -> dict[str, Any]:
    """Return the description of a membership write, for logs and events."""
    return {"membership": write.op, **write.args}


MEMBERS = LuaApplication(name="members", version=1, lua=Path(__file__).parent / "lua" / "members.lua")
