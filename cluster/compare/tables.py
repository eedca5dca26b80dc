"""The output of the comparison: a table for each design, and a summary. Each verdict has a sign and a colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from termcolor import colored

from cluster.compare import story as verdict_names
from cluster.compare.designs import Booking
from cluster.compare.story import Row, Story, rivals, verdicts

MARKS = {
    verdict_names.KEPT: ("✓", "green"),
    verdict_names.MOVED: ("→", "cyan"),
    verdict_names.REJECTED: ("⊘", "cyan"),
    verdict_names.CANCELLED: ("–", "white"),
    verdict_names.STUCK: ("∞", "magenta"),
    verdict_names.LOST: ("✗", "red"),
    verdict_names.TWICE: ("‼", "magenta"),
    verdict_names.TAKEN: ("∅", "white"),
    verdict_names.CUT_OFF: ("╳", "red"),
}
COUNTED = {  # the columns of the last table
    "has it": verdict_names.KEPT,
    "moved": verdict_names.MOVED,
    "rejected": verdict_names.REJECTED,
    "lost": verdict_names.LOST,
    "twice": verdict_names.TWICE,
    "cut off": verdict_names.CUT_OFF,
    "no cancel": verdict_names.STUCK,
}
HARM = {verdict_names.LOST, verdict_names.TWICE, verdict_names.STUCK, verdict_names.CUT_OFF}
LEGEND = (
    "moved, rejected: by the rules of the request, and reported to the user · lost: overwritten without notice",
    "twice: two users believe to have the room · cut off: refused for that · no cancel: a cancel without effect",
)
NAME, USER, ANSWER = 4, 9, 22


def requests(rows: Sequence[Row]) -> Iterator[str]:
    """Yield lines that list the requests of the script. The requests are the same for all designs."""
    yield _bold("The requests, in order")
    for row in rows:
        choices = " or ".join(_time(choice) for choice in row.choices)
        yield f"  {row.name:<{NAME}}{row.user:<{USER}}{row.choices[0].room} {choices}"


def table(number: int, story: Story) -> Iterator[str]:
    """Yield the table of one design: for each request the answer, the user's belief at the end, and the verdict."""
    yield colored(f" {number}  {story.design} ", attrs=["reverse", "bold"]) + f"  {story.idea}"
    yield colored(
        f"  {'':<{NAME}}{'':<{USER}}{'answer':<{ANSWER}}{'belief at the end':<{ANSWER}}verdict", attrs=["dark"]
    )
    for row, verdict in zip(story.rows, verdicts(story), strict=True):
        answer = f"✓ {_text(row.answer)}" if row.answer else "╳ cut off" if row.was_cut_off else "∅ refused"
        belief = f"{'✓' if row.is_final else '?'} {_text(row.belief)}" if row.belief else "–"
        mark, color = MARKS[verdict]
        attributes = ["bold"] if verdict in HARM else []
        result = colored(f"{mark} {verdict}{_because(row, verdict, story)}", color, attrs=attributes)
        yield f"  {row.name:<{NAME}}{row.user:<{USER}}{answer:<{ANSWER}}{belief:<{ANSWER}}{result}"
    if not story.agrees:
        yield "  The servers do not agree: the script ends with cut links, or paused."


def summary(stories: Sequence[Story]) -> Iterator[str]:
    """Yield a table that counts each verdict under each design."""
    yield _bold("Side by side")
    yield colored(f"  {'':<24}" + "".join(f"{head:>10}" for head in COUNTED), attrs=["dark"])
    for story in stories:
        found = verdicts(story)
        cells = ""
        for verdict in COUNTED.values():
            count = found.count(verdict)
            mark, color = MARKS[verdict]
            text = f"{mark} {count}" if count else "·"
            cells += " " * (10 - len(text)) + (colored(text, color, attrs=["bold"]) if count else text)
        yield f"  {story.design:<24}{cells}"
    for line in LEGEND:
        yield f"  {line}"


def _because(row: Row, verdict: str, story: Story) -> str:
    if verdict == verdict_names.TWICE:
        return f": {', '.join(rival.user for rival in rivals(row, story))} too"
    if verdict == verdict_names.LOST and row.belief:
        holders = {
            booking.user for bookings in story.held.values() for booking in bookings if booking.overlaps(row.belief)
        }
        return f": {', '.join(sorted(holders))} has it" if holders else ""
    if verdict in {verdict_names.TAKEN, verdict_names.STUCK}:
        return f": {row.refusal or row.cancelled}"
    if verdict in {verdict_names.KEPT, verdict_names.MOVED} and not row.is_final:
        return " (tentative)"
    return ""


def _text(booking: Booking) -> str:
    return f"{booking.room} {_time(booking)}"


def _time(booking: Booking) -> str:
    return booking.slot.hours(booking.slot.start.date()).replace("/", "–")


def _bold(text: str) -> str:
    return colored(text, attrs=["bold"])
