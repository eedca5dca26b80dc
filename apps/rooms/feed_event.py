"""The event with which a feed shows a reservation. A replica keeps each event as text (see Service.feed_revisions)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from apps.rooms.pages import RoomSlot

STATUSES = {"committed": "CONFIRMED", "tentative": "TENTATIVE"}  # all others are CANCELLED


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """The content of a feed's event for a reservation. `state` is the state in the REST interface. `reason` says why
    the reservation was rejected or cancelled. `owner` is None if the user who made the reservation owns it."""

    state: str
    slot: RoomSlot
    purpose: str
    reason: str | None = None
    owner: str | None = None

    def encode(self) -> str:
        """Return the event as text for Service.feed_revisions."""
        slot = self.slot
        members = [self.state, slot.room, slot.start, slot.end, self.purpose, self.reason]
        return json.dumps([*members, self.owner] if self.owner else members, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> FeedEvent:
        state, room, start, end, purpose, reason, *owner = json.loads(text)
        return cls(state, RoomSlot(room, start, end), purpose, reason, *owner)
