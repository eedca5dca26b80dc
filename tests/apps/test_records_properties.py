"""Random writes of records. All replicas must agree with a model, which is written independently in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.api.service import new_draft
from apps.records import APPLICATION
from apps.records.endpoints import WRITE
from apps.records.program import program_of
from apps.records.relation import Relation
from apps.records.rows import answer
from apps.records.schema import WriteBody
from apps.records.sql import Source, read_query
from apps.rooms import APPLICATION as ROOMS
from apps.rooms.drafts import DraftContext, reserve
from apps.rooms.pages import decode_room
from apps.rooms.schema import FirstFreeAlternative, ReserveBody, Slot
from bayou.write import Draft
from storage.scripts import rules_by_tag
from storage.store import Store
from tests.support.engine_harness import Clock, Meeting
from tests.support.worker_redis import worker_redis

RELATION = Relation("things", {"box": "text", "number": "integer", "owner": "text"}, ("box", "number"), ("box",))
BOXES, NUMBERS = ("a", "ü", "a/b%"), (0, 1, 2, 10)
OWNERS = ("ann", "bob", ":ann", "zoë")
ACCEPTED_AT = datetime(2026, 12, 1, tzinfo=UTC)
OPERATORS = ("=", "<>", "<", "<=", ">", ">=")

Record = tuple[str, int, str]


@dataclass(frozen=True)
class Query:
    """A query of RELATION: the records with one value of `box`, and conditions on `number` and `owner`. `order` is
    the direction of ORDER BY owner: ASC, DESC, or empty for no order."""

    box: str
    conditions: tuple[tuple[str, str, Any], ...]
    order: str
    limit: int | None

    @property
    def sql(self) -> str:
        conditions = [f"box = {quoted(self.box)}", *(f"{a} {op} {quoted(v)}" for a, op, v in self.conditions)]
        text = f"SELECT number, owner FROM things WHERE {' AND '.join(conditions)}"
        return (
            text
            + (f" ORDER BY owner {self.order}" if self.order else "")
            + (f" LIMIT {self.limit}" if self.limit else "")
        )


@dataclass(frozen=True)
class Step:
    query: Query | None
    expect: tuple[tuple[int, str], ...]
    statements: tuple[tuple[str, Any, Any, Any], ...]  # op, box, number, owner; each may be a parameter
    alternatives: tuple[tuple[str, int], ...] | None  # values of :box and :number

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = {"update": [statement_sql(*statement) for statement in self.statements]}
        if self.query:
            found["check"] = {"query": self.query.sql, "expect": [[n, escaped(o)] for n, o in self.expect]}
        if self.alternatives is not None:
            found["for"] = [{"box": box, "number": number} for box, number in self.alternatives]
        return found


def escaped(text: str) -> str:
    """Return the form that a text has in the `expect` of a request. A text that begins with a colon gets a second
    colon."""
    return f":{text}" if text.startswith(":") else text


def quoted(value: Any) -> str:
    return (
        str(value) if isinstance(value, int) or value in {":box", ":number"} else "'" + value.replace("'", "''") + "'"
    )


def statement_sql(op: str, box: Any, number: Any, owner: str) -> str:
    key = f"box = {quoted(box)} AND number = {quoted(number)}"
    if op == "insert":
        return f"INSERT INTO things (number, box, owner) VALUES ({quoted(number)}, {quoted(box)}, {quoted(owner)})"
    return (
        f"UPDATE things SET owner = {quoted(owner)} WHERE {key}"
        if op == "replace"
        else f"DELETE FROM things WHERE {key}"
    )


@dataclass
class Model:
    """A model of the records. `play` applies one write to the records, and returns the expected outcome of the
    write."""

    records: dict[tuple[str, int], str] = field(default_factory=dict)

    def play(self, steps: Sequence[Step]) -> str:
        for number, step in enumerate(steps):
            for place, alternative in enumerate(step.alternatives if step.alternatives is not None else [None], 1):
                values = dict(zip((":box", ":number"), alternative, strict=True)) if alternative else {}
                after = self._done(step, values)
                if after is not None:
                    self.records = after
                    return f"merged {number}.{place}" if alternative else f"merged {number}" if number else "updated"
        return "conflict"

    def _done(self, step: Step, values: dict[str, Any]) -> dict[tuple[str, int], str] | None:
        if step.query and not self._holds(step.query, step.expect, values):
            return None
        after = dict(self.records)
        for op, box, number, owner in step.statements:
            key = values.get(box, box), values.get(number, number)
            if (key in after) == (op == "insert"):
                return None
            if op == "delete":
                del after[key]
            else:
                after[key] = owner
        return after

    def _holds(self, query: Query, expect: Sequence[tuple[int, str]], values: dict[str, Any]) -> bool:
        found = self.rows(query, values)
        if query.order:
            return found == list(expect)
        return sorted(found) == sorted(expect)

    def rows(self, query: Query, values: dict[str, Any]) -> list[tuple[int, str]]:
        rows = [
            (number, owner)
            for (box, number), owner in self.records.items()
            if box == values.get(query.box, query.box)
            and all(compare(op, number if a == "number" else owner, values.get(v, v)) for a, op, v in query.conditions)
        ]
        rows.sort()
        if query.order:
            rows.sort(key=lambda row: row[1].encode(), reverse=query.order == "DESC")
        return rows[: query.limit]


def compare(op: str, one: Any, other: Any) -> bool:
    if isinstance(one, str):
        one, other = one.encode(), other.encode()
    sign = (one > other) - (one < other)
    found: bool = {"=": sign == 0, "<>": sign != 0, "<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0}[op]
    return found


boxes, numbers, owners = map(st.sampled_from, (BOXES, NUMBERS, OWNERS))


def steps_of(has_alternatives: bool) -> st.SearchStrategy[Step]:
    box = st.just(":box") if has_alternatives else boxes
    number = st.sampled_from([":number", *NUMBERS]) if has_alternatives else numbers
    condition = st.one_of(
        st.tuples(st.just("number"), st.sampled_from(OPERATORS), number),
        st.tuples(st.just("owner"), st.sampled_from(OPERATORS), owners),
    )
    query = st.builds(
        Query,
        box,
        st.lists(condition, max_size=2).map(tuple),
        st.sampled_from(["", "ASC", "DESC"]),
        st.sampled_from([None, 1, 2]),
    )
    statement = st.tuples(st.sampled_from(["insert", "insert", "replace", "delete"]), box, number, owners)
    return st.builds(
        Step,
        st.none() | query,
        st.lists(st.tuples(numbers, owners), max_size=1).map(tuple),
        st.lists(statement, min_size=1, max_size=2).map(tuple),
        st.lists(st.tuples(boxes, numbers), min_size=1, max_size=3).map(tuple) if has_alternatives else st.none(),
    )


writes = st.tuples(steps_of(has_alternatives=False), st.lists(st.booleans().flatmap(steps_of), max_size=2)).map(
    lambda parts: (parts[0], *parts[1])
)
scripts = st.lists(st.tuples(st.integers(0, 2), writes | st.none()), min_size=1, max_size=14)


def draft_of(steps: Sequence[Step], request: str) -> Draft:
    body = WriteBody.model_validate({**steps[0].body, "merge": [step.body for step in steps[1:]]})
    program = program_of(body, "vish", lambda _: RELATION)
    return new_draft(
        WRITE, "write", program.args, program.pages, user="vish", at=datetime(2026, 12, 1, tzinfo=UTC), request=request
    )


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(script=scripts)
def test_replicas_agree_with_a_model(script: list[tuple[int, Any]]) -> None:
    """Each entry of a script names one of three replicas and a write for this replica. If the entry has None instead of
    a write, the replica has a session with the next replica."""
    clock, client = Clock(), worker_redis()
    client.flushdb()
    stores = [Store(client, f"r{number}", [APPLICATION]) for number in range(3)]
    for number, store in enumerate(stores):
        store.begin(server=f"r{number}~aaaaaa", cluster="test", first_primary=number == 0)
    asked: dict[str, Sequence[Step]] = {}
    for number, (place, steps) in enumerate(script):
        if steps is None:
            meet(stores[place], stores[(place + 1) % 3])
        else:
            asked[f"w{number}"] = steps
            stores[place].accept(draft_of(steps, f"w{number}"), clock.tick())
        model = Model()
        for entry in stores[place].log(None, 1000) or ():
            assert entry.outcome.partition(" conflict")[0].startswith(model.play(asked[entry.write.request]))
        assert records_of(stores[place]) == model.records
    for _ in range(2):
        for store in stores[1:]:
            meet(store, stores[0])
    digests = [store.digest() for store in stores]
    assert len({(digest.committed, digest.tentative, digest.csn) for digest in digests}) == 1


def records_of(store: Store) -> dict[tuple[str, int], str]:
    pages = store.read([RELATION.page({"box": box}) for box in BOXES]).pages.values()
    return {
        (str(record["box"]), int(record["number"])): str(record["owner"])
        for views in pages
        for record in RELATION.records(views.tentative)
    }


def meet(one: Store, other: Store) -> None:
    meeting = Meeting(one, other, rules_by_tag([APPLICATION, ROOMS])).run()
    assert all(end.finished and end.report.error is None for end in meeting.ends), meeting.ends[0].report


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(inserted=st.dictionaries(st.tuples(boxes, numbers), owners, max_size=12), asked=steps_of(has_alternatives=False))
def test_a_read_answers_as_a_check_does(inserted: dict[tuple[str, int], str], asked: Step) -> None:
    if asked.query is None:
        return
    model = Model(inserted)
    page = {f"={box}\x1f{number}": f"{box}\x1f{number}\x1f{owner}" for (box, number), owner in inserted.items()}
    relation, query = read_query(Source(asked.query.sql, "query", lambda _: RELATION, {}))
    of_box = {field: text for field, text in page.items() if text.startswith(f"{asked.query.box}\x1f")}
    rows = [(row["number"], row["owner"]) for row in answer(relation, query, [of_box])]
    assert rows == model.rows(asked.query, {})


# Rooms and records

MEETINGS = Relation(
    "meetings",
    {"room": "text", "day": "text", "start": "integer", "stop": "integer", "who": "text"},
    ("room", "day", "start"),
    ("room", "day"),
)
DAY_START_MIN = 29_934_720  # 2026-12-01 00:00 UTC, in minutes since 1970
FREE = "SELECT who FROM meetings WHERE room = :room AND day = :day AND start < :stop AND stop > :start"
TAKE = "INSERT INTO meetings (room, day, start, stop, who) VALUES (:room, :day, :start, :stop, :who)"
wanted = st.lists(
    st.tuples(st.integers(16, 22), st.integers(1, 3)).map(lambda slot: (slot[0] * 30, (slot[0] + slot[1]) * 30)),
    min_size=1,
    max_size=3,
)
requests = st.tuples(st.sampled_from(["6.12", "6.13"]), wanted)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(script=st.lists(st.tuples(st.integers(0, 1), requests | st.none()), min_size=1, max_size=10))
def test_rooms_in_records_give_the_calendar_of_the_rooms(script: list[tuple[int, Any]]) -> None:
    """Each request is made twice: as a reservation, and as a write of records with the same rules. If an entry of the
    script has None instead of a request, the two replicas have a session."""
    clock, client = Clock(), worker_redis()
    client.flushdb()
    stores = [Store(client, f"r{number}", [APPLICATION, ROOMS]) for number in range(2)]
    for number, store in enumerate(stores):
        store.begin(server=f"r{number}~aaaaaa", cluster="test", first_primary=number == 0)
    for number, (place, request) in enumerate(script):
        if request is None:
            meet(stores[0], stores[1])
        else:
            accepted = [
                stores[place].accept(draft, clock.tick()).status
                for draft in (_reservation(f"w{number}", *request), _meeting(f"w{number}", *request))
            ]
            assert accepted in (["updated"] * 2, ["merged"] * 2, ["rejected", "conflict"])
        for store in stores:
            assert _calendar_of_rooms(store) == _calendar_of_records(store)


def _reservation(request: str, room: str, slots: Sequence[tuple[int, int]]) -> Draft:
    body = ReserveBody.model_construct(
        room=room,
        slots=[Slot.model_construct(start=DAY_START_MIN + start, end=DAY_START_MIN + stop) for start, stop in slots],
        purpose="",
        merge=FirstFreeAlternative(),
        series=None,
    )
    return reserve(DraftContext("vish", request, ACCEPTED_AT, ZoneInfo("UTC"), ["6.12", "6.13"]), body)


def _meeting(request: str, room: str, slots: Sequence[tuple[int, int]]) -> Draft:
    first, *others = ({"start": start, "stop": stop} for start, stop in slots)
    check = {"query": FREE, "expect": []}
    body = {
        "update": TAKE,
        "check": check,
        "parameters": {"room": room, "day": "2026-12-01", "who": request, **first},
        "merge": [{"for": others, "check": check, "update": TAKE}] if others else [],
    }
    program = program_of(WriteBody.model_validate(body), "vish", lambda _: MEETINGS)
    return new_draft(WRITE, "write", program.args, program.pages, user="vish", at=ACCEPTED_AT, request=request)


def _calendar_of_rooms(store: Store) -> set[tuple[str, int, int, str]]:
    pages = store.read([f"room:{room}/2026-12-01" for room in ("6.12", "6.13")]).pages
    return {
        (entry.slot.room, entry.slot.start - DAY_START_MIN, entry.slot.end - DAY_START_MIN, entry.request)
        for page, views in pages.items()
        for entry in decode_room(page.removeprefix("room:").partition("/")[0], views.tentative)
    }


def _calendar_of_records(store: Store) -> set[tuple[str, int, int, str]]:
    names = [MEETINGS.page({"room": room, "day": "2026-12-01"}) for room in ("6.12", "6.13")]
    return {
        (str(one["room"]), int(one["start"]), int(one["stop"]), str(one["who"]))
        for views in store.read(names).pages.values()
        for one in MEETINGS.records(views.tentative)
    }
