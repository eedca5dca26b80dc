"""What one replica sends another of its log, and what became of it there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A write on its way: committed when it has a CSN; a bare notification when it has no body."""

    id: str
    csn: int | None
    body: bytes

    @property
    def is_notification(self) -> bool:
        return self.csn is not None and not self.body


@dataclass(frozen=True, slots=True)
class Selection:
    """What a peer lacks: items in their order, behind the commit (`after_csn`, `after_id`)."""

    after_csn: int
    after_id: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a batch: `taken` items were dealt with, `new` of them changed something.

    `status`: taken | more (a bound was reached, send the rest again) | hole | unknown (plan anew) | fork | diverged
    (refuse and report).
    """

    status: str
    taken: int
    new: int
    csn: int
    rolled_back: int
    replayed: int
