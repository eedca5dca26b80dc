"""The endpoints of reservations: reserve, show, move and cancel a reservation, and list the reservations of a user."""

from __future__ import annotations

from functools import partial

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import part_of_list
from apps.api.request import Request
from apps.rooms import answer_values, asked, drafts, drafts_series
from apps.rooms.endpoints.answer_schemas import RESERVATION, RESERVATIONS, RESERVED
from apps.rooms.endpoints.base import CANCEL_CONFLICTS, IF_NEW, MOVE_CONFLICTS, OWN, USER_NAME
from apps.rooms.endpoints.series import SeriesHandlers
from apps.rooms.pages import Reservation, RoomSlot, decode_reservation, owned_id, owner_of, reservation_page
from apps.rooms.schema import CancelQuery, ReservationChangeBody, ReservationsQuery, ReserveBody


class Reservations(SeriesHandlers):
    def endpoints(self) -> list[Endpoint]:
        reservation = partial(Endpoint, path="/reservations/{user}/{name}", answers={200: RESERVATION}, parameters=OWN)
        unknown = ("reservation_unknown",)
        cannot_move = {403: ("not_owner",), 404: (*unknown, "room_unknown", "person_unknown"), 409: MOVE_CONFLICTS}
        cannot_cancel = {403: ("not_owner",), 404: unknown, 409: CANCEL_CONFLICTS}
        return [
            Endpoint(
                "POST",
                "/reservations",
                self.reserve,
                {200: RESERVED, 201: RESERVED},
                errors={404: ("room_unknown", "person_unknown"), 409: ("slot_taken", "policy", "request_differs")},
                for_cluster_pages=True,
            ),
            reservation("GET", handler=self.show_reservation, errors={404: unknown}),
            reservation("PATCH", handler=self.move_reservation, errors=cannot_move),
            reservation("DELETE", handler=self.cancel_reservation, errors=cannot_cancel),
            Endpoint("GET", "/users/{user}/reservations", self.list_reservations, {200: RESERVATIONS}, USER_NAME),
        ]

    def reserve(self, request: Request[None, ReserveBody]) -> tuple[Answer, int]:
        """Reserve the first slot of the request. If this slot is taken, the merge procedure looks for another slot.
        With a recurrence rule, reserve a series. Status 200 means that the same request had already been accepted."""
        body, session = request.body, request.session
        context = self.context(request.caller, body.request, body.timezone)
        if not body.new_room:
            remedy = "If the room is new, add `new_room: true` (client.py: `--new-room`)."
            self.require_rooms(body.room, body.merge, remedy, session)
        self.require_owner(body.owner, request.caller, session)
        identifier = f"{context.user}/{context.request}"
        if body.rule is not None:
            draft = drafts_series.reserve(context, body)
            return self.reserve_series(draft, identifier, session, asked.by_reserve(draft, body.merge))
        draft = drafts.reserve(context, body)
        recorded = self.submitted(draft, identifier, session, asked.by_reserve(draft, body.merge))
        return self.reserved(identifier, recorded, session)

    def show_reservation(self, request: Request[None, None], user: str, name: str) -> Answer:
        """Show a reservation. For a tentative reservation, also show which replicas are known to hold the
        reservation."""
        identifier = f"{user}/{name}"
        answer = self.shown(identifier, self.views_of(identifier, request.session))
        if answer["state"] == "tentative":
            writes = [write.id for write, _ in self.service.history(reservation_page(identifier)).tentative]
            answer["held_by"] = self.service.holders(writes)
        return answer

    def move_reservation(self, request: Request[None, ReservationChangeBody], user: str, name: str) -> Answer:
        """Move a reservation, or give it another purpose or owner. A request that moves a reservation may also change
        the purpose, but not the owner. If no slot is free, the reservation stays as it is."""
        identifier, body, session = f"{user}/{name}", request.body, request.session
        if not body.new_room:
            self.require_rooms(body.room, body.merge, IF_NEW, session)
        self.require_owner(body.owner, request.caller, session)
        reservation, final = self.held(identifier, session)
        context = self.context(request.caller, body.request, body.timezone)
        if body.slots is not None:
            draft = drafts.move(context, identifier, reservation, final, body)
        else:
            draft = drafts.edit(context, identifier, reservation, body.purpose, body.owner)
        wanted = asked.by_change(draft.op, body)
        views = self.submitted(draft, identifier, session, wanted) or self.views_of(identifier, session)
        return self.shown(identifier, views)

    def cancel_reservation(self, request: Request[CancelQuery, None], user: str, name: str) -> Answer:
        """Cancel a reservation."""
        identifier, query, session = f"{user}/{name}", request.query, request.session
        reservation, _ = self.held(identifier, session)
        draft = drafts.cancel(self.context(request.caller, query.request), identifier, reservation, query.reason)
        wanted = asked.by_cancel(draft.op, query.reason)
        views = self.submitted(draft, identifier, session, wanted) or self.views_of(identifier, session)
        return self.shown(identifier, views)

    def list_reservations(self, request: Request[ReservationsQuery, None], user: str) -> Answer:
        """List the reservations that a user owns, in time order. Reservations without a slot come last."""
        query, session = request.query, request.session
        names, following = part_of_list(self.service.list_entries(f"user:{user}", session), query)
        identifiers = [owned_id(user, name) for name in names]
        views = self.service.read([reservation_page(identifier) for identifier in identifiers], session).pages
        found = []
        for identifier in identifiers:
            page = views[reservation_page(identifier)]
            held = decode_reservation(page.tentative)
            # The list holds every reservation ever asked for, and those that were handed over to somebody else since.
            # One without a slot is found by what it asked for.
            if held is None or owner_of(identifier, held) != user:
                continue
            if not any(query.holds(at.start, at.end) for at in _whereabouts(held)):
                continue
            first = held.slot.start if held.slot else 0
            found.append(
                ((held.slot is None, first, identifier), answer_values.reservation(identifier, page, self.zone))
            )
        shown = [answer for _, answer in sorted(found, key=lambda pair: pair[0])]
        return {"user": user, "reservations": shown, "next": following}


def _whereabouts(held: Reservation) -> tuple[RoomSlot, ...]:
    return (held.slot,) if held.slot else held.asked
