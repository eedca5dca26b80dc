"""Shows writes of records as lines and columns. This module sends no requests."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cli.output.reservations import NOT_FINAL, where
from cli.output.screen import Cell, Row, Screen, brief, clean
from cli.rest import Json

DONE_OUTCOMES = {"updated", "merged", "duplicate"}


def is_done(write: Json) -> bool:
    """Return whether the latest play of the write succeeded.

    A duplicate counts as a success, because a write with the same request id succeeded before.
    """
    return write["outcome"] in DONE_OUTCOMES


def state_of(write: Json) -> str:
    """Return the text for Screen.state: `tentative` or `committed` if `is_done(write)`, else the outcome."""
    return str(write["state"] if is_done(write) else write["outcome"])


def change_text(change: Json) -> str:
    """Return one change of a record as text, such as `insert meetings room=6.12 day=2026-12-01`."""
    return clean(f"{change['op']} {_record(change)}")


def obstacle_text(one: Json) -> str:
    return clean(f"{'missing' if one['is_missing'] else 'in the way'}: {_record(one)}")


def show_write(screen: Screen, write: Json) -> None:
    """Show one write: a line for each change, then why the write failed, its id, and other notes."""
    state = screen.state(state_of(write))
    for change in _changes(write):
        screen.line(f"{state}  {change}{_how(write)}")
    lines = [("why", obstacle_text(one)) for one in write.get("in_the_way", ())]
    if write.get("reason"):
        lines.append(("why", clean(write["reason"])))
    lines.append(("id", clean(f"{write['user']}/{write['request']}")))
    if holders := write.get("held_by"):
        lines.append(("where", where(holders)))
    if write["state"] == "tentative":
        lines.append(("note", NOT_FINAL))
    screen.details(lines)


def show_writes(screen: Screen, writes: Iterable[Json]) -> None:
    """Show writes in columns: mark, id, changes, and a remark. The remark of a tentative write says which replicas hold
    the write."""
    rows: list[Row] = []
    for one in writes:
        spread = f"({where(one['held_by'])})" if one.get("held_by") else ""
        remark = Cell(f"{'' if is_done(one) else one['outcome']} {spread}".strip(), None if is_done(one) else "red")
        what = "; ".join(_changes(one)) + _how(one)
        rows.append((screen.mark(state_of(one)), brief(str(one["request"])), what, remark))
    screen.table(rows)


def _changes(write: Json) -> Sequence[str]:
    """Return the changes that the write made, as texts. If the write failed, return the changes that the write asked
    for, and add `→ nothing` to each change."""
    if is_done(write):
        return [change_text(change) for change in write["changed"]]
    return [f"{change_text(change)} → nothing" for change in write["wanted"]]


def _how(write: Json) -> str:
    if not write["step"]:
        return ""
    alternative = f", alternative {write['alternative']}" if write["alternative"] else ""
    return f"  merged by step {write['step']}{alternative}"


def _record(one: Json) -> str:
    relation = str(one["relation"]).partition("~")[0]
    return " ".join([relation, *(f"{name}={value}" for name, value in one["record"].items())])
