"""The endpoints of rooms: list all rooms, find free rooms, show the calendar of a room."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial

from apps.api.endpoint import Answer, Endpoint
from apps.api.model import ListQuery
from apps.api.request import Request
from apps.rooms import answer_values
from apps.rooms.endpoints.answer_schemas import CALENDAR, FREE_ROOMS, ROOMS
from apps.rooms.endpoints.base import ROOM_NAME, Handlers
from apps.rooms.pages import RoomSlot, decode_days
from apps.rooms.schema import CalendarQuery, FreeQuery
from apps.rooms.times import format_minute
from bayou.errors import TooLarge

FREE_PAGES_MAX = 5000  # rooms times days that one request may look at


class Rooms(Handlers):
    def endpoints(self) -> list[Endpoint]:
        endpoint = partial(Endpoint, for_cluster_pages=True)
        return [
            endpoint("GET", "/rooms", self.list_rooms, {200: ROOMS}, role="guest"),
            endpoint("GET", "/rooms/free", self.list_free_rooms, {200: FREE_ROOMS}, role="guest"),
            endpoint(
                "GET",
                "/rooms/{room}/calendar",
                self.show_calendar,
                {200: CALENDAR},
                ROOM_NAME,
                {404: ("room_unknown",)},
            ),
        ]

    def list_rooms(self, request: Request[ListQuery, None]) -> Answer:
        """List the rooms of the configuration, then other rooms that reservations name."""
        query, listed = request.query, self.building.rooms
        names = [*listed, *(others := self.other_rooms(request.session))]
        if query.after in listed:
            start = names.index(query.after) + 1
        else:  # the list of the others only grows, and is sorted bytewise
            start = len(listed) + bisect_right(others, query.after.encode(), key=str.encode) if query.after else 0
        part = names[start : start + query.limit]
        more = start + len(part) < len(names)
        closed = self.building.policies.closed
        return {
            "timezone": self.service.settings.timezone,
            "rooms": [answer_values.room(name, listed.get(name), closed) for name in part],
            "next": part[-1] if more else None,
        }

    def list_free_rooms(self, request: Request[FreeQuery, None]) -> Answer:
        """List the rooms that are free and open for a whole period, and that have the capacity and the features of the
        query. The smallest room comes first."""
        query, session = request.query, request.session
        zone, listed, policies = self.zone, self.building.rooms, self.building.policies
        wanted, days = {}, len(RoomSlot("", query.start, query.end).pages)
        for name in [*listed, *self.other_rooms(session)]:
            room = answer_values.room(name, listed.get(name), policies.closed)
            slot = RoomSlot(name, query.start, query.end)
            large = query.capacity is None or (room["capacity"] or 0) >= query.capacity
            if large and set(query.features) <= set(room["features"]) and policies.is_open(slot, zone):
                wanted[slot] = room
                if len(wanted) * days > FREE_PAGES_MAX:  # at once, since reservations may name very many rooms
                    raise TooLarge(
                        "too_large",
                        f"This search would read more than {FREE_PAGES_MAX} pages, one for each room and day. Give a"
                        " shorter period. Or give a capacity or features that fewer rooms have.",
                        pages_max=FREE_PAGES_MAX,
                    )
        pages = [page for slot in wanted for page in slot.pages]
        views = self.service.read(pages, session).pages
        free = [
            room
            for slot, room in wanted.items()
            if not any(
                entry.slot.overlaps(slot)
                for entry in decode_days(slot.room, (views[page].tentative for page in slot.pages))
            )
        ]
        # Sorting is stable: rooms of one size stay in the order of the configuration.
        free.sort(key=lambda room: room["capacity"] or float("inf"))
        return {"from": format_minute(query.start, zone), "to": format_minute(query.end, zone), "rooms": free}

    def show_calendar(self, request: Request[CalendarQuery, None], room: str) -> Answer:
        """Show the reservations of a room in a period, in time order."""
        query, session, zone = request.query, request.session, self.zone
        period = RoomSlot(self.known_room(room, session), query.start, query.end)
        pages = period.pages
        days = self.service.read(pages, session, query.view).pages
        return {
            "room": period.room,
            "view": query.view,
            "from": format_minute(query.start, zone),
            "to": format_minute(query.end, zone),
            "reservations": answer_values.calendar(period, [days[page] for page in pages], query.view, zone),
        }
