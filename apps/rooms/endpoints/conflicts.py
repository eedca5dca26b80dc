"""The endpoint of conflicts: requests that were rejected, that got another slot than their first choice, or that had no
effect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from apps.api.endpoint import Answer, Endpoint
from apps.api.request import ClientSession, Request
from apps.rooms import answer_values
from apps.rooms.drafts import TAGS
from apps.rooms.endpoints.answer_schemas import CONFLICTS
from apps.rooms.endpoints.base import Handlers
from apps.rooms.pages import decode_reservation, reservation_page, rooms_of
from apps.rooms.schema import ConflictsQuery
from apps.rooms.times import minute_of

NEWEST = 200  # writes that one answer looks at


class Conflicts(Handlers):
    def endpoints(self) -> list[Endpoint]:
        return [Endpoint("GET", "/conflicts", self.list_conflicts, {200: CONFLICTS})]

    def list_conflicts(self, request: Request[ConflictsQuery, None]) -> Answer:
        """List the conflicts: requests that were rejected, that got another slot than their first choice, or that had
        no effect. `why` says why a request had no effect. The answer covers at most 200 writes with conflicts, the
        newest in the log. Tentative writes come first, then committed writes."""
        user = request.query.user or ""
        words = answer_values.NOT_AS_WANTED
        entries = [entry for tag in TAGS for entry in self.service.newest_writes(tag, user=user, words=words)]
        entries.sort(key=lambda entry: (entry.csn is None, entry.csn or entry.write.stamp), reverse=True)
        found = [one for entry in entries[:NEWEST] for one in answer_values.not_as_wanted(entry, self.zone)]
        shown = self._with_present_slots(found, request.session)
        return {"conflicts": [one for one in shown if _is_asked_for(one, request.query)]}

    def _with_present_slots(self, conflicts: list[Answer], session: ClientSession) -> Iterator[Answer]:
        """Yield the conflicts. If the outcome of a conflict does not say which slot the reservation got, set the field
        `got` to the present slot of the reservation. Leave out the conflict of a cancel if the reservation is cancelled
        now."""
        pages = {one["id"]: reservation_page(one["id"]) for one in conflicts if not _is_told(one)}
        views = self.service.read(sorted(pages.values()), session).pages  # in the client's session, as any read
        for one in conflicts:
            held = decode_reservation(views[pages[one["id"]]].tentative) if one["id"] in pages else None
            if held and held.slot:
                yield {**one, "got": answer_values.slot_shown(held.slot, self.zone)}
            elif one["op"] != "cancel" or not (held and held.state == "cancelled"):
                yield one


def _is_told(conflict: Answer) -> bool:
    """Return whether the outcome of a conflict says which slot the reservation got. The result is also true for the
    outcome `rejected`, which says that the reservation got no slot."""
    return bool(conflict["got"]) or conflict["outcome"] == "rejected"


def _is_asked_for(conflict: Answer, query: ConflictsQuery) -> bool:
    slots = [slot for slot in (conflict["wanted"], conflict["got"]) if slot]
    if query.room is None and query.start is None and query.end is None:
        return True
    return any(
        (query.room is None or query.room in rooms_of(slot["room"]))
        and query.holds(*(minute_of(datetime.fromisoformat(slot[end])) for end in ("start", "end")))
        for slot in slots
    )
