"""A booking of a room, and the function that finds the first free booking among several. All designs use this
module."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.rooms.pages import rooms_of
from cluster.language.parser import Slot


@dataclass(frozen=True, slots=True)
class Booking:
    """A user's booking of a room for a slot."""

    user: str
    room: str
    slot: Slot

    def overlaps(self, other: Booking) -> bool:
        share_a_room = not set(rooms_of(self.room)).isdisjoint(rooms_of(other.room))
        return share_a_room and self.slot.start < other.slot.end and other.slot.start < self.slot.end


class Refused(Exception):
    """The design refused a request. `cut_off` is true if a cut link is the reason."""

    def __init__(self, reason: str, *, cut_off: bool = False) -> None:
        super().__init__(reason)
        self.cut_off = cut_off


def first_free(choices: Sequence[Booking], held: Iterable[Booking]) -> Booking:
    """Return the first choice that overlaps no booking in `held`. Raise Refused if every choice overlaps a booking."""
    taken = list(held)
    for choice in choices:
        if not any(choice.overlaps(other) for other in taken):
            return choice
    raise Refused("taken")
