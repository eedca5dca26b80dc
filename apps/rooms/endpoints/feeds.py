"""The endpoints of calendars that others poll: /rooms/ROOM/calendar.ics, /users/USER/calendar.ics, and free/busy.

A feed holds a month back and a year ahead. An answer has an ETag: who sends it back is told that nothing has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from functools import partial

from apps.api.endpoint import Content, Endpoint
from apps.api.request import ClientSession, Request
from apps.rooms import view
from apps.rooms.endpoints.base import Handlers
from apps.rooms.pages import Place, Reservation, decode_days, decode_reservation, is_final, reservation_page
from apps.rooms.shown import STATUSES, Shown
from bayou.application import PageViews
from bayou.errors import Unknown
from bayou.names import NAME

BACK = timedelta(days=31)
AHEAD = timedelta(days=366)
GONE_KEPT = BACK - timedelta(days=1)  # less, so that what has grown too old is forgotten, and not taken for cancelled
MEDIA_TYPE = "text/calendar; charset=utf-8"


class Feeds(Handlers):
    def endpoints(self) -> list[Endpoint]:
        room = partial(
            Endpoint,
            answers={200: None},
            parameters={"room": "The name of a room."},
            errors={404: ("room_unknown",)},
            for_cluster_pages=True,
        )
        user = partial(
            Endpoint,
            answers={200: None},
            parameters={"user": "The name of a user."},
            errors={404: ("user_unknown",)},
        )
        return [  # free/busy times name nobody, so a guest may read them
            room("GET", "/rooms/{room}/calendar.ics", self.show_room_feed),
            room("GET", "/rooms/{room}/freebusy.ics", self.show_room_busy, role="guest"),
            user("GET", "/users/{user}/calendar.ics", self.show_user_feed),
            user("GET", "/users/{user}/freebusy.ics", self.show_user_busy, role="guest"),
        ]

    def period(self, back: timedelta = BACK) -> tuple[datetime, datetime]:
        """What a feed holds: from a local midnight on."""
        today = datetime.combine(self.service.now().astimezone(self.zone), time(), self.zone)
        return (today - back).astimezone(UTC), (today + AHEAD).astimezone(UTC)

    def of_room(self, room: str, period: tuple[datetime, datetime], session: ClientSession) -> dict[str, Shown]:
        """The reservations that stand in a room, by id."""
        whole = Place(room, *map(_minute, period))
        pages = self.service.read(whole.pages, session).pages
        days = [pages[page] for page in whole.pages]
        final = set(decode_days(room, (day.committed for day in days)))
        return {
            entry.id: Shown("committed" if entry in final else "tentative", entry.place, entry.purpose)
            for entry in decode_days(room, (day.tentative for day in days))
            if entry.place.overlaps(whole)
        }

    def of_user(self, user: str, period: tuple[datetime, datetime], session: ClientSession) -> dict[str, Shown]:
        """A user's reservations, by id; those without a place stand where they were wanted. Raises Unknown for what is
        no name."""
        if not NAME.fullmatch(user):
            raise Unknown("user_unknown", f"{user[:64]!r} is no user: 1 to 64 of A-Z a-z 0-9 . _ @ + -.", user=user)
        names = [f"{user}/{name}" for name in self.service.list_entries(f"user:{user}", session)]
        views = self.service.read([reservation_page(identifier) for identifier in names], session).pages
        start, end = map(_minute, period)
        found = {}
        for identifier in names:
            page = views[reservation_page(identifier)]
            held = decode_reservation(page.tentative)
            place = held and (held.place or held.asked[0])
            if held and place and place.start < end and start < place.end:
                found[identifier] = Shown(_state(held, page), place, held.purpose, _reason(held))
        return found

    def calendar(self, name: str, key: str, shown: Mapping[str, Shown], period: tuple[datetime, datetime]) -> Content:
        from apps.rooms import feed  # noqa: PLC0415

        keep = int(GONE_KEPT.total_seconds())
        seen = self.service.feed_revisions(
            key, {identifier: (one.encode(), one.place.end * 60 + keep) for identifier, one in shown.items()}
        )
        days = period[0].date(), period[1].date()
        body = feed.calendar(name, self.service.settings.cluster_id, self.zone, days, seen)
        return Content(body, MEDIA_TYPE, hashlib.sha256(body).hexdigest()[:32])

    def free_busy(self, name: str, shown: Mapping[str, Shown], period: tuple[datetime, datetime]) -> Content:
        from apps.rooms import feed  # noqa: PLC0415

        busy = [(one.place, one.state) for one in shown.values() if one.state in STATUSES]
        body = feed.free_busy(name, self.service.settings.cluster_id, period, busy, self.service.now())
        said = b"\n".join(line for line in body.splitlines() if not line.startswith(b"DTSTAMP"))
        return Content(body, MEDIA_TYPE, hashlib.sha256(said).hexdigest()[:32], is_weak=True)

    def show_room_feed(self, request: Request[None, None], room: str) -> Content:
        """Show the reservations of a room as iCalendar, to subscribe to."""
        name, period = self.known_room(room, request.session), self.period()
        return self.calendar(name, f"room:{name}", self.of_room(name, period, request.session), period)

    def show_room_busy(self, request: Request[None, None], room: str) -> Content:
        """Show when a room is busy as iCalendar, without names."""
        name, period = self.known_room(room, request.session), self.period(timedelta())
        return self.free_busy(name, self.of_room(name, period, request.session), period)

    def show_user_feed(self, request: Request[None, None], user: str) -> Content:
        """Show the reservations of a user as iCalendar, to subscribe to."""
        period = self.period()
        return self.calendar(user, f"user:{user}", self.of_user(user, period, request.session), period)

    def show_user_busy(self, request: Request[None, None], user: str) -> Content:
        """Show when a user is busy as iCalendar."""
        period = self.period(timedelta())
        return self.free_busy(user, self.of_user(user, period, request.session), period)


def _minute(when: datetime) -> int:
    return int(when.timestamp()) // 60


def _state(held: Reservation, page: PageViews) -> str:
    if held.state != "reserved":
        return held.state
    return "committed" if is_final(page) else "tentative"


def _reason(held: Reservation) -> str | None:
    return view.reason(held)["message"] if held.reason else None
