"""The REST resources of the meeting rooms: each reads its request, asks the service, and shows what came of it.

They know a replica only as a Service, and refuse by raising Refusal; the replica makes both into HTTP.
"""

from __future__ import annotations

import secrets
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from flask_restful import Resource

from apps.rooms import drafts, view
from apps.rooms.outcomes import refusal
from apps.rooms.pages import Place, Reservation, decode_detail, decode_reservation, is_final, reservation_page
from apps.rooms.schema import (
    AnotherRoom,
    CalendarQuery,
    CancelQuery,
    Merge,
    MoveBody,
    RangeQuery,
    ReserveBody,
    read_body,
    read_query,
    room_name,
)
from apps.rooms.times import format_minute
from bayou.application import Service
from bayou.errors import Conflict, Unknown
from bayou.write import Draft

Answer = dict[str, Any]


def register(api: Any, service: Service) -> None:
    """Adds the resources to a flask_restful.Api."""
    given = {"resource_class_kwargs": {"service": service}}
    api.add_resource(Rooms, "/rooms", **given)
    api.add_resource(Calendar, "/rooms/<string:room>/calendar", **given)
    api.add_resource(Reservations, "/reservations", **given)
    api.add_resource(OneReservation, "/reservations/<string:user>/<string:name>", **given)
    api.add_resource(UserReservations, "/users/<string:user>/reservations", **given)


class RoomsResource(Resource):  # type: ignore[misc]  # flask_restful has no types
    """What the resources share: the service, and questions to it."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.service.settings.timezone)

    def other_rooms(self) -> list[str]:
        """Rooms that are not configured but named by reservations."""
        listed = set(self.service.settings.rooms)
        return [name for name in self.service.members("rooms") if name not in listed]

    def require_room(self, name: str, remedy: str) -> None:
        """Raises Unknown, with the rooms that have a similar name, for one that nobody has named before."""
        listed = list(self.service.settings.rooms)
        if name in listed:
            return
        others = self.other_rooms()
        if name in others:
            return
        close = get_close_matches(name, [*listed, *others], n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise Unknown("room_unknown", f"There is no room {name}.{hint} {remedy}", room=name, close=close)

    def asking(self, name: str | None) -> drafts.Asking:
        """The present user and moment, under the request id given or a new one; raises Unauthorized."""
        return drafts.Asking(
            user=self.service.user(),
            request=name or secrets.token_hex(6),
            at=self.service.now(),
            zone=self.zone,
            listed_rooms=self.service.settings.rooms,
        )

    def held(self, identifier: str) -> tuple[Reservation, bool]:
        """A reservation and whether it is final; raises Unknown."""
        page = reservation_page(identifier)
        views = self.service.read([page]).pages[page]
        reservation = decode_reservation(views.tentative)
        if reservation is None:
            raise refusal("unknown", identifier)
        return reservation, is_final(views)

    def shown(self, identifier: str) -> Answer:
        """RESERVATION; raises Unknown."""
        page = reservation_page(identifier)
        answer = view.reservation(identifier, self.service.read([page]).pages[page], self.zone)
        if answer is None:
            raise refusal("unknown", identifier)
        return answer

    def submitted(self, draft: Draft, identifier: str) -> str:
        """The status of a draft that was recorded, or `duplicate` where it had been before; raises Refusal."""
        accepted = self.service.submit(draft)
        if accepted.logged or accepted.status == "duplicate":
            return accepted.status
        if accepted.status in {"rejected", "unmoved"}:
            raise self.slot_taken(draft, identifier, accepted.detail)
        raise refusal(accepted.status, identifier)

    def slot_taken(self, draft: Draft, identifier: str, detail: str) -> Conflict:
        asked = [Place(draft.args["room"], start, end) for start, end in draft.args["slots"]]
        asked += [Place(other, asked[0].start, asked[0].end) for other in draft.args.get("rooms", ())]
        pages = self.service.read(sorted({page for place in asked for page in place.pages})).pages
        stays = "; the reservation stays where it is" if draft.op == "move" and decode_detail(detail) else ""
        return Conflict(
            "slot_taken",
            f"Nothing that you asked for is free{stays}. Ask for other times or another room; nothing was recorded.",
            taken=view.taken(asked, pages, identifier, self.zone),
        )


class Rooms(RoomsResource):
    def get(self) -> Answer:
        listed = [{"name": name, "listed": True} for name in self.service.settings.rooms]
        others = [{"name": name, "listed": False} for name in self.other_rooms()]
        return {"timezone": self.service.settings.timezone, "rooms": listed + others}


class Calendar(RoomsResource):
    def get(self, room: str) -> Answer:
        query = read_query(CalendarQuery, request.args.to_dict())
        try:
            room = room_name(room)
        except ValueError as reason:
            raise Unknown("room_unknown", f"{reason}.", room=room, close=[]) from None
        self.require_room(room, "GET /rooms lists them all.")
        period = Place(room, query.start, query.end)
        days = self.service.read(period.pages).pages
        zone = self.zone
        return {
            "room": room,
            "view": query.view,
            "from": format_minute(query.start, zone),
            "to": format_minute(query.end, zone),
            "reservations": view.calendar(period, [days[page] for page in period.pages], query.view, zone),
        }


class Reservations(RoomsResource):
    def post(self) -> tuple[Answer, int]:
        body = read_body(ReserveBody, request.get_data())
        asking = self.asking(body.request)
        if not body.new_room:
            for room in _rooms_named(body.room, body.merge):
                self.require_room(room, "If it is new, say so with new_room: true.")
        identifier = f"{asking.user}/{asking.request}"
        status = self.submitted(drafts.reserve(asking, body), identifier)
        return self.shown(identifier), 200 if status == "duplicate" else 201


class OneReservation(RoomsResource):
    def get(self, user: str, name: str) -> Answer:
        return self.shown(f"{user}/{name}")

    def patch(self, user: str, name: str) -> Answer:
        body = read_body(MoveBody, request.get_data())
        asking = self.asking(body.request)
        for room in _rooms_named(body.room, body.merge):
            self.require_room(room, "A new room begins with a new reservation, not with a move.")
        identifier = f"{user}/{name}"
        reservation, final = self.held(identifier)
        self.submitted(drafts.move(asking, identifier, reservation, final, body), identifier)
        return self.shown(identifier)

    def delete(self, user: str, name: str) -> Answer:
        asking = self.asking(read_query(CancelQuery, request.args.to_dict()).request)
        identifier = f"{user}/{name}"
        reservation, final = self.held(identifier)
        self.submitted(drafts.cancel(asking, identifier, reservation, final), identifier)
        return self.shown(identifier)


class UserReservations(RoomsResource):
    def get(self, user: str) -> Answer:
        query = read_query(RangeQuery, request.args.to_dict())
        identifiers = {f"{user}/{name}": None for name in self.service.members(f"user:{user}")}
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
        return {"user": user, "reservations": [shown for _, shown in sorted(found, key=lambda pair: pair[0])]}


def _whereabouts(held: Reservation) -> tuple[Place, ...]:
    return (held.place,) if held.place else held.asked


def _rooms_named(room: str | None, merge: Merge) -> list[str]:
    named = [room] if room is not None else []
    return named + ((merge.rooms or []) if isinstance(merge, AnotherRoom) else [])
