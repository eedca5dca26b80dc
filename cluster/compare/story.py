"""The results of a script under one design, and a verdict on each reservation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cluster.compare.booking import Booking


@dataclass(slots=True)
class Row:
    """The result of one `reserve` of the script.

    answer       the booking in the answer to the user; None if the design refused the request
    refusal      why the design refused the request; empty without a refusal
    was_cut_off  True if the design refused the request because of a cut link
    belief       the booking that the user expects to have at the end; None if the user expects no booking
    was_final    False if the answer said that the booking may still change
    is_final     False if the booking may still change at the end
    cancelled    `done` if the user cancelled the booking, or why the cancel failed; empty without a cancel
    """

    name: str
    user: str
    choices: tuple[Booking, ...]
    answer: Booking | None
    refusal: str = ""
    was_cut_off: bool = False
    belief: Booking | None = None
    was_final: bool = True
    is_final: bool = True
    cancelled: str = ""


@dataclass(slots=True)
class Story:
    """The results of a script under one design.

    `rows` has one row for each `reserve`, in the order of the script. `held` maps each server to the bookings that this
    server holds at the end of the script. `sent` maps each kind of data, such as `writes`, to the amount that the
    servers have sent.
    """

    design: str
    idea: str
    rows: list[Row] = field(default_factory=list)
    held: Mapping[str, Sequence[Booking]] = field(default_factory=dict)
    sent: Mapping[str, int] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether all servers hold the same bookings."""
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
    """Return a verdict for each row. A verdict compares the user's belief with the bookings that the servers hold."""
    return [_verdict(row, story) for row in story.rows]


def rivals(row: Row, story: Story) -> list[Row]:
    """Return the rows that compete with this row. Two rows compete if their users believe that they have the same room
    at overlapping times."""
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
        booked_again = any(other.belief == row.answer for other in story.rows if other is not row)
        is_held = any(row.answer in bookings for bookings in story.held.values())
        return CANCELLED if row.cancelled == "done" and (booked_again or not is_held) else STUCK
    if row.belief is None:
        return REJECTED
    if not any(row.belief in bookings for bookings in story.held.values()):
        return LOST
    if any(rival.belief in bookings for rival in rivals(row, story) for bookings in story.held.values()):
        return TWICE
    return KEPT if row.belief == row.answer else MOVED
