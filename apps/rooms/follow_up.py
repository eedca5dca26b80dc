"""Cancels a reservation again if the first cancel had no effect, because the reservation had moved.

One replica may accept a move of a reservation. Another replica may accept a cancel before the move arrives there. Then
the cancel does not declare the page on which the reservation now stands. So the outcome of the cancel is
`moved_meanwhile`, and the room stays reserved. But the user was told that the reservation is cancelled. So the replica
that accepted the cancel now cancels the reservation in its present slot.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from apps.api.request import Caller, ClientSession
from apps.api.service import Service
from apps.rooms import drafts
from apps.rooms.answer_values import parts_of
from apps.rooms.building import Building
from apps.rooms.endpoints.base import Handlers
from apps.rooms.pages import decode_reservation
from bayou.application import LogEntry
from bayou.session_token import Token
from bayou.write import Draft

WORDS = ("moved_meanwhile",)
_OPS = {"cancel", "cancel_series"}


def drafts_after(service: Service, entry: LogEntry) -> Iterator[Draft]:
    """Yield a new cancel for each reservation that the cancel `entry` did not reach, because the reservation had moved.
    For the same write, the request ids of the drafts are always the same. So a draft may be submitted twice."""
    write = entry.write
    if write.op not in _OPS:
        return
    handlers = Handlers(service, Building.of(service.settings))
    for part in parts_of(write, entry.outcome):
        reservation = decode_reservation(handlers.views_of(part.id, ClientSession(Token())).tentative)
        if part.outcome in WORDS and reservation is not None and reservation.slot is not None:
            request = "again-" + hashlib.sha256(f"{write.id} {part.id}".encode()).hexdigest()[:16]
            caller = Caller(write.user, "manager")  # if the user is no manager, the outcome is `forbidden`
            context = handlers.context(caller, request)
            yield drafts.cancel(context, part.id, reservation, write.args.get("reason"))
