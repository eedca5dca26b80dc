"""Invitations: a server needs an invitation to join the cluster, except with `auth: none`. A manager asks a replica for
the invitation.

An invitation is for one label, at one replica, for an hour. It is a text that only this replica can make, so no replica
stores invitations. A replica that has restarted no longer accepts earlier invitations.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta

from bayou.errors import Conflict
from replica.clock import Clock

VALID_FOR = timedelta(hours=1)
_INVITATION = re.compile(r"([0-9]{1,12})-([0-9a-f]{64})")


class Invitations:
    """The invitations of the replica `label`. They are made and checked with a key that lives as long as the process.
    If `is_needed` is false, a server needs no invitation."""

    def __init__(self, label: str, clock: Clock, *, is_needed: bool) -> None:
        self._label = label
        self._clock = clock
        self._is_needed = is_needed
        self._key = secrets.token_bytes(32)

    def invite(self, guest: str) -> tuple[str, datetime]:
        """Return an invitation for the label `guest`, and the time at which it ends."""
        until = (self._clock() + VALID_FOR).astimezone(UTC).replace(microsecond=0)
        until_s = int(until.timestamp())
        return f"{until_s}-{self._code(guest, until_s)}", until

    def check(self, guest: str, invitation: str) -> None:
        """Raise Conflict `not_invited` if the invitation is not valid. An invitation is valid if this replica made it
        for the label `guest` within the last hour. If no invitations are needed, check nothing."""
        if not self._is_needed:
            return
        found = _INVITATION.fullmatch(invitation)
        if not found or not hmac.compare_digest(found[2], self._code(guest, int(found[1]))):
            problem = f"{guest} can join only with an invitation."
            if invitation:
                problem = (
                    "The invitation is not valid:"
                    f" {self._label} has not made this invitation for {guest} since the last start of {self._label}."
                )
        elif int(found[1]) < self._clock().timestamp():
            problem = f"The invitation of {guest} has expired."
        else:
            return
        raise Conflict(
            "not_invited",
            f"{problem} A manager gets an invitation with `admin invite {guest} --replica {self._label}`."
            f" Start {guest} with --join {self._label} --invitation TEXT within an hour.",
        )

    def _code(self, guest: str, until_s: int) -> str:
        return hmac.new(self._key, f"{guest} {until_s}".encode(), hashlib.sha256).hexdigest()
