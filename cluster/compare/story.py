"""The result of each reservation of a script under one design, and its verdict. Pure data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.compare.designs import Booking


@dataclass(slots=True)
class Row:
    """One `reserve` of the script.

    `answer` is what the user got as an answer, None with the reason in `refusal`. `belief` is what the user believes to
    have at the end: the answer, unless it was cancelled or the design reported a change. `is_final` is false where the
    user knows that it may still change. `cancelled` is the result of a cancel: `done`, or why it failed.
    """

    name: str
    user: str
    choices: tuple[Booking, ...]
    answer: Booking | None
    refusal: str = ""
    was_cut_off: bool = False
    belief: Booking | None = None
    is_final: bool = True
    cancelled: str = ""


@dataclass(slots=True)
class Story:
    """A design's rows in the order of the script, and what each server holds at the end."""

    design: str
    idea: str
    rows: list[Row] = field(default_factory=list)
    held: Mapping[str, Sequence[Booking]] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether all servers hold the same."""
        return len({frozenset(bookings) for bookings in self.held.values()}) <= 1


KEPT, MOVED, REJECTED, CANCELLED, STUCK, LOST, TWICE, TAKEN, CUT_OFF = (
    "has it",
    "moved, and notified",
    "rejected, and notified",
    "cancelled",
    "not cancelled",
    "lost without notice",
    "booked twice",
    "refused",
    "refused: cut off",
)


def verdicts(story: Story) -> list[str]:
    """A verdict for each row: compares what the user believes with what the servers hold."""
    return [_verdict(row, story) for row in story.rows]


def rivals(row: Row, story: Story) -> list[Row]:
    """The rows of others who believe to have the room at an overlapping time."""
    belief = row.belief
    return [
        other
        for other in story.rows
        if belief is not None and other is not row and other.belief is not None and belief.overlaps(other.belief)
    ]


def _verdict(row: Row, story: Story) -> str:
    if row.answer is None:
        return CUT_OFF if row.was_cut_off else TAKEN
    if row.cancelled:
        is_held = any(row.answer in bookings for bookings in story.held.values())
        return CANCELLED if row.cancelled == "done" and not _still(row, story, is_held) else STUCK
    if row.belief is None:
        return REJECTED
    if not any(row.belief in bookings for bookings in story.held.values()):
        return LOST
    if any(rival.belief in bookings for rival in rivals(row, story) for bookings in story.held.values()):
        return TWICE
    return KEPT if row.belief == row.answer else MOVED


def _still(row: Row, story: Story, is_held: bool) -> bool:
    """Whether a cancelled booking is still held, and not because the user has booked the same again."""
    return is_held and not any(other.belief == row.answer for other in story.rows if other is not row)
