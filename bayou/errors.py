"""The refusals: exceptions which say that a request cannot be granted. There is one class for each kind of reason.

A refusal has a code for programs, a message for people, and details. The message says what happened and what to do.
This module knows nothing of HTTP: replica/http/errors.py maps each class to a status.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class PeerRefusalCode(StrEnum):
    """The codes of refusals between replicas. A code never changes, because other releases compare it. The message of a
    refusal may change."""

    # A session is refused or ends early:
    BROKEN_OFF = "broken_off"
    BUSY = "busy"
    CANNOT_COMPARE = "cannot_compare"
    CERTIFICATE_DIFFERS = "certificate_differs"
    CLOCK_AHEAD = "clock_ahead"
    CLOCK_DIFFERS = "clock_differs"
    COMMIT_NOT_SIGNED = "commit_not_signed"
    DIVERGED = "diverged"
    EARLY_PROMOTION = "early_promotion"
    FOREIGN_COMMIT = "foreign_commit"
    FORK = "fork"
    LINK_CUT = "link_cut"
    MALFORMED = "malformed"
    OTHER_APPLICATIONS = "other_applications"
    OTHER_BIRTH = "other_birth"
    OTHER_CLUSTER = "other_cluster"
    OTHER_PROTOCOL = "other_protocol"
    PAUSED = "paused"
    PLAY_HUNG = "play_hung"
    PROTOCOL = "protocol"
    SAME_SERVER = "same_server"
    STATE_NOT_SIGNED = "state_not_signed"
    STORAGE_AWAY = "storage_away"
    TAIL_LOST = "tail_lost"
    UNPROVEN = "unproven"
    UNREACHABLE = "unreachable"
    UNSTEADY = "unsteady"
    # A hand-over is refused:
    PENDING = "pending"


class Refusal(Exception):
    """The base class of all refusals. A request that is refused changes nothing."""

    def __init__(self, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class BadInput(Refusal):
    """The request cannot be read, or a field has an invalid value."""


class Unauthorized(Refusal):
    """The request does not say who makes it, or its token is invalid."""


class Forbidden(Refusal):
    """The caller may not do this."""


class Unknown(Refusal):
    """The request names something that does not exist here."""


class Conflict(Refusal):
    """The request is not possible in the current state."""


class Behind(Refusal):
    """This replica does not hold everything that the client session has seen. The missing writes may not have arrived
    here yet, or the client session may belong to another cluster."""


class TooLarge(Refusal):
    """A size is over its limit."""


class TooMany(Refusal):
    """The caller makes too many requests, or too many requests of this kind run at once; try again later."""


class Hung(Refusal):
    """A write cannot be played, because the Lua code of its application does not end. The details have the id of the
    write as `write`, and NAME/VERSION of the application as `application`. If the write has no id yet, `write` is
    empty."""


class Away(Refusal):
    """The storage or a peer cannot be reached now; try again later."""
