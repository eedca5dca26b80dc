"""What the REST resources of the meeting rooms share: the service, and questions to it.

They know a replica only as a Service, and refuse by raising Refusal; the replica makes both into HTTP.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from flask_restful import Resource

from apps.api.service import Service
from apps.rooms import drafts, view
from apps.rooms.building import Building
from apps.rooms.outcomes import refusal
from apps.rooms.pages import (
    Place,
    Reservation,
    decode_detail,
    decode_reservation,
    decode_slots,
    is_final,
    reservation_page,
)
from apps.rooms.policies import too_many
from apps.rooms.schema import AnotherRoom, Merge
from bayou.application import PageViews
from bayou.errors import Conflict, Unknown
from bayou.write import Draft

Answer = dict[str, Any]


def given(service: Service) -> dict[str, Any]:
    """For flask_restful.Api.add_resource."""
    return {"resource_class_kwargs": {"service": service, "building": Building.of(service.settings)}}


class RoomsResource(Resource):  # type: ignore[misc]  # flask_restful has no types
    """Base of all; `given(service)` are the arguments with which flask_restful makes one for each request."""

    def __init__(self, service: Service, building: Building) -> None:
        self.service = service
        self.building = building
        self.zone = building.zone

    def other_rooms(self) -> list[str]:
        """Rooms that are not configured but named by reservations."""
        return [name for name in self.service.members("rooms") if name not in self.building.rooms]

    def require_room(self, name: str, remedy: str) -> None:
        """Raises Unknown, with the rooms that have a similar name, for one that nobody has named before."""
        listed = self.building.rooms
        if name in listed:
            return
        others = self.other_rooms()
        if name in others:
            return
        close = get_close_matches(name, [*listed, *others], n=3, cutoff=0.5)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise Unknown("room_unknown", f"There is no room {name}.{hint} {remedy}", room=name, close=close)

    def require_rooms(self, room: str | None, merge: Merge, remedy: str) -> None:
        """The same for all that a request names."""
        for name in [room] if room is not None else []:
            self.require_room(name, remedy)
        for name in (merge.rooms or []) if isinstance(merge, AnotherRoom) else []:
            self.require_room(name, remedy)

    def asking(self, name: str | None) -> drafts.Asking:
        """The present user and moment, under the request id given or a new one; raises Unauthorized."""
        return drafts.Asking(
            user=self.service.user(),
            role=self.service.role(),
            request=name or f"{random.getrandbits(48):012x}",
            at=self.service.now(),
            zone=self.zone,
            listed_rooms=self.building.rooms,
            policies=self.building.policies,
        )

    def views_of(self, identifier: str) -> PageViews:
        """The page of a reservation or series."""
        page = reservation_page(identifier)
        return self.service.read([page]).pages[page]

    def held(self, identifier: str) -> tuple[Reservation, bool]:
        """A reservation and whether it is final; raises Unknown."""
        views = self.views_of(identifier)
        reservation = decode_reservation(views.tentative)
        if reservation is None:
            raise refusal("unknown", identifier)
        return reservation, is_final(views)

    def shown(self, identifier: str, views: PageViews | None = None) -> Answer:
        """RESERVATION; raises Unknown. `views` are its page's, where they were read already."""
        answer = view.reservation(identifier, views or self.views_of(identifier), self.zone)
        if answer is None:
            raise refusal("unknown", identifier)
        return answer

    def submitted(self, draft: Draft, identifier: str) -> PageViews | None:
        """The page of the reservation, once the draft is recorded; None where it had been before; raises Refusal."""
        page = reservation_page(identifier)
        accepted = self.service.submit(draft, [page])
        if accepted.logged or accepted.status == "duplicate":
            return accepted.pages.get(page)
        if "open_reservations" in {accepted.status, accepted.detail}:
            raise too_many(draft.args["limit"]["open"], identifier.partition("/")[0])
        if accepted.status in {"rejected", "unmoved"}:
            raise self.slot_taken(draft, identifier, accepted.detail)
        raise refusal(accepted.status, identifier)

    def slot_taken(self, draft: Draft, identifier: str, detail: str) -> Conflict:
        stays = "; the reservation stays where it is" if draft.op == "move" and decode_detail(detail) else ""
        return Conflict(
            "slot_taken",
            f"Nothing that you asked for is free{stays}. Ask for other times or another room; nothing was recorded.",
            taken=self.taken(places_asked(draft.args), {identifier}),
        )

    def taken(self, asked: list[Place], but: set[str]) -> list[Answer]:
        """Whose reservations stand at these places, without those of the ids `but`."""
        pages = self.service.read(sorted({page for place in asked for page in place.pages})).pages
        return view.taken(asked, pages, but, self.zone)


def places_asked(args: Mapping[str, Any]) -> list[Place]:
    """The places that a write, or an occurrence of one, names; not those that it would search for."""
    asked = [Place(args["room"], *slot) for slot in decode_slots(args["slots"])]
    return asked + [Place(other, asked[0].start, asked[0].end) for other in args.get("rooms", ())]
