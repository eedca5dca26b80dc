"""The endpoint of a reservation's history: what people did to it, and how replays moved it at this replica.

An event says who did what and when. The Lua of the rooms writes a note about each committed event on the reservation's
page. So the committed events are the same at every replica, and stay when the log is truncated. Tentative events come
from the log. The moves by replays come from the event feed of this replica, which keeps them for a limited time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.api.endpoint import Answer, Endpoint
from apps.api.request import Request
from apps.rooms import answer_values
from apps.rooms.endpoints.answer_schemas import HISTORY
from apps.rooms.endpoints.base import OWN, Handlers
from apps.rooms.outcomes import refusal
from apps.rooms.pages import RoomSlot, decode_reservation, reservation_page
from bayou.application import History as PageHistory
from bayou.application import OutcomeChange
from bayou.stamps import split_id
from bayou.write import Write

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_GONE = {"rejected", "failed"}
STAMP_OFF_MAX = timedelta(minutes=1)  # as in apps/rooms/lua/application.lua


@dataclass(frozen=True, slots=True)
class _Event:
    write: str
    op: str
    user: str
    outcome: str
    csn: int | None
    accepted_at: str  # empty if the stamp of the write says the time
    owner: str  # empty if the write names no owner


class Histories(Handlers):
    def endpoints(self) -> list[Endpoint]:
        path, unknown = "/reservations/{user}/{name}/history", {404: ("reservation_unknown",)}
        return [Endpoint("GET", path, self.show_history, {200: HISTORY}, OWN, unknown)]

    def show_history(self, request: Request[None, None], user: str, name: str) -> Answer:
        """Show who did what to a reservation. The committed events are the same at every replica. Also show how replays
        moved the reservation at this replica."""
        identifier = f"{user}/{name}"
        page = self.views_of(identifier, request.session).tentative  # in the client's session, as any read
        if not page:
            raise refusal("unknown", identifier)
        held = decode_reservation(page)
        history = self.service.history(reservation_page(identifier))
        events = list(_events(identifier, history))
        turns, since = self.service.outcome_changes([event.write for event in events])
        return {
            "id": identifier,
            "events": list(self._shown_events(events, held.why if held else None)),
            "moves_seen_here": list(self._moves(identifier, turns)),
            "moves_kept_since": None if since is None else self._moment(since),
        }

    def _shown_events(self, events: list[_Event], why: tuple[str, str] | None) -> Iterator[Answer]:
        """Yield the events as JSON values. `why` is (user, reason) of the last cancel; None if no reason was given."""
        slot: RoomSlot | None = None
        cancels = [event.write for event in events if event.op == "cancel" and event.outcome == "updated"]
        for event in events:
            is_last_cancel = event.write in cancels[-1:]
            _, origin = split_id(event.write)
            status, before = event.outcome.partition(" ")[0], slot
            if status in {"updated", "merged"}:
                slot = answer_values.slot_of(event.outcome)
            elif status in _GONE:
                slot = None
            yield {
                "write": event.write,
                "op": event.op,
                "user": event.user,
                "accepted_at": self._moment(_accepted_at(event)),
                "accepted_by": self.service.label(origin),
                "csn": event.csn,
                "state": "tentative" if event.csn is None else "committed",
                "outcome": status,
                "reason": why[1] if why and is_last_cancel else None,
                "owner": event.owner or None,
                "before": answer_values.slot_shown(before, self.zone),
                "after": answer_values.slot_shown(slot, self.zone),
            }

    def _moves(self, identifier: str, turns: list[OutcomeChange]) -> Iterator[Answer]:
        writes = self.service.writes(list({one for turn in turns for one in (turn.write, *turn.others)}))
        for turn in turns:
            own = writes.get(turn.write)
            was, now = (answer_values.outcome_for(own, outcome, identifier) for outcome in (turn.was, turn.now))
            before, after = answer_values.slot_of(was), answer_values.slot_of(now)
            if before != after:
                yield {
                    "at": self._moment(turn.at),
                    "from": answer_values.slot_shown(before, self.zone),
                    "to": answer_values.slot_shown(after, self.zone),
                    "because": _cause(turn, before, writes, self.zone),
                }

    def _moment(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).isoformat(timespec="milliseconds")


def _events(identifier: str, history: PageHistory) -> Iterator[_Event]:
    """Yield the events of a reservation in the order of the log. apps/rooms/lua/application.lua describes the notes."""
    made_by = identifier.partition("/")[0]
    for csn in sorted(history.notes):
        write, op, outcome, user, accepted_at, owner = [*history.notes[csn].split("\t"), "", "", ""][:6]
        yield _Event(write, op or "reserve", user or made_by, outcome, csn, accepted_at, owner)
    for tentative, outcome in history.tentative:
        own = answer_values.outcome_for(tentative, outcome, identifier)
        op = tentative.op.removesuffix("_series")
        user = tentative.args.get("back", {}).get("by", tentative.user)
        yield _Event(tentative.id, op, user, own, None, tentative.accepted_at, tentative.args.get("owner", ""))


def _accepted_at(event: _Event) -> datetime:
    """Return when a write was accepted. Usually, the stamp of the write gives this time, to the microsecond. But if a
    clock was ahead and is corrected, later stamps stay too high, because stamps never fall. So return the `accepted_at`
    of the event if the two times differ by STAMP_OFF_MAX or more."""
    stamped = _EPOCH + timedelta(microseconds=split_id(event.write)[0])
    try:
        accepted = datetime.fromisoformat(event.accepted_at)
    except ValueError:
        return stamped
    return stamped if abs(accepted - stamped) < STAMP_OFF_MAX else accepted


def _cause(turn: OutcomeChange, before: RoomSlot | None, writes: Mapping[str, Write], zone: ZoneInfo) -> Answer | None:
    """Return the write that took the slot `before` from the reservation, as a JSON value with the schema CAUSE (see
    answer_schemas.py). Return None if no such write is known. The reservation lost the slot in the outcome change
    `turn`."""
    if before is None:
        return None
    for identifier, outcome in turn.others.items():
        write = writes.get(identifier)
        for slot in answer_values.slots_of(write, outcome) if write else ():
            if write and slot.overlaps(before):
                got = answer_values.slot_shown(slot, zone)
                return {"write": write.id, "user": write.user, "earlier": write.id < turn.write, "got": got}
    return None
