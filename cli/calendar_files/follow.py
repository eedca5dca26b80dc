"""Carries out the plan of an import. The requests are sent one after the other, so the same file always gives the same
result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cli.calendar_files.plan import Add, Cancel, Change, Plan
from cli.calendar_files.timetable import Course, Wanted
from cli.problems import Problem, Unreachable
from cli.rest import Json, Replica, segment
from cli.times import slot_of


@dataclass
class Tally:
    """The results of the requests of a plan.

    lost    the error if the replica did not answer a request, else None; after this error, no request is sent
    unsent  the number of reservations, changes and cancellations whose request got no answer or was not sent
    """

    tentative: int = 0
    committed: int = 0
    changed: int = 0
    cancelled: int = 0
    refused: list[tuple[Wanted, Problem]] = field(default_factory=list)
    not_cancelled: list[tuple[Cancel, Problem]] = field(default_factory=list)
    unsent: int = 0
    lost: Unreachable | None = None


@dataclass
class Follower:
    """Sends the requests of a plan. The method `follow` calls `step` after each action of the plan."""

    replica: Replica
    user: str
    merge: str | Json
    new_rooms: bool
    step: Callable[[], None]
    tally: Tally = field(default_factory=Tally)

    def follow(self, plan: Plan) -> Tally:
        for action in (*plan.cancels, *plan.steps):
            if self.tally.lost is None:
                try:
                    self._act(action)
                except Unreachable as problem:
                    self.tally.lost = problem
                except Problem as problem:
                    self._note_refusal(action, problem)
            if self.tally.lost is not None:
                self.tally.unsent += len(action.wanted) if isinstance(action, Add) else 1
            self.step()
        return self.tally

    def _note_refusal(self, action: Add | Change | Cancel, problem: Problem) -> None:
        if isinstance(action, Cancel):
            self.tally.not_cancelled.append((action, problem))
        else:
            wanted = action.wanted if isinstance(action, Add) else [action.wanted]
            self.tally.refused += [(one, problem) for one in wanted]

    def _act(self, action: Add | Change | Cancel) -> None:
        if isinstance(action, Cancel):
            self.replica.write("DELETE", self._path(action.held.request), action.request)
            self.tally.cancelled += 1
        elif isinstance(action, Change):
            body = self._body(action.wanted, action.course) | {"slots": [action.wanted.slot.as_json()]}
            self.replica.write("PATCH", self._path(action.held.request), action.request, body)
            self.tally.changed += 1
        elif action.course.repeats:
            self._add_series(action, list(action.wanted))
        else:
            (one,) = action.wanted
            body = self._body(one, action.course) | {"slots": [one.slot.as_json()]}
            _, answer = self.replica.write("POST", "/reservations", action.request, body)
            self._count(one, answer)

    def _path(self, request: str) -> str:
        return f"/reservations/{segment(self.user)}/{segment(request)}"

    def _add_series(self, action: Add, wanted: list[Wanted]) -> None:
        """Reserve a series. If the policies forbid an occurrence, send the series again without this occurrence."""
        while wanted:
            first = wanted[0]
            times = [_time(one, first) for one in wanted]
            body = self._body(first, action.course) | {"times": times, "rule": action.course.rule}
            try:
                _, answer = self.replica.write("POST", "/series", action.request, body)
            except Unreachable:
                raise
            except Problem as problem:
                forbidden = [one for one in wanted if _is_about(problem, one)] or wanted
                self.tally.refused += [(one, problem) for one in forbidden]
                wanted = [one for one in wanted if one not in forbidden]
                continue
            made = {str(one["occurrence"]): one for one in answer["series"]["reservations"]}
            for one in wanted:
                self._count(one, made[one.key])
            return

    def _body(self, one: Wanted, course: Course) -> Json:
        body: Json = {"room": one.room, "purpose": one.purpose, "merge": self.merge}
        if course.timezone:
            body["timezone"] = course.timezone
        if self.new_rooms:
            body["new_room"] = True
        return body

    def _count(self, one: Wanted, answer: Json) -> None:
        if answer.get("state") == "rejected":
            reason = answer.get("reason") or {}
            self.tally.refused.append((one, Problem("slot_taken", str(reason.get("message", "Nothing is free.")))))
        elif answer.get("state") == "committed":
            self.tally.committed += 1
        else:
            self.tally.tentative += 1


def _time(one: Wanted, first: Wanted) -> Json:
    """Return an occurrence as an entry of `times` in POST /series. The entry has no room if the first occurrence
    has the same room, and no purpose if the first occurrence has the same purpose."""
    own: Json = {}
    if one.room != first.room:
        own["room"] = one.room
    if one.purpose != first.purpose:
        own["purpose"] = one.purpose
    return {"date": one.key, **one.slot.as_json(), **own}


def _is_about(problem: Problem, one: Wanted) -> bool:
    """Return whether a policy refused the room and the slot of this reservation."""
    slot = problem.details.get("slot") if problem.code == "policy" else None
    return slot is not None and slot_of(slot) == one.slot and problem.details.get("room") == one.room
