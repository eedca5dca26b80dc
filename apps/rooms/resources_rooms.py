"""The REST resources of rooms: which there are, which are free, and who has one when."""

from __future__ import annotations

from flask import request

from apps.rooms import view
from apps.rooms.pages import Place, decode_days
from apps.rooms.resource import Answer, RoomsResource
from apps.rooms.schema import CalendarQuery, FreeQuery, PageQuery, read_query, room_name
from apps.rooms.times import format_minute
from bayou.errors import TooLarge, Unknown

FREE_PAGES_MAX = 5000  # rooms times days that one question may look at


class Rooms(RoomsResource):
    def get(self) -> Answer:
        query = read_query(PageQuery, request.args.to_dict())
        listed = self.building.rooms
        # The others only grow, and are sorted bytewise: behind a name that is none of ours, all that sort later.
        others = self.other_rooms()
        names = [*listed, *others]
        if query.after in listed:
            names = names[names.index(query.after) + 1 :]
        elif query.after:
            names = [name for name in others if name.encode() > query.after.encode()]
        shown = [view.room(name, listed.get(name)) for name in names[: query.limit]]
        more = len(names) > query.limit
        return {
            "timezone": self.service.settings.timezone,
            "rooms": shown,
            "next": shown[-1]["name"] if more else None,
        }


class FreeRooms(RoomsResource):
    def get(self) -> Answer:
        query = read_query(FreeQuery, request.args.to_dict())
        zone, listed, policies = self.zone, self.building.rooms, self.building.policies
        wanted = {}
        for name in [*listed, *self.other_rooms()]:
            room, place = view.room(name, listed.get(name)), Place(name, query.start, query.end)
            large = query.capacity is None or (room["capacity"] or 0) >= query.capacity
            if large and set(query.features) <= set(room["features"]) and policies.is_open(place, zone):
                wanted[place] = room
        pages = [page for place in wanted for page in place.pages]
        if len(pages) > FREE_PAGES_MAX:
            raise TooLarge(
                "too_large",
                f"This looks at {len(pages)} days of rooms, and at most {FREE_PAGES_MAX} are looked at: ask for a"
                " shorter time, or for fewer rooms by capacity or features.",
                pages=len(pages),
                pages_max=FREE_PAGES_MAX,
            )
        views = self.service.read(pages).pages
        free = [
            room
            for place, room in wanted.items()
            if not any(
                entry.place.overlaps(place)
                for entry in decode_days(place.room, (views[page].tentative for page in place.pages))
            )
        ]
        # Sorting is stable: rooms of one size stay in the order of the configuration.
        free.sort(key=lambda room: room["capacity"] or float("inf"))
        return {"from": format_minute(query.start, zone), "to": format_minute(query.end, zone), "rooms": free}


class Calendar(RoomsResource):
    def get(self, room: str) -> Answer:
        query = read_query(CalendarQuery, request.args.to_dict())
        try:
            room = room_name(room)
        except ValueError as reason:
            raise Unknown("room_unknown", f"{reason}.", room=room, close=[]) from None
        self.require_room(room, "GET /rooms lists them all.")
        period = Place(room, query.start, query.end)
        pages, zone = period.pages, self.zone
        days = self.service.read(pages).pages
        return {
            "room": room,
            "view": query.view,
            "from": format_minute(query.start, zone),
            "to": format_minute(query.end, zone),
            "reservations": view.calendar(period, [days[page] for page in pages], query.view, zone),
        }
