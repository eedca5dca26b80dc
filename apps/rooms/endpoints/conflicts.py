"""The endpoint of conflicts: requests that were rejected, or that got another slot than their first choice."""

from __future__ import annotations

from datetime import datetime

from apps.api.endpoint import Answer, Endpoint
from apps.api.request import Request
from apps.rooms import answer_values
from apps.rooms.drafts import APP
from apps.rooms.endpoints.answer_schemas import CONFLICTS
from apps.rooms.endpoints.base import Handlers
from apps.rooms.schema import ConflictsQuery


class Conflicts(Handlers):
    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("GET", "/conflicts", self.list_conflicts, {200: CONFLICTS})]

    def list_conflicts(self, request: Request[ConflictsQuery, None]) -> Answer:
        """List the requests that were rejected, or that got another slot than their first choice. The answer covers
        the newest 200 such writes that the log still holds. Tentative writes come first, then committed writes."""
        self.service.read([], request.session)  # in the client's session, as any read
        entries = self.service.newest_writes(APP, words=answer_values.NOT_AS_WANTED)
        found = [one for entry in entries for one in answer_values.not_as_wanted(entry, self.zone)]
        return {"conflicts": [one for one in found if _is_asked_for(one, request.query)]}


def _is_asked_for(conflict: Answer, query: ConflictsQuery) -> bool:
    slots = [slot for slot in (conflict["wanted"], conflict["got"]) if slot]
    return (query.user is None or conflict["user"] == query.user) and any(
        (query.room is None or slot["room"] == query.room)
        and (query.start is None or query.start < _minute(slot["end"]))
        and (query.end is None or _minute(slot["start"]) < query.end)
        for slot in slots
    )


def _minute(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp()) // 60
