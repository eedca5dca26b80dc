"""Drafts of the writes that simulated clients make to records. A write takes or gives up a desk in an office."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from apps.api.service import new_draft
from apps.records.endpoints import WRITE
from apps.records.program import Program, program_of
from apps.records.relation import Relation
from apps.records.schema import WriteBody
from bayou.write import Draft

DESKS = Relation("desks", {"floor": "text", "desk": "integer", "who": "text"}, ("floor", "desk"), ("floor",))
FLOORS = ("6", "7/a", "ground")
DESKS_MAX = 4
AT = datetime(2026, 12, 24, tzinfo=UTC)


def record(user: str, request: str, place: int, how: int) -> Draft:
    """Return the draft of a write about a desk. `place` decides which desk.

    `how` decides what the write does: take a free desk, take over a desk, give up a desk, or take two desks.
    """
    program = _program(user, FLOORS[place % 3], place // 3 % DESKS_MAX, how % 8)
    return new_draft(WRITE, "write", program.args, program.pages, user=user, at=AT, request=request)


@lru_cache(4096)  # parsing takes most of the time of a step
def _program(user: str, floor: str, desk: int, how: int) -> Program:
    return program_of(WriteBody.model_validate(_body(floor, desk, how)), user, lambda _: DESKS)


def _body(floor: str, desk: int, how: int) -> dict[str, Any]:
    insert = "INSERT INTO desks (floor, desk, who) VALUES (:floor, :desk, :user)"
    held = "SELECT who FROM desks WHERE floor = :floor AND desk = :desk"
    mine = "SELECT desk FROM desks WHERE floor = :floor AND who = :user"
    next_desk, other_desk = (desk + 1) % DESKS_MAX, (desk + 2) % DESKS_MAX
    body: dict[str, Any] = {"update": insert, "parameters": {"floor": floor, "desk": desk}}
    match how:
        case 0 | 1 | 2:  # this desk or another one; only one desk on a floor
            check = {"query": mine, "expect": []}
            others = [{"floor": floor, "desk": next_desk}, {"floor": FLOORS[how], "desk": other_desk}]
            return {**body, "check": check, "merge": [{"for": others, "check": check, "update": insert}]}
        case 3:  # this desk; or take it over, from the person whose name is next after the user's
            query = f"{mine.replace('= :user', '> :user')} ORDER BY who LIMIT 1"
            taken = "UPDATE desks SET who = :user WHERE floor = :floor AND desk = :desk"
            return {**body, "merge": [{"check": {"query": query, "expect": [[":desk"]]}, "update": taken}]}
        case 4 | 5:  # give it up
            delete = "DELETE FROM desks WHERE floor = :floor AND desk = :desk"
            return {**body, "update": delete, "check": {"query": held, "expect": [[":user"]]}}
        case _:  # two desks at once, or this desk alone if nobody has it
            both = [insert, insert.replace(":desk", str(next_desk))]
            return {**body, "update": both, "merge": [{"update": insert}]}
