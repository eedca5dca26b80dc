"""The declaration of an application: its Lua rules, its REST endpoints, and the functions that describe its writes.

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

REQUEST_TAKEN = "an earlier request with the same id had different content"  # why a write did nothing


def why_forbidden(refusal: str) -> str:
    """Return why the application `people` forbade a write, as the end of a sentence. `refusal` is the detail of the
    outcome `forbidden`: `revoked`, or `needs ROLE` (apps/people/people.lua)."""
    if refusal == "revoked":
        return "its user had been revoked before the write was committed"
    role = refusal.removeprefix("needs ")
    return f"its user no longer had the role that the write needs ({role}) when the write was committed"


def describe_plainly(write: Write, outcome: str) -> dict[str, Any]:
    """Return the description of a write: its arguments, and the key `result`. The value of `result` contains the detail
    of the outcome. This value is None if the write changed nothing."""
    status, _, detail = outcome.partition(" ")
    return {**write.args, "result": {"detail": detail} if status in DONE else None}


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The follow-ups of an application. A replay may leave an acknowledged write without effect. Then the replica that
    accepted the write submits other writes, the follow-ups.

    words   a write needs follow-ups if its outcome contains one of these words
    drafts  a function that yields the drafts of the follow-ups of a write

    The replica may submit these drafts twice. So the same write must always give drafts with the same request ids.
    """

    words: Sequence[str]
    drafts: Callable[[Service, LogEntry], Iterable[Draft]]


@dataclass(frozen=True, slots=True)
class News:
    """A write that this replica has accepted, and the outcomes of this write at several times.

    accepted  the outcome in the answer to the user's request; see below for two exceptions
    told      the outcome when this replica last made a notice about the write; None if there was no notice
    outcome   the present outcome
    is_final  whether the write is committed

    After the commit of the write was revoked, `accepted` is the outcome before the revocation.

    If this replica had to make the write again under a new id, `accepted` is the first outcome under the new id. But
    `accepted` is None if the write had no effect at that moment.
    """

    write: Write
    accepted: str | None
    told: str | None
    outcome: str
    is_final: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """A message for a user. `subject` has one line. `about` is the id of the thing that the message describes, such as
    a reservation."""

    user: str
    about: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Application(LuaApplication):
    """An application.

    endpoints  a function that returns the REST endpoints
    describe   a function that returns the description of a write for screens; the key `result` of the description says
               what the write changed; `result` is None if the write changed nothing
    follow_up  None if the application needs no follow-ups
    warnings   a function that yields sentences for the operator; the replica shows these sentences at its start
    notices    a function that yields the notices about a write; a user who knows the outcome gets no notice
    """

    endpoints: Callable[[Service], Sequence[Endpoint]]
    describe: Callable[[Write, str], dict[str, Any]] = describe_plainly
    follow_up: FollowUp | None = None
    warnings: Callable[[Service], Iterable[str]] | None = None
    notices: Callable[[Service, News], Iterable[Notice]] | None = None
