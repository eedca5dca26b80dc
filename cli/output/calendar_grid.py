"""Shows a calendar as a list or as a grid. The grid has a row for each room or day, and the hours of the day from left
to right.

The grid fits the width of the terminal. This module sends no requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from cli.output.reservations import Viewer, name_of
from cli.output.screen import Cell, clean, shorten, width_of
from cli.rest import Json
from cli.times import WEEKDAYS, Slot, day_bounds, show_offset, slot_of

FIRST_HOUR, LAST_HOUR = 7, 21  # shown at least, if rooms have no opening hours
COLUMNS_OF_HOUR = (12, 10, 8, 6, 4, 2, 1)
WIDTH_DEFAULT = 80  # of a pipe
NAME_WIDTH_MAX = 22
ELLIPSIS_WIDTH_MIN = 6  # in fewer columns, … would replace the letter that tells two people apart
MINE, OTHERS, FREE, CLOSED, HOUR = "═", "─", " ", "░", "┊"
LEGEND = f"{CLOSED} closed  ? may still move  ✓ final  {MINE} yours; with --list: whose, and what for"


@dataclass(frozen=True)
class Line:
    """A line of the grid: one room on one day. `opens` and `closes` are hours of the day. They are None if the room has
    no opening hours."""

    name: str
    today: Slot
    entries: Sequence[Json]
    opens: float | None = None
    closes: float | None = None
    is_closed: bool = False  # all day


def show_grid(viewer: Viewer, title: str, lines: Sequence[Line]) -> None:
    """Show a title, a ruler of hours, and a line for each room or day."""
    screen = viewer.screen
    first, last = _hours(lines)
    width = screen.width or WIDTH_DEFAULT
    names = min(max(width_of(clean(line.name)) for line in lines), NAME_WIDTH_MAX, width // 4)
    room = width - names - 2
    fitting = [columns for columns in COLUMNS_OF_HOUR if columns * (last - first) <= room]
    scale = fitting[0] if fitting else COLUMNS_OF_HOUR[-1]
    screen.line(screen.paint(clean(title), bold=True))
    screen.line(f"{' ' * names}  {screen.paint(_ruler(first, last, scale), 'dark_grey')}")
    for line in lines:
        label = shorten(clean(line.name), names)
        screen.line(f"{label}{' ' * (names - width_of(label))}  {_cells(viewer, line, first, last, scale)}")


def line_of(name: str, day: date, viewer: Viewer, entries: Sequence[Json], details: Json) -> Line:
    """Return the line of a room on a day. `details` is the replica's description of the room."""
    today = day_bounds(day, 1, viewer.zone)
    opens, closes = _hour(details.get("opens")), _hour(details.get("closes"))
    is_closed = is_closed_on(details.get("closed") or [], day)
    return Line(name, today, _touching(entries, today), opens, closes, is_closed)


def is_closed_on(closed: Sequence[str], day: date) -> bool:
    """Return whether a room is closed on a day. `closed` has the closed days of the room.

    A closed day is a weekday, a date or a range of dates, such as `saturday`, `2026-12-25 Christmas` or
    `2026-12-24/2027-01-01`.
    """
    for text in closed:
        first, _, last = text.partition(" ")[0].partition("/")
        if first == WEEKDAYS[day.weekday()] or first <= day.isoformat() <= (last or first):
            return True
    return False


def show_list(viewer: Viewer, days: Sequence[date], calendars: Mapping[str, Sequence[Json]]) -> None:
    """Show each day with its reservations in time order. A reservation of several rooms has one line, which names all
    of them."""
    screen, zone = viewer.screen, viewer.zone
    shown = 0
    for day in days:
        today = day_bounds(day, 1, zone)
        found = {
            one["id"]: (slot_of(one), str(one.get("room", room)), one)
            for room, entries in calendars.items()
            for one in _touching(entries, today)
        }
        if not found:
            continue
        if shown:
            screen.line()
        shown += len(found)
        screen.line(screen.paint(day_title(day), bold=True))
        rows = []
        for slot, room, one in sorted(found.values(), key=lambda each: (each[0].start, each[1])):
            own = one["owner"] == viewer.user
            start = _clock(slot.start, today) if slot.start >= today.start else "…    "
            end = _clock(slot.end, today) if slot.end <= today.end else "…    "
            times = f"{start}–{end}" if slot.start > today.start or slot.end < today.end else "all day"
            name = Cell(str(one["owner"]), "cyan" if own else None)
            identity = Cell(name_of(one) if own else "", "dark_grey")
            mark = screen.mark(str(one["state"]))
            rows.append((mark, times, room, name, str(one.get("purpose", "")), identity))
        screen.table(rows, indent=2, cut=4)
    if not shown:
        last = f" to {day_title(days[-1])}" if len(days) > 1 else ""
        screen.line(f"Nothing is reserved{' from' if last else ' on'} {day_title(days[0])}{last}.")


def _clock(moment: datetime, today: Slot) -> str:
    """Return the local time of a moment. On a day on which clocks change, add the offset, because an hour may come
    twice."""
    local = moment.astimezone(today.start.tzinfo)
    changes = today.start.utcoffset() != today.end.utcoffset()
    return f"{local:%H:%M}{show_offset(local) if changes else ''}"


def day_title(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _hours(lines: Sequence[Line]) -> tuple[int, int]:
    """Return the first and the last hour of the grid.

    The grid covers the opening hours of every line and the hours of every reservation. A line without opening hours
    counts as open from FIRST_HOUR to LAST_HOUR.
    """
    first = min(FIRST_HOUR if line.opens is None else int(line.opens) for line in lines)
    last = max(LAST_HOUR if line.closes is None else -int(-line.closes // 1) for line in lines)
    for line in lines:
        for one in line.entries:
            start, end = _walls(one, line.today)
            first, last = min(first, int(start)), max(last, -int(-end // 1))
    return first, last


def _ruler(first: int, last: int, scale: int) -> str:
    every = 1 if scale > 2 else 2 if scale == 2 else 4
    return "".join(f"{hour:<{scale * every}}" for hour in range(first, last, every)).rstrip()


def _cells(viewer: Viewer, line: Line, first: int, last: int, scale: int) -> str:
    """Return the hours of a line as coloured text. Each reservation begins with the mark of its state."""
    painted: list[tuple[str, str | None, bool]] = []
    for column in range((last - first) * scale):
        hour = first + column / scale
        closed = (line.opens is not None and hour < line.opens) or (line.closes is not None and hour >= line.closes)
        closed = closed or line.is_closed
        free = FREE if column % scale else HOUR
        painted.append((CLOSED if closed else free, "dark_grey", False))
    for one in line.entries:
        start, end = ((wall - first) * scale for wall in _walls(one, line.today))
        begin, length = int(start), max(1, -int(-end // 1) - int(start))
        mine = one["owner"] == viewer.user
        mark = viewer.screen.mark(str(one["state"]))
        fill = MINE if mine else OTHERS
        text = _fit(clean(f"{one['owner']} {one.get('purpose', '')}".rstrip()), length - 2)
        # A wide character fills two columns; the second is empty.
        signs = [part for sign in text for part in ([sign] + [""] * (width_of(sign) - 1))]
        signs = [mark.text, *signs, *[fill] * (length - 1 - len(signs))]
        painted[begin : begin + length] = [(sign, mark.color, mine) for sign in signs]
    while painted and painted[-1][0] == FREE:
        painted.pop()
    runs = groupby(painted, key=lambda cell: cell[1:])
    return "".join(viewer.screen.paint("".join(sign for sign, *_ in run), *style) for style, run in runs)


def _fit(text: str, width: int) -> str:
    if width < 2:
        return ""
    return shorten(text, width) if width >= ELLIPSIS_WIDTH_MIN else shorten(text, width + 1).removesuffix("…")


def _touching(entries: Sequence[Json], today: Slot) -> list[Json]:
    found = [one for one in entries if slot_of(one).start < today.end and slot_of(one).end > today.start]
    return sorted(found, key=lambda one: slot_of(one).start)


def _walls(entry: Json, today: Slot) -> tuple[float, float]:
    """Return the local start and end of a reservation, in hours since midnight. If the reservation begins before this
    day, its start counts as 0. If the reservation ends after this day, its end counts as 24."""
    slot = slot_of(entry)
    return _wall(max(slot.start, today.start), today), _wall(min(slot.end, today.end), today)


def _wall(moment: datetime, today: Slot) -> float:
    """Return the local time of a moment, in hours since midnight. Return 24 for the end of the day and any later
    moment."""
    if moment >= today.end:
        return 24.0
    local = moment.astimezone(today.start.tzinfo)
    return local.hour + local.minute / 60


def _hour(clock: object) -> float | None:
    """Convert a time of day to hours, such as `08:30` to 8.5. Return None if there is no time."""
    if not isinstance(clock, str):
        return None
    hour, _, minute = clock.partition(":")
    return int(hour) + int(minute) / 60
