"""Reads the outcomes of writes of records, and the notes about conflicts. These texts say what a write did, what the
write wanted to do, and which records prevented this. records.lua writes these texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from apps.records.canonical import Json, value_of
from apps.records.relation import SEPARATOR, Relation, Value, base_name_of, types_of
from bayou.application import LogEntry
from bayou.write import Write

LINE, FIELD = "\x1e", "\x1d"

NO_ALTERNATIVE: Mapping[str, Value] = {}


def obstacles(detail: str, relation_of: Callable[[str], Relation | None]) -> list[Json]:
    """Return the records that caused a conflict: records that were in the way of a write, and missing records that the
    write needed. `detail` is the detail of the outcome `conflict`."""
    lines = detail.split(LINE) if detail else []
    return [{"is_missing": line[0] == "-", **_named(line[1:], relation_of)} for line in lines]


def noted(text: str, relation_of: Callable[[str], Relation | None]) -> Json:
    """Return a conflict as JSON. `text` is the note about this conflict, from the page conflicts:NAME~HASH of a
    relation."""
    write, user, request, accepted_at, wanted, detail = text.split(FIELD)
    return {
        "write": write,
        "user": user,
        "request": request,
        "accepted_at": accepted_at,
        "wanted": [
            {"op": op, **_named(rest, relation_of)}
            for op, _, rest in (line.partition(" ") for line in wanted.split(LINE))
        ],
        "in_the_way": obstacles(detail, relation_of),
    }


def relations_of(write: Write) -> list[str]:
    """Return the full names of the relations that a write reads, changes, defines or drops."""
    return list(write.args["relations"]) if write.op == "write" else [f"{write.args['name']}~{write.args['hash']}"]


def conflict_of(write: Write, outcome: str) -> Json:
    """Return the changes that a write wanted, and the records that were in the way or missing. The result has the same
    form as the result of `noted`. `noted` reads a note, but a tentative write has no note yet. So this function reads
    the write and its outcome."""
    status, _, detail = outcome.partition(" ")
    wanted = (
        [{"op": "define", "relation": write.args["name"], "record": {}}]
        if write.op == "define"
        else changes_shown(write, done_by(write.args, "updated")[0])
    )
    return {
        "write": write.id,
        "user": write.user,
        "request": write.request,
        "accepted_at": write.accepted_at,
        "wanted": wanted,
        "in_the_way": obstacles(detail if status == "conflict" else "", _carried_by(write)),
    }


def present_state(entry: LogEntry) -> Json:
    """Return the present state of a write of records, with the schema PRESENT_STATE (see schema.py)."""
    status, _, detail = entry.outcome.partition(" ")
    changed, step, alternative = done_by(entry.write.args, entry.outcome)
    return {
        **conflict_of(entry.write, entry.outcome),
        "state": "tentative" if entry.csn is None else "committed",
        "csn": entry.csn,
        "outcome": status,
        "reason": detail if status in {"rejected", "forbidden", "failed"} else None,
        "step": step,
        "alternative": alternative,
        "changed": changes_shown(entry.write, changed),
    }


def changes_shown(write: Write, changes: Iterable[Json]) -> list[Json]:
    """Return changes of a write with their values in the form that clients see."""
    relation_of = _carried_by(write)
    return [
        {**change, "record": relation.shown_record(change["record"])}
        for change in changes
        if (relation := relation_of(change["relation"]))
    ]


def _carried_by(write: Write) -> Callable[[str], Relation | None]:
    """Return a function that finds a relation by its full name. The function returns None if the arguments of the write
    do not contain this relation."""
    carried = write.args.get("relations", {})
    return lambda name: Relation.of_carried(base_name_of(name), carried[name]) if name in carried else None


def _named(text: str, relation_of: Callable[[str], Relation | None]) -> Json:
    """Convert a text to {relation, record}. The text consists of the name of a relation, and NAME=VALUE for each
    attribute. SEPARATOR stands between these parts. If `relation_of` does not find the relation, numbers in the record
    stay text."""
    name, *pairs = text.split(SEPARATOR)
    relation = relation_of(name)
    record: Json = {}
    for pair in pairs:
        attribute, _, value = pair.partition("=")
        is_number = relation is not None and relation.attributes.get(attribute, "text") != "text"
        stored = int(value) if is_number else value
        record[attribute] = relation.shown(attribute, stored) if relation else stored
    return {"relation": name, "record": record}


def done_by(args: Mapping[str, Any], outcome: str) -> tuple[list[Json], int | None, int | None]:
    """Return what a write did: its statements, the number of the merge step, and the number of the alternative.

    `args` are the arguments of the write. The statements have values in place of parameters. If the write changed
    nothing, there are no statements. The step is None if the update itself was done. The alternative is None if the
    step has none.
    """
    status, _, detail = outcome.partition(" ")
    if status not in {"updated", "merged", "duplicate"}:
        return [], None, None
    if not detail:
        return list(_statements(args, args, NO_ALTERNATIVE)), None, None
    number, _, place = detail.partition(".")
    step = args["merge"][int(number) - 1]
    alternative = step["for"][int(place) - 1] if place else NO_ALTERNATIVE
    return list(_statements(args, step, alternative)), int(number), int(place) if place else None


def _statements(args: Mapping[str, Any], step: Mapping[str, Any], alternative: Mapping[str, Value]) -> Iterator[Json]:
    """Yield {op, relation, record} for each statement of a step. The attributes of a record are in the order of the
    relation."""
    for statement in step["update"]:
        operands = statement["values"]
        names = [name for name in types_of(args["relations"][statement["relation"]]) if name in operands]
        record = {name: value_of(operands[name], alternative) for name in names}
        yield {"op": statement["op"], "relation": statement["relation"], "record": record}
