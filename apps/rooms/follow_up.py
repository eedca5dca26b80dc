"""Cancels a reservation again if a cancel that this replica accepted turns out to have had no effect.

A reservation may have been moved at one replica and cancelled at another that had not seen the move. Then the cancel
finds the reservation on a page that it did not declare, its outcome is `moved_meanwhile`, and the room stays taken. The
user was told that the reservation is cancelled. So the replica that said so cancels it again, where it stands now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from apps.api.request import ClientSession
from apps.api.service import Service
from apps.rooms import drafts
from apps.rooms.answer_values import parts_of
from apps.rooms.building import Building
from apps.rooms.pages import decode_reservation, reservation_page
from bayou.application import LogEntry
from bayou.session_token import Token
from bayou.write import Draft

WORDS = ("moved_meanwhile",)
_OPS = {"cancel", "cancel_series"}


def drafts_after(service: Service, entry: LogEntry) -> Iterator[Draft]:
    """Yield a draft for each reservation that a write should have cancelled and did not. The same write always gives
    drafts with the same request id, so it does not matter if they are submitted twice."""
    write = entry.write
    if write.op not in _OPS:
        return
    building = Building.of(service.settings)
    for part in parts_of(write, entry.outcome):
        page = reservation_page(part.id)
        reservation = decode_reservation(service.read([page], ClientSession(Token())).pages[page].tentative)
        if part.outcome in WORDS and reservation is not None and reservation.slot is not None:
            context = drafts.DraftContext(
                user=write.user,
                request="again-" + hashlib.sha256(f"{write.id} {part.id}".encode()).hexdigest()[:16],
                at=service.now(),
                zone=building.zone,
                listed_rooms=building.rooms,
                policies=building.policies,
                app=service.active_tag("rooms"),
                role="manager",  # if the user was none, the outcome is `forbidden`, as before
            )
            yield drafts.cancel(context, part.id, reservation, write.args.get("reason"))
