"""The comparison for a terminal or a projector: a table for each design, and one of all. Each meaning has its shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from termcolor import colored

from cluster.compare import story as called
from cluster.compare.designs import Booking
from cluster.compare.story import Row, Story, rivals, verdicts

MARKS = {
    called.KEPT: ("✓", "green"),
    called.MOVED: ("→", "cyan"),
    called.REJECTED: ("⊘", "cyan"),
    called.CANCELLED: ("–", "white"),
    called.STUCK: ("∞", "magenta"),
    called.LOST: ("✗", "red"),
    called.TWICE: ("‼", "magenta"),
    called.TAKEN: ("∅", "white"),
    called.CUT_OFF: ("╳", "yellow"),
}
COUNTED = {  # the columns of the last table
    "has it": (called.KEPT,),
    "moved": (called.MOVED,),
    "rejected": (called.REJECTED,),
    "lost": (called.LOST,),
    "twice": (called.TWICE,),
    "cut off": (called.CUT_OFF,),
    "no cancel": (called.STUCK,),
}
HARM = {called.LOST, called.TWICE, called.STUCK, called.CUT_OFF}
LEGEND = (
    "moved, rejected: by the request's own rules, and the user is told · lost: overwritten, and nobody is told",
    "twice: two think that they have the room · cut off: refused for that · no cancel: a cancel that did not count",
)
NAME, USER, TOLD = 4, 9, 22


def asked(rows: Sequence[Row]) -> Iterator[str]:
    """What the script asks for, once for all designs."""
    yield _bold("What was asked for, in this order")
    for row in rows:
        wishes = " or ".join(_time(wish) for wish in row.wishes)
        yield f"  {row.name:<{NAME}}{row.user:<{USER}}{row.wishes[0].room} {wishes}"


def table(number: int, story: Story) -> Iterator[str]:
    """One design: what each user was told, thinks, and what became of it."""
    yield colored(f" {number}  {story.design} ", attrs=["reverse", "bold"]) + f"  {story.idea}"
    yield colored(f"  {'':<{NAME}}{'':<{USER}}{'was told':<{TOLD}}{'thinks at the end':<{TOLD}}and so", attrs=["dark"])
    for row, verdict in zip(story.rows, verdicts(story), strict=True):
        told = f"✓ {_place(row.told)}" if row.told else "╳ cut off" if row.was_cut_off else "∅ refused"
        thinks = f"{'✓' if row.is_final else '?'} {_place(row.thinks)}" if row.thinks else "–"
        mark, color = MARKS[verdict]
        attributes = ["bold"] if verdict in HARM else []
        so = colored(f"{mark} {verdict}{_because(row, verdict, story)}", color, attrs=attributes)
        yield f"  {row.name:<{NAME}}{row.user:<{USER}}{told:<{TOLD}}{thinks:<{TOLD}}{so}"
    if not story.agrees:
        yield "  The servers do not agree yet: the script ends with links cut, or paused."


def summary(stories: Sequence[Story]) -> Iterator[str]:
    """How often each came about under each design."""
    yield _bold("Side by side")
    yield colored(f"  {'':<24}" + "".join(f"{head:>10}" for head in COUNTED), attrs=["dark"])
    for story in stories:
        found = verdicts(story)
        cells = ""
        for verdict_list in COUNTED.values():
            count = sum(found.count(verdict) for verdict in verdict_list)
            mark, color = MARKS[verdict_list[0]]
            text = f"{mark} {count}" if count else "·"
            cells += " " * (10 - len(text)) + (colored(text, color, attrs=["bold"]) if count else text)
        yield f"  {story.design:<24}{cells}"
    for line in LEGEND:
        yield f"  {line}"


def _because(row: Row, verdict: str, story: Story) -> str:
    if verdict == called.TWICE:
        return f": {', '.join(rival.user for rival in rivals(row, story))} too"
    if verdict == called.LOST and row.thinks:
        holders = {
            booking.user for bookings in story.held.values() for booking in bookings if booking.overlaps(row.thinks)
        }
        return f": {', '.join(sorted(holders))} has it" if holders else ""
    if verdict in {called.TAKEN, called.STUCK}:
        return f": {row.refusal or row.cancelled}"
    if verdict in {called.KEPT, called.MOVED} and not row.is_final:
        return " (tentative)"
    return ""


def _place(booking: Booking) -> str:
    return f"{booking.room} {_time(booking)}"


def _time(booking: Booking) -> str:
    return booking.slot.hours(booking.slot.start.date()).replace("/", "–")


def _bold(text: str) -> str:
    return colored(text, attrs=["bold"])
