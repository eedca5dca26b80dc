"""The base class of the handlers of the meeting rooms, with the methods that several of them use."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from apps.api.endpoint import Answer
from apps.api.request import Caller, ClientSession
from apps.api.service import Service, new_request_id
from apps.people.pages import decode_person, person_page, unknown_person
from apps.rooms import answer_values, asked
from apps.rooms.building import Building
from apps.rooms.drafts import DraftContext
from apps.rooms.next_free import next_free, searched
from apps.rooms.outcomes import refusal
from apps.rooms.pages import (
    Entry,
    Reservation,
    RoomSlot,
    decode_detail,
    decode_reservation,
    decode_room,
    decode_series,
    decode_slots,
    is_final,
    owner_of,
    reservation_page,
    rooms_of,
)
from apps.rooms.policies import slot_text, too_many
from apps.rooms.schema import AnotherRoom, Merge, room_name
from apps.rooms.times import minute_of
from bayou.application import PageViews
from bayou.errors import Conflict, Refusal, Unknown
from bayou.write import Draft, Write

# Parameters of paths.
OWN = {
    "user": "The user who made the reservation or series.",
    "name": "The id of the request that made the reservation or series.",
}
ROOM_NAME = {"room": "The name of a room."}
USER_NAME = {"user": "The name of a user."}

CANCEL_CONFLICTS = ("cancelled", "moved_meanwhile", "request_differs")
MOVE_CONFLICTS = ("slot_taken", "policy", *CANCEL_CONFLICTS)

HOLDERS_MAX = 3  # reservations in the way that a sentence names
COMPARED_MAX = 1000  # names of rooms that are compared with an unknown name

# Two requests about one reservation or series are the same if they have the same id and their ops are of one group.
_SAME_IDS = (
    {"reserve", "reserve_series"},
    {"move", "edit", "cancel"},
    {"move_series", "edit_series", "extend_series", "cancel_series"},
)
TAKEN = {"duplicate", "differs"}  # outcomes of writes whose request id was taken before
_NOT_TAKEN = {"duplicate", "differs", "unknown", "forbidden"}  # outcomes of writes whose request was not taken
IF_NEW = "If the room is new, add `new_room: true`."


class Handlers:
    """The base class of all handlers of the meeting rooms."""

    def __init__(self, service: Service, building: Building) -> None:
        self.service = service
        self.building = building
        self.zone = building.zone

    def other_rooms(self, session: ClientSession) -> list[str]:
        """Return the rooms that reservations name and that are missing in the configuration."""
        return [name for name in self.service.list_entries("rooms", session) if name not in self.building.rooms]

    def require_room(self, name: str, remedy: str, session: ClientSession) -> None:
        """Raise Unknown if neither the configuration nor a reservation names this room. The error suggests rooms with a
        similar name, and ends with the sentence `remedy`."""
        listed = self.building.rooms
        if name in listed or self.service.is_entry("rooms", name, session):
            return
        others = self.other_rooms(session)[:COMPARED_MAX]
        close = get_close_matches(name, [*listed, *others], n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise Unknown("room_unknown", f"There is no room {name}.{hint} {remedy}", room=name, close=close)

    def require_rooms(self, room: str | None, merge: Merge, remedy: str, session: ClientSession) -> None:
        """Call `require_room` for each room that a request names."""
        named = [] if room is None else rooms_of(room)
        if isinstance(merge, AnotherRoom):
            named += merge.rooms or []
        for name in named:
            self.require_room(name, remedy, session)

    def known_room(self, text: str, session: ClientSession) -> str:
        """Return the room name `text`, which comes from the path of a request, in the form that pages have. Raise
        Unknown if the name is invalid or if there is no such room."""
        try:
            name = room_name(text)
        except ValueError as reason:
            raise Unknown("room_unknown", f"{reason}.", room=text, close=[]) from None
        self.require_room(name, "GET /rooms lists all rooms.", session)
        return name

    def require_owner(self, owner: str | None, caller: Caller, session: ClientSession) -> None:
        """Check the owner that a request names. Raise Unknown if the owner is neither the caller nor a person of this
        cluster. Without `auth: tokens`, every owner is accepted."""
        if owner in {None, caller.name} or self.service.settings.auth != "tokens":
            return
        page = person_page(owner)
        if decode_person(self.service.read([page], session).pages[page].tentative) is None:
            raise unknown_person(owner)

    def context(self, caller: Caller, request: str | None, timezone: str | None = None) -> DraftContext:
        """Return the values that the drafts of a request share. A request without an id gets a new id. `timezone` is
        the zone that the request names."""
        return DraftContext(
            user=caller.name,
            role=caller.role,
            request=request or new_request_id(),
            at=self.service.now(),
            zone=self.zone,
            listed_rooms=self.building.rooms,
            policies=self.building.policies,
            own_zone=ZoneInfo(timezone) if timezone else None,
            app=self.service.active_tag("rooms"),
            manages=caller.role == "manager" or self.service.settings.auth == "none",
        )

    def views_of(self, identifier: str, session: ClientSession) -> PageViews:
        """Return the page of a reservation or series in both views."""
        page = reservation_page(identifier)
        return self.service.read([page], session).pages[page]

    def held(self, identifier: str, session: ClientSession) -> tuple[Reservation, bool]:
        """Return a reservation, and whether the reservation is final. Raise Unknown if there is no such reservation."""
        views = self.views_of(identifier, session)
        reservation = decode_reservation(views.tentative)
        if reservation is None:
            raise refusal("unknown", identifier)
        return reservation, is_final(views)

    def shown(self, identifier: str, views: PageViews) -> Answer:
        """Return the reservation of a page as a JSON value with the schema RESERVATION (see answer_schemas.py). Raise
        Unknown if the page holds no reservation."""
        answer = answer_values.reservation(identifier, views, self.zone)
        if answer is None:
            raise refusal("unknown", identifier)
        return answer

    def submitted(self, draft: Draft, identifier: str, session: ClientSession, wanted: asked.Asked) -> PageViews | None:
        """Submit a draft, and return the page of the reservation after the write. Return None if the same request had
        already been accepted. Raise Conflict if an earlier request with the same id differs from `wanted`. Raise a
        Refusal if the draft is refused."""
        page = reservation_page(identifier)
        accepted = self.service.submit(draft, session, [page])
        if accepted.status in TAKEN:
            self.require_same(wanted, identifier, draft, session)
        if accepted.logged or accepted.status in TAKEN:
            return accepted.pages.get(page)
        if "open_reservations" in {accepted.status, accepted.detail}:
            raise too_many(draft.args["limit"]["open"], draft.args.get("owner", draft.user))
        if accepted.status in {"rejected", "unmoved"}:
            raise self._slot_taken(draft, identifier, accepted.detail, session)
        raise self.refused(accepted.status, identifier, session)

    def refused(self, status: str, identifier: str, session: ClientSession) -> Refusal:
        """Return the refusal for a write about a reservation or series. `status` is the status of the write's
        outcome."""
        page = self.views_of(identifier, session).tentative
        held = decode_reservation(page) or decode_series(page)
        return refusal(status, identifier, owner_of(identifier, held) if held else "")

    def require_same(
        self, wanted: asked.Asked, identifier: str, by: Draft | DraftContext, session: ClientSession
    ) -> None:
        """Raise Conflict if an earlier request with the same id differs from `wanted`. `by.user` is the user of both
        requests, and `by.request` is the id of both requests.

        The write of the earlier request says what that request asked for. If the log no longer holds this write, a
        request to reserve is compared with the page of the reservation or series. The page says most of what the
        earlier request to reserve asked for. Any other request is not compared, and counts as the same.
        """
        ops = next(group for group in _SAME_IDS if wanted["op"] in group)
        write = self._accepted_before(identifier, by, ops)
        if write is not None:
            asked.require_same(wanted, asked.in_write(write), by.request, self.zone)
        elif "reserve" in ops:
            page = self.views_of(identifier, session).tentative
            asked.require_same(wanted, asked.in_page(identifier, page), by.request, self.zone)

    def _accepted_before(self, identifier: str, by: Draft | DraftContext, ops: Collection[str]) -> Write | None:
        history = self.service.history(reservation_page(identifier))
        ids = [note.partition("\t")[0] for _, note in sorted(history.notes.items())]
        committed = self.service.writes(ids)
        writes = [committed[found] for found in ids if found in committed]
        writes += [write for write, outcome in history.tentative if outcome.partition(" ")[0] not in _NOT_TAKEN]
        asked_for = (write for write in reversed(writes) if (write.user, write.request) == (by.user, by.request))
        return next((write for write in asked_for if write.op in ops), None)

    def _slot_taken(self, draft: Draft, identifier: str, detail: str, session: ClientSession) -> Conflict:
        stays = "; the reservation stays where it is" if draft.op == "move" and decode_detail(detail) else ""
        asked = slots_asked(draft.args)
        taken = self.taken(asked, {identifier}, session)
        free = self._next_free(asked[0], identifier, session)
        then = f" The next free slot in {free.room} is {slot_text(free, self.zone)}." if free else ""
        return Conflict(
            "slot_taken",
            f"No slot that your request allows is free{stays}.{self.holders_text(taken)}{then} Nothing was recorded."
            " Choose other times or another room.",
            taken=[answer_values.taken(entry, self.zone) for entry in taken],
            next_free=answer_values.slot_shown(free, self.zone),
        )

    def _next_free(self, wanted: RoomSlot, but: str, session: ClientSession) -> RoomSlot | None:
        """Return the first free slot that can replace `wanted`, in the same room (see next_free.py). Return None if the
        search finds no slot. The reservation with the id `but` does not count as an obstacle."""
        taken = self.taken([searched(wanted)], {but}, session)
        return next_free(wanted, taken, self.building.policies, minute_of(self.service.now()), self.zone)

    def holders_text(self, taken: Sequence[Entry]) -> str:
        """Return a sentence that lists the owners and slots of `taken`. The sentence begins with a space, because
        another sentence comes before it. If `taken` is empty, return an empty text."""
        named = [f"{one.owner} has {one.slot.room} {slot_text(one.slot, self.zone)}" for one in taken[:HOLDERS_MAX]]
        more = [f"and {len(taken) - HOLDERS_MAX} more"] if len(taken) > HOLDERS_MAX else []
        return f" {', '.join(named + more)}." if named else ""

    def taken(self, asked: list[RoomSlot], but: Set[str], session: ClientSession) -> list[Entry]:
        """Return the reservations that overlap these slots, without duplicates. Leave out the reservations whose ids
        are in `but`."""
        pages = self.service.read(sorted({page for slot in asked for page in slot.pages}), session).pages
        found = {
            entry: None
            for slot in asked
            for one in slot.in_each_room
            for page in one.pages
            for entry in decode_room(one.room, pages[page].tentative)
            if entry.slot.overlaps(slot) and entry.id not in but
        }
        return list(found)


def slots_asked(args: Mapping[str, Any]) -> list[RoomSlot]:
    """Return the slots that a write asks for. `args` are the arguments of the write or of one occurrence. The result
    includes the slots in the rooms that `another_room` tries. The result does not include the times that
    `nearest_free_time` tries."""
    asked = [RoomSlot(args["room"], *slot) for slot in decode_slots(args["slots"])]
    return asked + [RoomSlot(other, asked[0].start, asked[0].end) for other in args.get("rooms", ())]
