"""records: how many writes of the application `records` a replica receives from a peer per second. Each write inserts a
meeting into a relation, and carries a check and a merge procedure.

The limit is the rate for the application `rooms`: there, the same meetings are room reservations. Both rates are
measured as in the row `store`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from apps.records.program import program_of
from apps.records.relation import Relation
from apps.records.schema import WriteBody
from bayou.payloads import Item
from bench.measure import Size, in_turn
from bench.rows.store import COUNT, PEER, ROUNDS, received
from bench.table import Row, at_least
from bench.workload import BLOCKS, FIRST_DAY, FIRST_STAMP, ROOMS, SLOT_MIN, conflicting, link
from bench.workspace import Workspace

MEETINGS = Relation(
    "meetings",
    {"room": "text", "day": "text", "start": "integer", "stop": "integer", "who": "text"},
    ("room", "day", "start"),
    ("room", "day"),
)
INSERT = "INSERT INTO meetings (room, day, start, stop, who) VALUES (:room, :day, :start, :stop, :user)"
FREE = "SELECT who FROM meetings WHERE room = :room AND day = :day AND start < :stop AND stop > :start"


def measure(workspace: Workspace, size: Size) -> list[Row]:
    count = size.of(COUNT, 4)
    rooms, records = conflicting(count, PEER), _conflicting(count)
    with workspace.redis() as client:
        figures = in_turn(
            size.rounds(ROUNDS),
            lambda: received(client, records, primary=True),
            lambda: received(client, rooms, primary=True),
            lambda: received(client, records, primary=False),
            lambda: received(client, rooms, primary=False),
        )
    rates = [count / seconds for seconds in figures]
    return [
        at_least("records", "writes/s, committed at once; as rooms", rates[:2], 0.5),
        at_least("records", "writes/s, tentative; as rooms", rates[2:], 0.5),
    ]


def _conflicting(count: int) -> list[Item]:
    """Make one write of the application `records` for each meeting of `workload.conflicting`. Each write gives three
    slots, in the order of preference. For every second write, the first slot is already taken."""
    return link([_meeting(number) for number in range(count)], PEER, FIRST_STAMP)


def _meeting(number: int) -> dict[str, Any]:
    row, room = divmod(number // 2, len(ROOMS))
    day, block = divmod(row, BLOCKS)
    slots = [_slot(3 * SLOT_MIN * block + SLOT_MIN * preference) for preference in range(3)]
    place = {"room": ROOMS[room], "day": str(date(2026, 12, 1) + timedelta(days=day))}
    body = WriteBody.model_validate(
        {
            "update": INSERT,
            "check": {"query": FREE, "expect": []},
            "merge": [{"for": slots[1:], "check": {"query": FREE, "expect": []}, "update": INSERT}],
            "parameters": {**place, **slots[0]},
        }
    )
    program = program_of(body, "desk", lambda _: MEETINGS)
    return {
        "app": "records/1",
        "op": "write",
        "check": "carried",
        "merge": "carried",
        "args": program.args,
        "pages": tuple(program.pages),
        "user": "desk",
        "request": f"seminar-{number}",
        "accepted_at": FIRST_DAY.isoformat(timespec="milliseconds"),
    }


def _slot(start: int) -> Mapping[str, int]:
    return {"start": start, "stop": start + SLOT_MIN}
