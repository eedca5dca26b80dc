"""What an event of a feed says of a reservation, in text that a replica can remember (Service.sightings)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from apps.rooms.pages import Place

STATUSES = {"committed": "CONFIRMED", "tentative": "TENTATIVE"}  # all others are CANCELLED


@dataclass(frozen=True, slots=True)
class Shown:
    """`state` as the REST interface gives it, `reason` why it was rejected."""

    state: str
    place: Place
    purpose: str
    reason: str | None = None

    def encode(self) -> str:
        """As text, for Service.sightings."""
        place = self.place
        members = [self.state, place.room, place.start, place.end, self.purpose, self.reason]
        return json.dumps(members, ensure_ascii=False)

    @classmethod
    def decode(cls, text: str) -> Shown:
        state, room, start, end, purpose, reason = json.loads(text)
        return cls(state, Place(room, start, end), purpose, reason)
