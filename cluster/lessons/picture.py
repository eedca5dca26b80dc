"""A picture of a cluster for a projector: the links, and a column for each server with its role, clients and log.

The logs must have the form in which `GET /replica/log` returns them. Each colour is shown with a sign of the same
meaning, so the picture is clear without colours too.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import Any

from bayou.stamps import split_id
from cluster.language.printing import short_time, stamp_text
from cluster.language.world import World, client_of
from replica.events.marks import MARKS, paint

COLUMN_MIN = 20  # four in 80 columns
TIGHT = 23  # a column that is narrower has no blank after a sign
COLUMNS_MAX = 4
WRITES_MAX = 7  # of a log, the newest
LINKS_MAX = 6  # the pairs of four servers; with more servers only cut links are shown
SIGNS = {"": " ", "new": "+", "replayed": "↻", "final": "◆"}
SMALL = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")
SMALL_STAMP = "₁₇"  # in the legend

Text = tuple[str, str]  # plain, and in colour


@dataclass(frozen=True, slots=True)
class Entry:
    """A write in a server's log. Two writes about the same `thing` (a room, a song or a relation) may conflict."""

    id: str
    text: str
    mark: str
    thing: str
    is_final: bool
    outcome: str
    stamp: str = ""  # in small digits


@dataclass(frozen=True, slots=True)
class Column:
    """The column of one server. A server that has crashed has no log. `log` leaves out the writes that create and
    retire servers; `of_members` counts these writes."""

    id: str
    running: bool
    is_primary: bool
    csn: int
    clients: tuple[str, ...]
    log: tuple[Entry, ...]
    changes: Mapping[str, str]  # id of a write -> a key of SIGNS
    of_members: int


def legend() -> str:
    signs = {"+": "new here", "↻": "replayed", "◆": "final", SMALL_STAMP: "stamp"}
    return "  ".join(
        [f"{paint(sign, color)} {name}" for name, (sign, color) in MARKS.items()]
        + [f"{paint(sign, attrs=['bold'])} {meaning}" for sign, meaning in signs.items()]
    )


def small_stamp(write_id: str) -> str:
    """Return the stamp of a write in small digits, in seconds since the beginning of the script.

    A number after a plus sign counts microseconds: `₁₇₊₂` is two microseconds after second 17. Such small differences
    come from Lamport's rule: the stamp of a new write is greater than every stamp that the server has seen.
    """
    seconds, _, fraction = stamp_text(split_id(write_id)[0]).partition(".")
    more = int(fraction.ljust(6, "0")) if fraction else 0
    return (f"{seconds}+{more}" if more else seconds).translate(SMALL)


def entry(write: Mapping[str, Any]) -> Entry | None:
    """Convert a write, as `GET /replica/log` returns it, to an entry of the picture. Return None for a write that the
    picture does not show, such as a membership write."""
    described, app = write["describe"], write["app"].partition("/")[0]
    mark = str(write["state"])
    if app == "playlist":
        thing = described["song"]
        text = f"{thing}={described['url']}" if write["op"] == "put" else f"{thing} deleted"
    elif app == "rooms":
        user, result = client_of(write["user"]), described["result"]
        thing = result["room"] if result else described["room"]
        if write["op"] == "cancel":
            text = f"{user} cancels {described['reservation'].rpartition('/')[2]}"
        elif result:
            text = f"{user} {thing} {short_time(result)}"
        else:
            mark, text = "rejected", f"{user} {thing} none {'left' if mark == 'committed' else 'now'}"
    elif app == "records" and write["op"] == "write":
        thing, result = described["relations"], described["result"]
        if result:
            op, _, values = result["changed"].split(maxsplit=2)
            text = values if op == "insert" else f"{op} {values}"
        else:
            mark, text = "rejected", f"{client_of(write['user'])} conflict{'' if mark == 'committed' else ' now'}"
    else:
        return None
    is_final, stamp = write["state"] == "committed", small_stamp(write["id"])
    return Entry(write["id"], text, mark, thing, is_final, write["outcome"], stamp)


def changes(before: Sequence[Entry], now: Sequence[Entry]) -> dict[str, str]:
    """Compare a server's log before a step with its log now. Return a map from the id of each changed write to a key of
    SIGNS."""
    known = {old.id: (old, before[:place]) for place, old in enumerate(before)}
    found = {}
    for place, write in enumerate(now):
        if write.id not in known:
            found[write.id] = "new"
            continue
        old, old_earlier = known[write.id]
        earlier = {other.id for other in old_earlier}
        overtaken = any(other.thing == write.thing and other.id not in earlier for other in now[:place])
        is_revoked = old.is_final and not write.is_final
        if is_revoked or (not old.is_final and (overtaken or old.outcome != write.outcome)):
            found[write.id] = "replayed"
        elif old.is_final != write.is_final:
            found[write.id] = "final"
    return found


def link_line(world: World) -> str:
    """Return a line with the links between running servers. If there are more than LINKS_MAX links, the line has only
    the cut links."""
    pairs = list(combinations([server.id for server in world.running()], 2))
    cut = [pair for pair in pairs if not world.is_linked(*pair)]
    shown = pairs if len(pairs) <= LINKS_MAX else cut
    signs = {True: paint("──", "green"), False: paint("╳", "red", attrs=["bold"])}
    if not shown:
        return "all links work" if pairs else "no other server runs"
    return "   ".join(f"{one} {signs[(one, other) not in cut]} {other}" for one, other in shown)


def newest_changed(column: Column) -> int:
    """Return how many of the newest writes of a log must be shown, so that all changed writes are visible. Return 0 if
    no write has changed."""
    changed = [place for place, write in enumerate(column.log) if column.changes.get(write.id)]
    return len(column.log) - changed[0] if changed else 0


def columns(shown: Sequence[Column], width: int, writes_max: int = WRITES_MAX) -> Iterator[str]:
    """Yield the lines of the picture, with the columns side by side. A line has at most `width` characters. Each column
    shows the newest `writes_max` writes of its log."""
    at_once = max(1, min(COLUMNS_MAX, len(shown), width // COLUMN_MIN))
    room = width // at_once - 1
    for first in range(0, len(shown), at_once):
        cells = [_cells(column, room, writes_max) for column in shown[first : first + at_once]]
        if first:
            yield ""
        for row in zip_longest(*cells, fillvalue=("", "")):
            yield " ".join(inked + " " * (room - len(plain)) for plain, inked in row).rstrip()


def _cells(column: Column, room: int, writes_max: int) -> Iterator[Text]:
    title = f" {column.id}{' ★ primary' if column.is_primary else ''}"
    if not column.running:
        title += " ✖ crashed"
    title = title[: room - 1].ljust(room - 1)
    yield title, paint(title, attrs=["reverse", "bold"] if column.running else ["reverse", "dark"])
    gap = "" if room < TIGHT else " "
    below = " ".join([f"CSN {column.csn}" if column.running else "", *(f"☺{gap}{client}" for client in column.clients)])
    below = f" {below.strip()}"[:room]
    yield below, paint(below, "cyan")
    if len(column.log) > writes_max:
        yield _dim(f"   … {len(column.log) - writes_max} before")
    elif column.of_members:
        yield _dim(f"   {column.of_members} of membership")
    elif column.running and not column.log:
        yield _dim("   (empty log)")
    for write in column.log[max(0, len(column.log) - writes_max) :]:
        yield from _write_lines(write, column.changes.get(write.id, ""), room)


def _write_lines(write: Entry, change: str, room: int) -> Iterator[Text]:
    """Yield the line of a write. In a narrow column, a long write takes two lines."""
    mark, color = MARKS[write.mark]
    gap = "" if room < TIGHT else " "
    text = f"{mark}{gap}{write.text}{gap}{write.stamp}".rstrip()
    first, *rest = textwrap.wrap(text, room - 1, subsequent_indent="  ")
    more = [_shorten(" ".join(rest), room - 1)] if rest else []
    for number, line in enumerate([first, *more]):
        sign = " " if number else SIGNS[change]
        bold = ["bold"] if change else []
        yield f"{sign}{line}", f"{paint(sign, attrs=bold)}{paint(line, color, bold)}"


def _shorten(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _dim(text: str) -> Text:
    return text, paint(text, attrs=["dark"])
