"""Draws a space-time diagram as an SVG file that needs nothing else: time goes to the right, and on in the next row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path

from cluster.diagram.layout import Arrow, Gap, Layout, Mark, Step
from cluster.diagram.words import SIGNS, Words

WIDTH_MAX = 1500  # of a row, unless one step alone is wider
COLUMN_MIN = 22
CHARACTER = 6.2
BOLD = 7.0  # a character of a caption
LANE = 92
HEAD = 62  # above the first lane: the numbers of the steps, and the captions of its marks
FOOT = 36  # below the last lane: the stamps of its marks
TRACK = 18
NAMES_MIN = 90
MARGIN = 24
RADIUS = 9
LINE = 18
LEGEND = 84
TOP = 48.0  # of the first row
WIDTH_MIN = 1170  # for the legend
STEP_LINES = 4  # columns of the list of steps at most
STEP_WIDTH = 370
STEP_CHARACTERS = 56
COLOURS = 8  # of lanes, in base.css
STATIC = Path(__file__).parent.parent.parent / "web" / "static"


def draw(title: str, steps: Sequence[Step], layout: Layout, words: Words) -> str:
    """Return the SVG. Its colours and its style are those of the web pages."""
    return "\n".join(_Drawing(title, steps, layout, words).lines())


@dataclass(frozen=True, slots=True)
class _Row:
    """The columns from `start` up to `end`, which stand side by side. `lefts` has the left side of each column of the
    whole diagram."""

    start: int
    end: int
    top: float
    lefts: Sequence[float]
    tracks: Sequence[tuple[str, ...]]
    margin: float

    def left(self, column: int) -> float:
        return self.margin + self.lefts[min(max(column, self.start), self.end)] - self.lefts[self.start]

    def middle(self, column: int) -> float:
        return (self.left(column) + self.left(column + 1)) / 2

    def has(self, column: int | None) -> bool:
        return column is not None and self.start <= column < self.end

    def touches(self, gap: Gap) -> bool:
        return gap.start < self.end and gap.end > self.start


class _Drawing:
    def __init__(self, title: str, steps: Sequence[Step], layout: Layout, words: Words) -> None:
        self._title, self._steps, self._layout, self._words = title, steps, layout, words
        self._place = {lane: index for index, lane in enumerate(layout.lanes)}
        longest = max([len(words.name(lane)) for lane in layout.lanes], default=0)
        links = max([len(self._link(gap.names)) for gap in layout.cuts], default=0)
        self._margin = MARGIN + max(NAMES_MIN, longest * 9 + 16, links * CHARACTER + 16)
        self._rows = list(self._make_rows())

    def lines(self) -> Iterator[str]:
        bottom = self._bottom(self._rows[-1]) if self._rows else TOP
        width = max([MARGIN + row.left(row.end) for row in self._rows] + [WIDTH_MIN])
        steps_top = bottom + LEGEND
        per_column = math.ceil(len(self._steps) / max(1, min(STEP_LINES, int((width - MARGIN) // STEP_WIDTH))))
        height = steps_top + LINE * (per_column + 1) + MARGIN
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
            f' height="{height:g}" class="diagram" role="img">'
        )
        yield f"<title>{escape(self._title)}</title><style>{_style()}</style>"
        yield f'<text class="title" x="{MARGIN}" y="34">{escape(self._title)}</text>'
        for row in self._rows:
            yield from self._row(row)
        yield from self._legend(bottom + 8)
        yield from self._list_of_steps(steps_top, per_column)
        yield "</svg>\n"

    def _make_rows(self) -> Iterator[_Row]:
        """Break the diagram into rows. Each row begins with a step."""
        layout = self._layout
        widths = [float(COLUMN_MIN)] * (layout.columns + 1)
        for found in layout.marks:
            caption, numbers = self._words.caption(found.mark), " ".join(self._words.numbers(found.mark))
            lengths = [*(len(text) * BOLD for text in caption), len(numbers) * CHARACTER]
            widths[found.column] = max(widths[found.column], max(lengths) + 10)
        for start, end, number in self._step_columns():  # there is room for the number of each step
            missing = len(str(number)) * CHARACTER + 10 - sum(widths[start:end])
            if end > start and missing > 0:
                widths[start] += missing
        lefts = [sum(widths[:column]) for column in range(layout.columns + 1)]
        first, top = 0, TOP
        for start, end, _ in [*self._step_columns(), (layout.columns, layout.columns, 0)]:
            is_last = start == layout.columns
            if start > first and (is_last or self._margin + lefts[end] - lefts[first] > WIDTH_MAX):
                gaps = [gap for gap in layout.cuts if gap.start < start and gap.end > first]
                row = _Row(first, start, top, lefts, sorted({gap.names for gap in gaps}, key=self._order), self._margin)
                yield row
                first, top = start, self._bottom(row) + 10

    def _step_columns(self) -> list[tuple[int, int, int]]:
        """Return for each step its first column, the column after its last column, and its number."""
        bounds = pairwise([*self._layout.steps, self._layout.columns])
        return [(start, end, step.number) for (start, end), step in zip(bounds, self._steps, strict=True)]

    def _bottom(self, row: _Row) -> float:
        return row.top + HEAD + LANE * (len(self._place) - 1) + FOOT + TRACK * len(row.tracks)

    def _y(self, row: _Row, lane: str) -> float:
        return row.top + HEAD + LANE * self._place[lane]

    def _order(self, names: tuple[str, ...]) -> list[int]:
        return [self._place.get(name, len(self._place)) for name in names]

    def _link(self, names: Sequence[str]) -> str:
        return " – ".join(map(self._words.name, names))

    def _row(self, row: _Row) -> Iterator[str]:
        yield '<g class="row">'
        bottom = row.top + HEAD + LANE * (len(self._place) - 1) + FOOT - 8
        for (start, end, number), step in zip(self._step_columns(), self._steps, strict=True):
            if row.has(start) and end > start:
                x = row.left(start)
                yield f'<g class="at"><title>{escape(f"line {number}: {step.title}")}</title>'
                yield f'<path class="onset" d="M{x:g} {row.top + 6:g}V{bottom:g}"/>'
                text = _shortened(f"{number} {step.title}", int((row.left(end) - x - 8) / CHARACTER), str(number))
                yield f'<text class="number" x="{x + 3:g}" y="{row.top + 14:g}">{escape(text)}</text></g>'
        for lane in self._layout.lanes:
            yield from self._lane(row, lane)
        yield from self._sessions(row)
        for found in self._layout.marks:
            if row.has(found.column):
                yield from self._mark(row, found)
        for index, names in enumerate(row.tracks):
            yield from self._track(row, names, row.top + HEAD + LANE * (len(self._place) - 1) + FOOT + TRACK * index)
        yield "</g>"

    def _lane(self, row: _Row, lane: str) -> Iterator[str]:
        y, place = self._y(row, lane), self._place[lane]
        absences = [gap for gap in self._layout.absences if gap.names == (lane,) and row.touches(gap)]
        yield f'<g data-colour="{place % COLOURS}" data-lane="{escape(lane)}">'
        yield f'<text class="name" x="{MARGIN}" y="{y + 5:g}">{escape(self._words.name(lane))}</text>'
        for start, end in _between(absences, row.start, row.end):
            yield f'<path class="lane" d="M{row.left(start):g} {y:g}H{row.left(end):g}"/>'
        yield "</g>"

    def _track(self, row: _Row, names: tuple[str, ...], y: float) -> Iterator[str]:
        """Yield the line of a link, with a gap where the link is cut."""
        cuts = [gap for gap in self._layout.cuts if gap.names == names and row.touches(gap)]
        link = escape(self._link(names))
        yield f'<g class="track" data-link="{escape("-".join(names))}"><title>the link {link}</title>'
        yield f'<text class="soft" x="{MARGIN}" y="{y + 4:g}">{link}</text>'
        for start, end in _between(cuts, row.start, row.end):
            yield f'<path class="linked" d="M{row.left(start):g} {y:g}H{row.left(end):g}"/>'
        for gap in cuts:
            x = row.left(gap.start) + 3
            yield f'<text class="cut" x="{x:g}" y="{y + 4:g}">✂</text>'
        yield "</g>"

    def _sessions(self, row: _Row) -> Iterator[str]:
        sessions: dict[str, list[Arrow]] = {}
        for arrow in self._layout.arrows:
            is_drawn = arrow.sender in self._place and arrow.receiver in self._place
            if is_drawn and (row.has(arrow.sent) or row.has(arrow.received)):
                sessions.setdefault(arrow.session, []).append(arrow)
        for arrows in sessions.values():
            columns = [column for arrow in arrows for column in (arrow.sent, arrow.received) if column is not None]
            left, right = row.left(min(columns)), row.left(max(columns) + 1)
            ends = sorted((arrows[0].sender, arrows[0].receiver), key=self._place.__getitem__)
            top, bottom = (self._y(row, end) for end in ends)
            yield f'<g class="session"><rect class="band" x="{left:g}" y="{top:g}" rx="6" width="{right - left:g}"'
            yield f' height="{bottom - top:g}"><title>session of {escape(self._link(ends))}</title></rect>'
            for arrow in arrows:
                yield from self._arrow(row, arrow)
            yield "</g>"

    def _arrow(self, row: _Row, arrow: Arrow) -> Iterator[str]:
        kind, y1, y2 = _class(arrow), self._y(row, arrow.sender), self._y(row, arrow.receiver)
        if arrow.sent is not None and arrow.received is not None:
            x1, x2 = row.middle(arrow.sent), row.middle(arrow.received)
        elif arrow.sent is not None:  # the half that is known
            x1, y2 = row.middle(arrow.sent), (y1 + y2) / 2
            x2 = x1 + COLUMN_MIN / 2
        else:
            assert arrow.received is not None
            x2, y1 = row.middle(arrow.received), (y1 + y2) / 2
            x1 = x2 - COLUMN_MIN / 2
        yield f'<g class="arrow {kind}" data-kind="{arrow.kind}"><title>{escape(self._words.of_arrow(arrow))}</title>'
        yield f'<path class="near" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/><path d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'
        yield f'<path class="head" d="{_head(x1, y1, x2, y2)}"/></g>'

    def _mark(self, row: _Row, found: Mark) -> Iterator[str]:
        x, y, mark = row.middle(found.column), self._y(row, found.lane), found.mark
        (who, when), (stamp, csn) = self._words.caption(mark), self._words.numbers(mark)
        yield f'<g class="event {_state(found)}" data-what="{mark["what"]}" data-lane="{escape(found.lane)}">'
        yield f"<title>{escape(self._words.of_mark(found))}</title>{_shape(_state(found), x, y)}"
        yield f'<text class="sign" x="{x:g}" y="{y + 4:g}">{SIGNS[mark["what"]]}</text></g>'
        for text, above in ((who, 26 if when else 14), (when, 14)):
            if text:
                yield f'<text class="caption" x="{x:g}" y="{y - above:g}">{escape(text)}</text>'
        numbers = f'<tspan class="csn">{csn}</tspan>' if csn else ""
        if stamp or csn:
            yield f'<text class="stamp" x="{x:g}" y="{y + 21:g}">{stamp}{" " if numbers else ""}{numbers}</text>'

    def _legend(self, top: float) -> Iterator[str]:
        yield '<g class="legend">'
        x = float(MARGIN)
        signs = [(state, "", state) for state in ("tentative", "committed", "rejected")]
        signs += [("several", sign, what.replace("_", " ")) for what, sign in SIGNS.items()]
        for state, sign, text in signs:
            yield f'<g class="event {state}">{_shape(state, x + RADIUS, top + 14)}'
            yield f'<text class="sign" x="{x + RADIUS:g}" y="{top + 18:g}">{sign}</text></g>'
            yield f'<text x="{x + 24:g}" y="{top + 18:g}">{text}</text>'
            x += 24 + len(text) * CHARACTER + 18
        arrows = [
            ("batch tentative", "writes"),
            ("batch committed", "committed writes"),
            ("notifies", "commit notification"),
        ]
        arrows += [("hello", "hello"), ("ack", "other frames"), ("state_end", "full state"), ("refuse", "refusal")]
        x = float(MARGIN)
        for kind, text in arrows:
            yield f'<g class="arrow {kind}"><path d="M{x:g} {top + 44:g}H{x + 30:g}"/>'
            yield f'<path class="head" d="{_head(x, top + 44, x + 30, top + 44)}"/></g>'
            yield f'<text x="{x + 36:g}" y="{top + 48:g}">{text}</text>'
            x += 36 + len(text) * CHARACTER + 18
        yield f'<text class="soft" x="{x:g}" y="{top + 48:g}">stamps in seconds since the beginning;'
        yield ' <tspan class="csn">#CSN</tspan></text></g>'

    def _list_of_steps(self, top: float, per_column: int) -> Iterator[str]:
        yield '<g class="steps">'
        for index, step in enumerate(self._steps):
            x, y = MARGIN + STEP_WIDTH * (index // per_column), top + LINE * (index % per_column)
            text = _shortened(step.title, STEP_CHARACTERS, "")
            yield f'<text x="{x}" y="{y:g}"><tspan class="number">{step.number}</tspan> {escape(text)}</text>'
        yield "</g>"


def _style() -> str:
    """Return the style sheet of a diagram: the colours of the web pages, and the rules for diagrams."""
    colours = (STATIC / "base.css").read_text(encoding="utf-8")
    return colours[colours.index(":root") : colours.index("*,\n")] + (STATIC / "cluster-diagram.css").read_text("utf-8")


def _between(gaps: Sequence[Gap], start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the parts of the columns from `start` up to `end` that no gap covers."""
    for gap in sorted(gaps, key=lambda gap: gap.start):
        if gap.start > start:
            yield start, gap.start
        start = max(start, gap.end)
    if start < end:
        yield start, end


def _shortened(text: str, characters: int, least: str) -> str:
    """Return the text, cut to this number of characters. Its beginning `least` is never cut."""
    if len(text) <= characters:
        return text
    return f"{text[: characters - 1]}…" if characters > len(least) + 8 else least


def _state(found: Mark) -> str:
    if found.mark["no_effect"]:
        return "rejected"
    return found.mark["state"] or "several"


def _class(arrow: Arrow) -> str:
    """Return the CSS classes of an arrow. For a batch, they say whether it has writes, and whether all are
    committed."""
    half = "" if arrow.sent is not None and arrow.received is not None else " half"
    if arrow.kind != "batch":
        return arrow.kind + half
    writes: Sequence[Mapping[str, object]] = arrow.carries["writes"]
    if writes and not any(write["body"] for write in writes):
        return "notifies" + half
    return f"batch {'tentative' if any(write['csn'] is None for write in writes) else 'committed'}{half}"


def _shape(state: str, x: float, y: float) -> str:
    if state == "committed":
        side = RADIUS * 1.8
        place = f'x="{x - side / 2:g}" y="{y - side / 2:g}" width="{side:g}" height="{side:g}"'
        return f'<rect class="figure" {place} rx="3"/>'
    if state == "rejected":
        corners = ((math.cos(math.pi * (k + 0.5) / 4), math.sin(math.pi * (k + 0.5) / 4)) for k in range(8))
        points = " ".join(f"{x + RADIUS * dx:.4g},{y + RADIUS * dy:.5g}" for dx, dy in corners)
        return f'<polygon class="figure" points="{points}"/>'
    return f'<circle class="figure" cx="{x:g}" cy="{y:g}" r="{RADIUS - 0.5:g}"/>'


def _head(x1: float, y1: float, x2: float, y2: float) -> str:
    length = math.hypot(x2 - x1, y2 - y1) or 1
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    left, right = ((x2 - 9 * dx + s * 4 * dy, y2 - 9 * dy - s * 4 * dx) for s in (1, -1))
    return f"M{x2:.5g} {y2:.5g}L{left[0]:.5g} {left[1]:.5g}L{right[0]:.5g} {right[1]:.5g}z"
