"""The REST resources of calendars that others poll: /rooms/ROOM/calendar.ics, /users/USER/calendar.ics, and free/busy.

A feed holds a month back and a year ahead. An answer has an ETag: who sends it back is told that nothing has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from flask import Response, request

from apps.api.endpoint import Operation
from apps.api.service import Service
from apps.rooms import view
from apps.rooms.pages import Place, Reservation, decode_days, decode_reservation, is_final, reservation_page
from apps.rooms.resource import RoomsResource, given
from apps.rooms.schema import room_name
from apps.rooms.shown import STATUSES, Shown
from bayou.application import PageViews
from bayou.errors import Unknown
from bayou.names import NAME

BACK = timedelta(days=31)
AHEAD = timedelta(days=366)
GONE_KEPT = BACK - timedelta(days=1)  # less, so that what has grown too old is forgotten, and not taken for cancelled
MEDIA_TYPE = "text/calendar; charset=utf-8"


def _operation(path: str, what: str, *codes: str) -> Operation:
    return Operation("GET", path, what, {200: None}, errors={404: codes} if codes else {}, in_session=True)


OPERATIONS = (
    _operation("/rooms/{room}/calendar.ics", "A room's reservations as iCalendar, to subscribe to.", "room_unknown"),
    _operation("/rooms/{room}/freebusy.ics", "When a room is busy, as iCalendar, without names.", "room_unknown"),
    _operation("/users/{user}/calendar.ics", "A user's reservations as iCalendar, to subscribe to.", "user_unknown"),
    _operation("/users/{user}/freebusy.ics", "When a user is busy, as iCalendar.", "user_unknown"),
)


def register(api: Any, service: Service) -> None:
    """Adds the resources to a flask_restful.Api."""
    arguments = given(service)
    api.add_resource(RoomCalendar, "/rooms/<string:room>/calendar.ics", **arguments)
    api.add_resource(RoomFreeBusy, "/rooms/<string:room>/freebusy.ics", **arguments)
    api.add_resource(UserCalendar, "/users/<string:user>/calendar.ics", **arguments)
    api.add_resource(UserFreeBusy, "/users/<string:user>/freebusy.ics", **arguments)


class _Feed(RoomsResource):
    def period(self, back: timedelta = BACK) -> tuple[datetime, datetime]:
        """What a feed holds: from a local midnight on."""
        today = datetime.combine(self.service.now().astimezone(self.zone), time(), self.zone)
        return (today - back).astimezone(UTC), (today + AHEAD).astimezone(UTC)

    def known(self, name: str) -> str:
        """The name of a room as pages have it; raises Unknown."""
        try:
            room = room_name(name)
        except ValueError as reason:
            raise Unknown("room_unknown", f"{reason}.", room=name, close=[]) from None
        self.require_room(room, "GET /rooms lists them all.")
        return room

    def of_room(self, room: str, period: tuple[datetime, datetime]) -> dict[str, Shown]:
        """The reservations that stand in a room, by id."""
        whole = Place(room, *map(_minute, period))
        pages = self.service.read(whole.pages).pages
        days = [pages[page] for page in whole.pages]
        final = set(decode_days(room, (day.committed for day in days)))
        return {
            entry.id: Shown("committed" if entry in final else "tentative", entry.place, entry.purpose)
            for entry in decode_days(room, (day.tentative for day in days))
            if entry.place.overlaps(whole)
        }

    def of_user(self, user: str, period: tuple[datetime, datetime]) -> dict[str, Shown]:
        """A user's reservations, by id; those without a place stand where they were wanted. Raises Unknown for what is
        no name."""
        if not NAME.fullmatch(user):
            raise Unknown("user_unknown", f"{user[:64]!r} is no user: 1 to 64 of A-Z a-z 0-9 . _ @ + -.", user=user)
        names = [f"{user}/{name}" for name in self.service.members(f"user:{user}")]
        views = self.service.read([reservation_page(identifier) for identifier in names]).pages
        start, end = map(_minute, period)
        found = {}
        for identifier in names:
            page = views[reservation_page(identifier)]
            held = decode_reservation(page.tentative)
            place = held and (held.place or held.asked[0])
            if held and place and place.start < end and start < place.end:
                found[identifier] = Shown(_state(held, page), place, held.purpose, _reason(held))
        return found

    def calendar(self, name: str, key: str, shown: Mapping[str, Shown], period: tuple[datetime, datetime]) -> Response:
        from apps.rooms import feed  # noqa: PLC0415

        keep = int(GONE_KEPT.total_seconds())
        seen = self.service.sightings(
            key, {identifier: (one.encode(), one.place.end * 60 + keep) for identifier, one in shown.items()}
        )
        days = period[0].date(), period[1].date()
        body = feed.calendar(name, self.service.settings.cluster_id, self.zone, days, seen)
        return _answer(body, hashlib.sha256(body).hexdigest())

    def free_busy(self, name: str, shown: Mapping[str, Shown], period: tuple[datetime, datetime]) -> Response:
        from apps.rooms import feed  # noqa: PLC0415

        busy = [(one.place, one.state) for one in shown.values() if one.state in STATUSES]
        body = feed.free_busy(name, self.service.settings.cluster_id, period, busy, self.service.now())
        said = b"\n".join(line for line in body.splitlines() if not line.startswith(b"DTSTAMP"))
        return _answer(body, hashlib.sha256(said).hexdigest(), weak=True)


class RoomCalendar(_Feed):
    def get(self, room: str) -> Response:
        name, period = self.known(room), self.period()
        return self.calendar(name, f"room:{name}", self.of_room(name, period), period)


class RoomFreeBusy(_Feed):
    def get(self, room: str) -> Response:
        name, period = self.known(room), self.period(timedelta())
        return self.free_busy(name, self.of_room(name, period), period)


class UserCalendar(_Feed):
    def get(self, user: str) -> Response:
        period = self.period()
        return self.calendar(user, f"user:{user}", self.of_user(user, period), period)


class UserFreeBusy(_Feed):
    def get(self, user: str) -> Response:
        period = self.period(timedelta())
        return self.free_busy(user, self.of_user(user, period), period)


def _answer(body: bytes, tag: str, *, weak: bool = False) -> Response:
    """304 without the body where the client has it already."""
    response = Response(body, content_type=MEDIA_TYPE)
    response.set_etag(tag[:32], weak=weak)
    response.headers["Cache-Control"] = "private, no-cache"
    response.make_conditional(request)
    return response


def _minute(when: datetime) -> int:
    return int(when.timestamp()) // 60


def _state(held: Reservation, page: PageViews) -> str:
    if held.state != "reserved":
        return held.state
    return "committed" if is_final(page) else "tentative"


def _reason(held: Reservation) -> str | None:
    return view.reason(held)["message"] if held.reason else None
