"""The output of the comparison: a table for each design, and a summary. Each verdict has a sign and a colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.compare import story as verdict_names
from cluster.compare.booking import Booking
from cluster.compare.story import Row, Story, rivals, verdicts
from replica.events.marks import MARKS as STATES
from replica.events.marks import paint

MARKS: dict[str, tuple[str, str | None]] = {
    verdict_names.KEPT: ("✓", "green"),
    verdict_names.MOVED: ("→", "cyan"),
    verdict_names.REJECTED: ("⊘", "cyan"),
    verdict_names.CANCELLED: ("–", None),
    verdict_names.STUCK: ("∞", "magenta"),
    verdict_names.LOST: ("✗", "red"),
    verdict_names.TWICE: ("‼", "magenta"),
    verdict_names.TAKEN: ("∅", None),
    verdict_names.CUT_OFF: ("╳", "red"),
}
COUNTED = {  # the columns of the last table
    "has it": verdict_names.KEPT,
    "moved": verdict_names.MOVED,
    "rejected": verdict_names.REJECTED,
    "refused": verdict_names.TAKEN,
    "lost": verdict_names.LOST,
    "twice": verdict_names.TWICE,
    "cut off": verdict_names.CUT_OFF,
    "no cancel": verdict_names.STUCK,
}
OPEN = "open"
HARM = {verdict_names.LOST, verdict_names.TWICE, verdict_names.STUCK, verdict_names.CUT_OFF}
LEGEND = (
    "moved, rejected: by the rules of the request, and reported to the user · refused: at once",
    "lost: overwritten without notice · twice: two users believe that they have the room",
    "cut off: refused (link cut) · no cancel: a cancel without effect · open: not final, may still move",
)
NAME, USER, ANSWER, DESIGN = 4, 9, 21, 24


def requests(rows: Sequence[Row]) -> Iterator[str]:
    """Yield lines that list the requests of the script. The requests are the same for all designs."""
    yield _bold("The requests, in order")
    for row in rows:
        choices = " or ".join(_time(choice) for choice in row.choices)
        yield f"  {row.name:<{NAME}}{row.user:<{USER}}{row.choices[0].room} {choices}"


def table(number: int, story: Story) -> Iterator[str]:
    """Yield the table of one design: for each request the answer, the user's belief at the end, and the verdict."""
    yield paint(f" {number}  {story.design} ", attrs=["reverse", "bold"]) + f"  {story.idea}"
    yield paint(f"  {'':<{NAME}}{'':<{USER}}{'answer':<{ANSWER}}{'belief at the end':<{ANSWER}}verdict", attrs=["dark"])
    for row, verdict in zip(story.rows, verdicts(story), strict=True):
        refusal = "╳ cut off" if row.was_cut_off else "∅ refused"
        answer = _cell(row.answer, refusal, is_final=row.was_final)
        belief = _cell(row.belief, "–", is_final=row.is_final)
        mark, color = MARKS[verdict]
        attributes = ["bold"] if verdict in HARM else []
        result = paint(f"{mark} {verdict}{_because(row, verdict, story)}", color, attrs=attributes)
        yield f"  {row.name:<{NAME}}{row.user:<{USER}}{answer}{belief}{result}"
    if not story.agrees:
        yield "  The servers do not agree: at the end, links are cut or anti-entropy is paused."


def summary(stories: Sequence[Story]) -> Iterator[str]:
    """Yield a table with the count of each verdict under each design. Then yield one line for each design, with the
    amounts of data that its servers have sent."""
    yield _bold("Side by side")
    yield paint(f"  {'':<{DESIGN}}" + "".join(f"{head:>{_width(head)}}" for head in (*COUNTED, OPEN)), attrs=["dark"])
    for story in stories:
        found = verdicts(story)
        counts = [(head, found.count(verdict), *MARKS[verdict]) for head, verdict in COUNTED.items()]
        waiting = sum(row.belief is not None and not row.is_final for row in story.rows)
        counts.append((OPEN, waiting, *STATES["tentative"]))
        cells = "".join(_count(count, mark, color, _width(head)) for head, count, mark, color in counts)
        yield f"  {story.design:<{DESIGN}}{cells}"
    for line in LEGEND:
        yield paint(f"  {line}", attrs=["dark"])
    yield ""
    yield _bold("What the servers sent each other")
    for story in stories:
        sent = ", ".join(f"{kind}: {count}" for kind, count in story.sent.items() if count) or "nothing"
        yield f"  {story.design:<{DESIGN}}{sent}"


def _width(head: str) -> int:
    return max(len(head), 4) + 2


def _count(count: int, mark: str, color: str | None, width: int) -> str:
    text = f"{mark} {count}" if count else "·"
    return " " * (width - len(text)) + (paint(text, color, attrs=["bold"]) if count else text)


def _cell(booking: Booking | None, otherwise: str, *, is_final: bool) -> str:
    """Return a cell of the table, padded with blanks. The cell shows the booking with the sign of its state. If there
    is no booking, the cell shows `otherwise`."""
    if booking is None:
        return f"{otherwise:<{ANSWER}}"
    mark, color = STATES["committed" if is_final else "tentative"]
    text = _text(booking)
    return f"{paint(mark, color)} {text:<{ANSWER - 3}} "


def _because(row: Row, verdict: str, story: Story) -> str:
    if verdict == verdict_names.TWICE:
        return f": {', '.join(dict.fromkeys(rival.user for rival in rivals(row, story)))} too"
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
    return paint(text, attrs=["bold"])
