"""What became of each reservation of a script under one design, and what to call it. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.compare.designs import Booking


@dataclass(slots=True)
class Row:
    """One `reserve` of the script.

    `told` is what the user was answered, or None with the reason in `refusal`. `thinks` is what the user believes at
    the end: the same, unless it was cancelled, or the design has a way to tell of a change. `is_final` is false where
    the user knows that it may still change. `cancelled` has what became of a cancel: `done`, or why not.
    """

    name: str
    user: str
    wishes: tuple[Booking, ...]
    told: Booking | None
    refusal: str = ""
    was_cut_off: bool = False
    thinks: Booking | None = None
    is_final: bool = True
    cancelled: str = ""


@dataclass(slots=True)
class Story:
    """A design's rows in the order of the script, and what each server believes at the end."""

    design: str
    idea: str
    rows: list[Row] = field(default_factory=list)
    held: Mapping[str, Sequence[Booking]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether all servers believe the same."""
        return len({frozenset(bookings) for bookings in self.held.values()}) <= 1


KEPT, MOVED, REJECTED, CANCELLED, STUCK, LOST, TWICE, TAKEN, CUT_OFF = (
    "has it",
    "moved, and told so",
    "rejected, and told so",
    "cancelled",
    "not cancelled",
    "lost, and not told",
    "booked twice",
    "refused",
    "refused, as it was cut off",
)


def verdicts(story: Story) -> list[str]:
    """One of these for each row: what the user believes, set against what the servers hold."""
    return [_verdict(row, story) for row in story.rows]


def rivals(row: Row, story: Story) -> list[Row]:
    """Others who think that they have the same room at a time in common."""
    thinks = row.thinks
    return [
        other
        for other in story.rows
        if thinks is not None and other is not row and other.thinks is not None and thinks.overlaps(other.thinks)
    ]


def _verdict(row: Row, story: Story) -> str:
    if row.told is None:
        return CUT_OFF if row.was_cut_off else TAKEN
    if row.cancelled:
        is_held = any(row.told in bookings for bookings in story.held.values())
        return CANCELLED if row.cancelled == "done" and not _still(row, story, is_held) else STUCK
    if row.thinks is None:
        return REJECTED
    if not any(row.thinks in bookings for bookings in story.held.values()):
        return LOST
    if any(rival.thinks in bookings for rival in rivals(row, story) for bookings in story.held.values()):
        return TWICE
    return KEPT if row.thinks == row.told else MOVED


def _still(row: Row, story: Story, is_held: bool) -> bool:
    """Whether a cancelled booking is held, and not because its user has booked the same again."""
    return is_held and not any(other.thinks == row.told for other in story.rows if other is not row)
