"""The REST resources of reservations: reserve, look at, move, cancel one; list a user's. And where all others are."""

from __future__ import annotations

from itertools import islice
from typing import Any

from flask import request

from apps.api.service import Service
from apps.rooms import drafts, view
from apps.rooms.pages import Place, Reservation, decode_reservation, reservation_page
from apps.rooms.resource import Answer, RoomsResource, given
from apps.rooms.resources_history import History
from apps.rooms.resources_rooms import Calendar, FreeRooms, Rooms
from apps.rooms.resources_series import OneSeries, SeriesResource
from apps.rooms.schema import CancelQuery, MoveBody, RangeQuery, ReserveBody, read_body, read_query


def register(api: Any, service: Service) -> None:
    """Adds the resources to a flask_restful.Api."""
    arguments = given(service)
    api.add_resource(Rooms, "/rooms", **arguments)
    api.add_resource(FreeRooms, "/rooms/free", **arguments)
    api.add_resource(Calendar, "/rooms/<string:room>/calendar", **arguments)
    api.add_resource(Reservations, "/reservations", **arguments)
    api.add_resource(OneReservation, "/reservations/<string:user>/<string:name>", **arguments)
    api.add_resource(History, "/reservations/<string:user>/<string:name>/history", **arguments)
    api.add_resource(OneSeries, "/series/<string:user>/<string:name>", **arguments)
    api.add_resource(UserReservations, "/users/<string:user>/reservations", **arguments)


class Reservations(SeriesResource):
    def post(self) -> tuple[Answer, int]:
        body = read_body(ReserveBody, request.get_data())
        asking = self.asking(body.request)
        if not body.new_room:
            self.require_rooms(body.room, body.merge, "If it is new, say so with new_room: true.")
        identifier = f"{asking.user}/{asking.request}"
        if body.rule is not None:
            recorded = self.reserved(asking, body)
        else:
            recorded = self.submitted(drafts.reserve(asking, body), identifier)
        # Asked again, it is what it was, a series or not.
        views = recorded or self.views_of(identifier)
        answer = self.series_shown(identifier, views) or self.shown(identifier, views)
        return answer, 201 if recorded else 200


class OneReservation(RoomsResource):
    def get(self, user: str, name: str) -> Answer:
        return self.shown(f"{user}/{name}")

    def patch(self, user: str, name: str) -> Answer:
        body = read_body(MoveBody, request.get_data())
        asking = self.asking(body.request)
        self.require_rooms(body.room, body.merge, "A new room begins with a new reservation, not with a move.")
        identifier = f"{user}/{name}"
        reservation, final = self.held(identifier)
        return self.shown(
            identifier, self.submitted(drafts.move(asking, identifier, reservation, final, body), identifier)
        )

    def delete(self, user: str, name: str) -> Answer:
        query = read_query(CancelQuery, request.args.to_dict())
        asking = self.asking(query.request)
        identifier = f"{user}/{name}"
        reservation, _ = self.held(identifier)
        draft = drafts.cancel(asking, identifier, reservation, query.reason)
        return self.shown(identifier, self.submitted(draft, identifier))


class UserReservations(RoomsResource):
    def get(self, user: str) -> Answer:
        query = read_query(RangeQuery, request.args.to_dict())
        # The list only grows, sorted bytewise; so a page behind a name misses nothing that was there before.
        behind = (name for name in self.service.members(f"user:{user}") if name.encode() > query.after.encode())
        names = list(islice(behind, query.limit + 1))
        more, names = len(names) > query.limit, names[: query.limit]
        identifiers = [f"{user}/{name}" for name in names]
        views = self.service.read([reservation_page(identifier) for identifier in identifiers]).pages
        zone = self.zone
        found = []
        for identifier in identifiers:
            page = views[reservation_page(identifier)]
            held = decode_reservation(page.tentative)
            # The list holds every reservation ever asked for here; one without a place is found by what it asked.
            if held is None or not any(query.holds(at.start, at.end) for at in _whereabouts(held)):
                continue
            first = held.place.start if held.place else 0
            found.append(((held.place is None, first, identifier), view.reservation(identifier, page, zone)))
        shown = [answer for _, answer in sorted(found, key=lambda pair: pair[0])]
        return {"user": user, "reservations": shown, "next": names[-1] if more else None}


def _whereabouts(held: Reservation) -> tuple[Place, ...]:
    return (held.place,) if held.place else held.asked
