"""What an event of a feed says of a reservation, as text that a replica can keep (Service.feed_revisions)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from apps.rooms.pages import RoomSlot

STATUSES = {"committed": "CONFIRMED", "tentative": "TENTATIVE"}  # all others are CANCELLED


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """What an event of a feed shows. `state` is that of the REST interface; `reason` says why it was rejected."""

    state: str
    slot: RoomSlot
    purpose: str
    reason: str | None = None

    def encode(self) -> str:
        """The text of the event, for Service.feed_revisions."""
        slot = self.slot
        members = [self.state, slot.room, slot.start, slot.end, self.purpose, self.reason]
        return json.dumps(members, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> FeedEvent:
        state, room, start, end, purpose, reason = json.loads(text)
        return cls(state, RoomSlot(room, start, end), purpose, reason)
