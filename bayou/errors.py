"""Refusals: what a user asked for and cannot have, by kind.

A refusal carries a code (for programs), a sentence that says what happened and what to do (for people), and details.
It knows nothing of HTTP: the replica maps each kind to its status in one table.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class RefusalCode(StrEnum):
    """The codes that replicas compare. A code never changes, unlike the sentence beside it, which another release may
    word differently."""

    # A session is refused, or ends early:
    BROKEN_OFF = "broken_off"
    BUSY = "busy"
    DIVERGED = "diverged"
    FORK = "fork"
    LINK_CUT = "link_cut"
    MALFORMED = "malformed"
    OTHER_APPLICATIONS = "other_applications"
    OTHER_BIRTH = "other_birth"
    OTHER_CLUSTER = "other_cluster"
    OTHER_PROTOCOL = "other_protocol"
    PROTOCOL = "protocol"
    SAME_SERVER = "same_server"
    STORAGE_AWAY = "storage_away"
    TAIL_LOST = "tail_lost"
    TAIL_LOST_THERE = "tail_lost_there"
    UNREACHABLE = "unreachable"
    UNSTEADY = "unsteady"
    # A hand-over is refused:
    PENDING = "pending"


class Refusal(Exception):
    """Base of all refusals; nothing has changed when one is raised."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class BadInput(Refusal):
    """What was sent cannot be read, or breaks a rule of its field."""


class Unauthorized(Refusal):
    """The request does not say who asks."""


class Forbidden(Refusal):
    """The one who asks may not do this."""


class Unknown(Refusal):
    """There is no such thing here."""


class Conflict(Refusal):
    """The present state does not allow it."""


class Behind(Refusal):
    """This replica has not yet seen what the session has seen."""


class TooLarge(Refusal):
    """More than a limit allows."""


class TooMany(Refusal):
    """Too much at once; try again later."""


class Away(Refusal):
    """Something that is needed (storage, a peer) cannot be reached now; try again later."""
