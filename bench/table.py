"""The lines of the benchmark's table, printed as Markdown for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

HEADING = ("row", "ours", "limit", "unit", "ratio", "wanted", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    row     the name of the row to which the line belongs
    ours    the figure of this project
    limit   the figure for comparison, or None
    ratio   `ours / limit`; None if `limit` is None or 0
    wanted  the condition for `ratio` or `ours`, such as `≤ 1.5 ×`; empty if there is no condition
    met     True if the condition is met; None if there is no condition
    """

    row: str
    ours: float
    limit: float | None
    unit: str
    ratio: float | None
    wanted: str
    met: bool | None


def at_least(row: str, unit: str, figures: Sequence[float], ratio_min: float, wanted: str = "") -> Row:
    """Return a line with the condition that `ours / limit` is at least `ratio_min`. `figures` is (ours, limit)."""
    ours, limit = figures
    return Row(row, ours, limit, unit, ours / limit, wanted or f"≥ {ratio_min:g}", ours / limit >= ratio_min)


def at_most(row: str, unit: str, figures: Sequence[float], ratio_max: float, wanted: str = "") -> Row:
    """Return a line with the condition that `ours / limit` is at most `ratio_max`. `figures` is (ours, limit)."""
    ours, limit = figures
    return Row(row, ours, limit, unit, ours / limit, wanted or f"≤ {ratio_max:g}", ours / limit <= ratio_max)


def below(row: str, unit: str, ours: float, ours_max: float, limit: float | None = None) -> Row:
    """Return a line with the condition that `ours` is at most `ours_max`. The condition does not use `limit`."""
    return Row(row, ours, limit, unit, ours / limit if limit else None, f"≤ {ours_max:,g}", ours <= ours_max)


def figure(row: str, unit: str, ours: float, limit: float | None = None) -> Row:
    """Return a line that shows `ours` beside `limit`. No value of `ours` is too high or too low."""
    return Row(row, ours, limit, unit, ours / limit if limit else None, "", None)


def as_json(rows: Iterable[Row]) -> str:
    return json.dumps({"rows": [asdict(row) for row in rows]}, ensure_ascii=False)


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the table in Markdown. The columns are aligned, so a terminal shows them well too."""
    lines = [HEADING, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADING))]
    rule = [("-" * (width - 1) + ":") if column in {1, 2, 4} else "-" * width for column, width in enumerate(widths)]
    return "\n".join(_line(cells, widths) for cells in (lines[0], rule, *lines[1:]))


def _cells(row: Row) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[row.met]
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    return row.row, _number(row.ours), "" if row.limit is None else _number(row.limit), row.unit, ratio, row.wanted, met


def _number(value: float) -> str:
    """Return a number as text. A number of 100 or more is rounded to a whole number; a smaller number has three
    significant digits."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (
        cell.rjust(width) if column in {1, 2, 4} else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return f"| {' | '.join(padded)} |"
