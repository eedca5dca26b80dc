"""The lines of the benchmark's table, printed as Markdown for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

HEADING = ("row", "ours", "limit", "unit", "ratio", "wanted", "met")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    ours    our figure
    limit   the figure that ours is compared with, or None
    ratio   `ours / limit`; None if `limit` is None or 0
    wanted  the bound on the ratio or on our figure, such as `≤ 1.5 ×`; empty if there is no bound
    met     whether the figure keeps the bound; None if there is no bound
    """

    row: str
    ours: float
    limit: float | None
    unit: str
    ratio: float | None
    wanted: str
    met: bool | None


def at_least(row: str, unit: str, figures: Sequence[float], ratio_min: float, wanted: str = "") -> Row:
    """Make a line with a bound: the ratio should be at least `ratio_min`. `figures` are our figure and the limit."""
    ours, limit = figures
    return Row(row, ours, limit, unit, ours / limit, wanted or f"≥ {ratio_min:g}", ours / limit >= ratio_min)


def at_most(row: str, unit: str, figures: Sequence[float], ratio_max: float, wanted: str = "") -> Row:
    """Make a line with a bound: the ratio should be at most `ratio_max`. `figures` are our figure and the limit."""
    ours, limit = figures
    return Row(row, ours, limit, unit, ours / limit, wanted or f"≤ {ratio_max:g}", ours / limit <= ratio_max)


def below(row: str, unit: str, ours: float, ours_max: float, limit: float | None = None) -> Row:
    """Make a line with a bound: our figure should be at most `ours_max`. The limit is shown, but does not change the
    bound."""
    return Row(row, ours, limit, unit, ours / limit if limit else None, f"≤ {ours_max:,g}", ours <= ours_max)


def figure(row: str, unit: str, ours: float, limit: float | None = None) -> Row:
    """Make a line without a bound."""
    return Row(row, ours, limit, unit, ours / limit if limit else None, "", None)


def as_json(rows: Iterable[Row]) -> str:
    return json.dumps({"rows": [asdict(row) for row in rows]}, ensure_ascii=False)


def as_markdown(rows: Iterable[Row]) -> str:
    """Return the table in Markdown. Its columns are aligned, so that it is readable in a terminal too."""
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
