"""What defines an application: its rules in Lua, how its writes are described to people, and its REST endpoints.

An application has no access to Redis, gRPC or other replicas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from apps.api.endpoint import Endpoint
from apps.api.service import Service
from bayou.application import DONE, LogEntry, LuaApplication
from bayou.write import Draft, Write

REQUEST_TAKEN = "an earlier request with the same id asked for something else"  # why a write did nothing


def why_forbidden(refusal: str) -> str:
    """Return why the application `people` forbade a write when the write was committed. The text is a part of a
    sentence. `refusal` is the detail of the write's outcome: `revoked`, or `needs ROLE` (apps/people/people.lua)."""
    if refusal == "revoked":
        return "its user had been revoked before the write was committed"
    role = refusal.removeprefix("needs ")
    return f"its user no longer had the role that the write needs ({role}) when the write was committed"


def describe_plainly(write: Write, outcome: str) -> dict[str, Any]:
    """Return the description of a write: its arguments, and the member `result` with the detail of the outcome.
    `result` is None if the write changed nothing."""
    status, _, detail = outcome.partition(" ")
    return {**write.args, "result": {"detail": detail} if status in DONE else None}


@dataclass(frozen=True, slots=True)
class FollowUp:
    """How a replica makes up for an acknowledged write that a replay has left without effect. If the outcome of such a
    write contains one of `words`, the replica submits the drafts that `drafts(service, entry)` yields. The replica may
    submit these drafts twice. So the same write must always give drafts with the same request ids."""

    words: Sequence[str]
    drafts: Callable[[Service, LogEntry], Iterable[Draft]]


@dataclass(frozen=True, slots=True)
class News:
    """The outcomes of a write that this replica has accepted.

    accepted  the outcome in the answer to the user's request; if the commit of the write was revoked, the outcome
              before that; None if the write was made again under another id, and then had no effect
    told      the outcome when this replica last sent a notice about the write; None if it has sent none
    outcome   the present outcome
    is_final  whether the write is committed
    """

    write: Write
    accepted: str | None
    told: str | None
    outcome: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for a user: a subject of one line, and a text. `about` is the id of what the notice is about, such as a
    reservation."""

    user: str
    about: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Application(LuaApplication):
    """An application.

    endpoints  a function that returns the REST endpoints
    describe   a function that returns the description of a write for screens; the member `result` of a description says
               what the write changed, and is None if the write changed nothing
    follow_up  None if the application needs no follow-ups
    warnings   a function that yields sentences for the operator; the replica shows these sentences at its start
    notices    a function that yields the notices about a write; a user who knows the outcome gets no notice
    """

    endpoints: Callable[[Service], Sequence[Endpoint]]
    describe: Callable[[Write, str], dict[str, Any]] = describe_plainly
    follow_up: FollowUp | None = None
    warnings: Callable[[Service], Iterable[str]] | None = None
    notices: Callable[[Service, News], Iterable[Notice]] | None = None
