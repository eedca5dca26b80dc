"""The endpoints of local times: list the shifted reservations (see apps/rooms/local_times.py), and move them back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from apps.api.endpoint import Answer, Endpoint
from apps.api.one_at_a_time import OneAtATime
from apps.api.request import Caller, Request
from apps.api.service import Service
from apps.rooms import answer_values, drafts
from apps.rooms.building import Building
from apps.rooms.endpoints.answer_schemas import MOVED_BACK, SHIFTED_ONES
from apps.rooms.endpoints.base import Handlers
from apps.rooms.local_times import PART, Search, Shifted
from apps.rooms.pages import owner_of
from apps.rooms.schema import LocalTimesQuery
from bayou.errors import Conflict, TooLarge, Unknown

MOVED_MAX = 500  # by one request


class LocalTimes(Handlers):
    def __init__(self, service: Service, building: Building) -> None:
        super().__init__(service, building)
        self._finding = OneAtATime("the local times")
        self._moving_back = OneAtATime("a move back to local times")

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/local-times", self.list_shifted, {200: SHIFTED_ONES}),
            Endpoint(
                "POST",
                "/local-times/move-back",
                self.move_back,
                {200: MOVED_BACK},
                role="manager",
                body_is_required=False,
            ),
        ]

    def list_shifted(self, request: Request[LocalTimesQuery, None]) -> Answer:
        """List the shifted reservations: reservations whose slot no longer has the requested local time. The cause is a
        change of `timezone` or of the rules of a time zone. Reservations that are over are left out. The list is in the
        order of days, and an answer covers whole days. If later days remain, `next` is not null. Then send the request
        again with `after` set to `next`. The list may be empty although later days remain."""
        query = request.query
        self.service.read([], request.session)  # in the client's session, as any read
        with self._finding:
            search = Search(self.service, self.building, query.start, query.end)
            days = search.days[bisect_right(search.days, query.after) :]
            part = next(search.parts(days, query.limit), None)
        return {
            "timezone": self.zone.key,
            "reservations": [answer_values.shifted(one, self.zone) for one in part.shifted] if part else [],
            "next": part.last_day if part and part.last_day != days[-1] else None,
        }

    def move_back(self, request: Request[None, None]) -> Answer:
        """Move shifted reservations back to their requested local times, at most 500 in one request. `GET /local-times`
        lists the shifted reservations. Each move is in the name of the owner. The history of the reservation says who
        asked for the move. `not_moved` lists the reservations that could not move, each with the reason. Repeat the
        request until `moved` is empty, because each move may make room for another reservation."""
        moved: list[Answer] = []
        not_moved: list[Answer] = []
        with self._moving_back:
            for one in _in_order(Search(self.service, self.building)):
                if len(moved) == MOVED_MAX:
                    break
                shown = answer_values.shifted(one, self.zone)
                try:
                    self._move_back(one, request)
                except (Conflict, TooLarge, Unknown) as error:
                    not_moved.append({**shown, "error": {"code": error.code, "message": error.message}})
                else:
                    moved.append(shown)
        return {"moved": moved, "not_moved": not_moved}

    def _move_back(self, one: Shifted, request: Request[None, None]) -> None:
        owner, local = Caller(owner_of(one.id, one.held), "user"), one.held.local
        context = self.context(owner, None, local.zone if local else None)
        draft = drafts.move_back(context, one.id, one.held, one.asked_at, by=request.caller.name)
        self.submitted(draft, one.id, request.session, {"op": draft.op})


def _in_order(search: Search) -> Iterator[Shifted]:
    """Yield the reservations that a search finds, in an order in which each move makes room for the next one.

    Reservations that move to an earlier time are one group, with the earliest reservation first. Reservations that move
    to a later time are the other group, with the latest reservation first. The first reservation that the search finds
    decides which group comes first. `search.days` are searched once for each group. If the second group is empty, its
    search is left out.
    """
    first = next((one for part in search.parts(search.days, PART) for one in part.shifted), None)
    if first is None:
        return
    for earlier in (_moves_earlier(first), not _moves_earlier(first)):
        are_others = False
        for part in search.parts(search.days if earlier else search.days[::-1], PART):
            for one in part.shifted if earlier else reversed(part.shifted):
                if _moves_earlier(one) == earlier:
                    yield one
                else:
                    are_others = True
        if not are_others:
            return


def _moves_earlier(one: Shifted) -> bool:
    return one.held.slot is not None and one.asked_at.start < one.held.slot.start
