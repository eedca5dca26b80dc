"""The command `series`. This module also helps other commands to make a series, and to change several occurrences of a
series."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter

from cli.arguments.values import REPEATS
from cli.context import Context
from cli.output.reservations import NOT_FINAL, name_of, reason_of, when
from cli.output.screen import Cell, Row, brief, clean
from cli.problems import DONE, NOTHING_FREE, Problem, Usage
from cli.rest import Json, Query
from cli.times import read_date, show_slot, slot_of

STATES_SHOWN = ("committed", "tentative", "rejected", "cancelled")


def repetition_of(context: Context, arguments: Namespace) -> Json | None:
    """Return the part of the REST body that makes a reservation a series. Return None for a single reservation."""
    if not (arguments.repeat or arguments.rule):
        if arguments.until or arguments.count or arguments.exceptions or arguments.all_or_nothing:
            raise Usage(
                "These options are for a series only: --until, --count, --except and --all-or-nothing. Add --repeat or"
                " --rule, or leave these options out."
            )
        return None
    if arguments.rule:
        if arguments.until or arguments.count:
            end = "--until" if arguments.until else "--count"
            raise Usage(
                f"{end} cannot be combined with --rule. Leave out {end}, and give the end of the series in the rule:"
                " add ;COUNT=10 or ;UNTIL=20270630 to the rule."
            )
        rule = str(arguments.rule).removeprefix("RRULE:")
    else:
        rule = REPEATS[arguments.repeat]
        if arguments.count:
            rule += f";COUNT={arguments.count}"
        elif arguments.until:
            rule += f";UNTIL={read_date(arguments.until, context.zone, context.now()):%Y%m%d}"
        else:
            raise Usage("--repeat needs an end. Give --until 2027-06-30 or --count 10.")
    days = [read_date(text, context.zone, context.now()).isoformat() for text in arguments.exceptions]
    return {
        "rule": rule,
        "except": sorted(set(days)),
        "occurrences": "all_or_nothing" if arguments.all_or_nothing else "best_effort",
    }


def series(context: Context, arguments: Namespace) -> int:
    if arguments.series:
        show_series(context, context.replica.get(context.series_path(arguments.series)))
        return DONE
    screen, zone, now = context.screen, context.zone, context.now()
    found: dict[tuple[str, str], list[Json]] = {}
    for one in context.reservations():
        if one.get("occurrence"):
            found.setdefault((str(one["user"]), str(one["series"])), []).append(one)
    screen.json({"user": context.user, "series": [{"id": f"{user}/{name}", "reservations": held}
                                                  for (user, name), held in found.items()]})  # fmt: skip
    rows: list[Row] = []
    for (_, name), held in found.items():
        coming = [one for one in held if one.get("slot") and slot_of(one["slot"]).end > now]
        first = min(coming, key=lambda one: slot_of(one["slot"]).start) if coming else held[-1]
        next_one = f"next {when(first, zone)}" if coming else "over"
        shown = name_of({**first, "request": name})
        rows.append((shown, str(first["room"]), next_one, _counts(held), str(first.get("purpose", ""))))
    screen.table(rows)
    if not rows:
        screen.line(f"{context.user} has no series here; `reserve … --repeat weekly --count 10` makes one.")
    return DONE


def show_series(context: Context, answer: Json) -> int:
    """Show a series. Return NOTHING_FREE if an occurrence was rejected, else DONE."""
    screen, found = context.screen, answer["series"]
    held = found["reservations"]
    screen.json(answer)
    parts = [
        screen.paint(clean(found["id"]), bold=True),
        clean(found["rule"]) or "single dates",
        f"times of {clean(found['timezone'])}",
    ]
    if found["owner"] != found["user"]:
        parts.append(f"owner {clean(found['owner'])}")
    if found.get("except"):
        parts.append(f"not on {', '.join(clean(day) for day in found['except'])}")
    screen.line("  ".join(parts))
    if not screen.as_json:
        _show_occurrences(context, held)
    screen.line(f"{len(held)} occurrences: {_counts(held)}")
    if any(not one.get("final", True) for one in held):
        screen.line(NOT_FINAL)
    return NOTHING_FREE if any(one["state"] == "rejected" for one in held) else DONE


def target_of(context: Context, arguments: Namespace) -> tuple[str, Query]:
    """Return the path and query of the REST request that changes or cancels a reservation or a series.

    The path names one reservation. With --all or --and-later, the path names a series. With --and-later, the query
    names the first occurrence to change.
    """
    if not arguments.reach:
        return context.reservation_path(arguments.reservation), {}
    path = context.series_path(arguments.reservation)
    if arguments.reach == "all":
        return path, {}
    return path, {"from": str(occurrence_of(context, arguments)["occurrence"])}


def occurrence_of(context: Context, arguments: Namespace) -> Json:
    """Return the first occurrence that the command changes.

    With --and-later, return the occurrence that the user names. With --all, return the first occurrence that is not
    cancelled.
    """
    name = arguments.reservation
    if arguments.reach == "later":
        if "~" not in name:
            short = brief(name)
            raise Usage(f"--and-later needs the id of one occurrence, {short}~DATE. `series {short}` lists the dates.")
        return context.replica.get(context.reservation_path(name))
    for one in context.replica.get(context.series_path(name))["series"]["reservations"]:
        if one["state"] != "cancelled":
            return dict(one)
    raise Problem("cancelled", f"Every occurrence of {name} is cancelled. Make a new series instead.")


def _show_occurrences(context: Context, held: list[Json]) -> None:
    """Show a line for each occurrence. If an occurrence did not get its first choice of slot, add a note."""
    rows: list[Row] = []
    for one in held:
        note = reason_of(one)
        asked = (one.get("asked") or [None])[0]
        if not note and asked and one.get("slot") and slot_of(asked) != slot_of(one["slot"]):
            note = f"instead of {show_slot(slot_of(asked), context.zone)}"
        mark = context.screen.mark(str(one["state"]))
        color = "red" if one["state"] == "rejected" else None
        rows.append((mark, brief(str(one["request"])), str(one["room"]), when(one, context.zone), Cell(note, color)))
    context.screen.table(rows, indent=2)


def _counts(held: list[Json]) -> str:
    counts = Counter(str(one["state"]) for one in held)
    return ", ".join(f"{counts[state]} {state}" for state in STATES_SHOWN if counts[state])
