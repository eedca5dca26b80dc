"""A model of the records application in plain Python. It follows apps/records/README.md.

The model plays the check and the merge procedure of a write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bayou.write import Write
from tests.support.model_desk import Desk, Pages

UNIT, LINE, GROUP = "\x1f", "\x1e", "\x1d"
REQUESTS_BYTES_MAX = 440
IN_THE_WAY_MAX = 5
VALUE_BYTES_MAX = 200

Values = Mapping[str, Any]


class _Obstacle(Exception):
    """A step of a write cannot be done. `records` are the records that prevent the step, as (mark, relation, values).
    The mark `+` means that the record is in the way. The mark `-` means that the record is missing."""

    def __init__(self, *records: tuple[str, str, Values]) -> None:
        self.records = records


class _Play:
    """One play of a write."""

    def __init__(self, desk: Desk, write: Write) -> None:
        self._desk = desk
        self._relations = write.args["relations"]

    def step(self, step: Mapping[str, Any], alternative: Values) -> None:
        """Do a step of the write. If that is impossible, raise _Obstacle and change nothing."""
        if "check" in step:
            self._check(step["check"], alternative)
        pages: dict[str, dict[str, str]] = {}
        for statement in step["update"]:
            name = statement["relation"]
            values = {name: bound(operand, alternative) for name, operand in statement["values"].items()}
            page, field = self._page(name, values), "=" + self._text(self._relations[name]["key"], values)
            fields = pages.setdefault(page, dict(self._desk.read(page)))
            old = self._decode(name, fields[field]) if field in fields else None
            if (old is None) != (statement["op"] == "insert"):
                key = {attribute: values[attribute] for attribute in self._relations[name]["key"]}
                raise _Obstacle(("-", name, key) if old is None else ("+", name, old))
            if statement["op"] == "delete":
                del fields[field]
            else:
                fields[field] = self._text(self._attributes(name), {**(old or {}), **values})
        for page, fields in pages.items():
            whole = self._desk.open(page)
            whole.clear()
            whole.update(fields)

    def _check(self, check: Mapping[str, Any], alternative: Values) -> None:
        query, name = check["query"], check["query"]["relation"]
        where = [(a, op, bound(v, alternative)) for a, op, v in _groups(query["where"], 3)]
        page = self._desk.read(self._page(name, {a: v for a, op, v in reversed(where) if op == "="}))
        records = [self._decode(name, text) for field, text in page.items() if field.startswith("=")]
        records = [one for one in records if all(_holds(op, one[a], value) for a, op, value in where)]
        records.sort(key=lambda one: [_rank(one[attribute]) for attribute in self._relations[name]["key"]])
        for attribute, direction in reversed(list(_groups(query.get("order", []), 2))):
            records.sort(key=lambda one, by=attribute: _rank(one[by]), reverse=direction == "descending")  # type: ignore[misc]
        records = records[: query.get("limit")]
        rows = [[one[attribute] for attribute in query["select"]] for one in records]
        expected = [[bound(value, alternative) for value in row] for row in check["expect"]]
        if rows == expected or ("order" not in query and sorted(map(str, rows)) == sorted(map(str, expected))):
            return
        missing = [] if records else [("-", name, dict(zip(query["select"], row, strict=True))) for row in expected]
        raise _Obstacle(*[("+", name, one) for one in records], *missing)

    def as_text(self, mark: str, name: str, values: Values) -> str:
        pairs = [f"{a}={_cut(str(values[a]))}" for a in self._attributes(name) if a in values]
        return UNIT.join([mark + name, *pairs])

    def _attributes(self, name: str) -> Sequence[str]:
        names: Sequence[str] = self._relations[name]["attributes"][::2]
        return names

    def _decode(self, name: str, text: str) -> dict[str, Any]:
        types = _groups(self._relations[name]["attributes"], 2)
        return {a: v if kind == "text" else int(v) for (a, kind), v in zip(types, text.split(UNIT), strict=True)}

    def _page(self, name: str, values: Values) -> str:
        texts = [str(values[attribute]) for attribute in self._relations[name]["page_by"]]
        escaped = ["".join(f"%{ord(c):02X}" if c in "%/" or ord(c) < 32 else c for c in text) for text in texts]
        return "/".join([f"records:{name}", *escaped])

    @staticmethod
    def _text(names: Sequence[str], values: Values) -> str:
        return UNIT.join(str(values[name]) for name in names)


def play_records(desk: Desk, write: Write) -> str:
    """Play a write and return the outcome."""
    mine = f"{write.user}/{write.request}="
    first = write.pages[0]
    requests = desk.read(first).get("requests", "").split()
    for done in requests:
        if done.startswith(mine):
            detail, _, digest = done.removeprefix(mine).partition(":")
            return f"{'duplicate' if digest == write.args['digest'] else 'differs'} {detail}".strip()
    play, found, args = _Play(desk, write), dict[str, None](), write.args
    steps: list[tuple[str, Values, Values]] = [("", args, {})]
    for number, step in enumerate(args.get("merge", []), 1):
        if "for" in step:
            steps += [(f"{number}.{place}", step, values) for place, values in enumerate(step["for"], 1)]
        else:
            steps.append((str(number), step, {}))
    for name, step, values in steps:
        try:
            play.step(step, values)
        except _Obstacle as obstacle:
            for record in obstacle.records:
                if len(found) < IN_THE_WAY_MAX:
                    found[play.as_text(*record)] = None
            continue
        text = " ".join([*requests, f"{mine}{name}:{write.args['digest']}"])
        while len(text.encode()) > REQUESTS_BYTES_MAX:
            text = text.partition(" ")[2]
        desk.open(first)["requests"] = text
        return f"merged {name}" if name else "updated"
    return f"conflict {LINE.join(found)}".rstrip()


def notes_of_records(write: Write, csn: int, outcome: str) -> Pages:
    """Return the notes that the commit of a write adds. A conflict adds one note for each relation in the update of the
    write. Any other outcome adds no note."""
    status, _, detail = outcome.partition(" ")
    if status != "conflict":
        return {}
    play = _Play(Desk({}, ()), write)
    wanted = [
        play.as_text(f"{one['op']} ", one["relation"], {a: bound(v, {}) for a, v in one["values"].items()})
        for one in write.args["update"]
    ]
    note = GROUP.join([write.id, write.user, write.request, write.accepted_at, LINE.join(wanted), detail])
    return {f"conflicts:{one['relation']}": {f"#{csn}": note} for one in write.args["update"]}


def bound(operand: Any, alternative: Values) -> Any:
    """Return the value of an operand. The operand `:NAME` means the value NAME of the alternative. The operand `::TEXT`
    means the text `:TEXT`."""
    if not isinstance(operand, str) or not operand.startswith(":"):
        return operand
    return operand[1:] if operand.startswith("::") else alternative[operand[1:]]


def _holds(operator: str, one: Any, other: Any) -> bool:
    a, b = _rank(one), _rank(other)
    found: bool = {"=": a == b, "<>": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[operator]
    return found


def _rank(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def _groups(flat: Sequence[Any], size: int) -> Iterator[tuple[Any, ...]]:
    return zip(*(flat[first::size] for first in range(size)), strict=True)


def _cut(text: str) -> str:
    cut = text.encode()[:VALUE_BYTES_MAX].decode(errors="ignore")
    return cut if cut == text else cut + "…"
