"""The endpoints of calendar feeds and free/busy times, which calendar programs poll.

A feed is at /rooms/ROOM/calendar.ics or /users/USER/calendar.ics. Free/busy times are at /rooms/ROOM/freebusy.ics or
/users/USER/freebusy.ics. A feed covers the last month and the next year. An answer has an ETag. If a client sends this
ETag back and nothing has changed, the client gets status 304 without a body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime, time, timedelta
from functools import partial

from apps.api.endpoint import Content, Endpoint
from apps.api.one_at_a_time import OneAtATime
from apps.api.request import ClientSession, Request
from apps.api.service import Service
from apps.rooms import answer_values
from apps.rooms.building import Building
from apps.rooms.endpoints.base import ROOM_NAME, USER_NAME, Handlers
from apps.rooms.feed_event import STATUSES, FeedEvent
from apps.rooms.pages import RoomSlot, decode_days, decode_reservation, in_parts, owned_id, owner_of, reservation_page
from apps.rooms.times import minute_of
from bayou.errors import TooLarge, Unknown
from bayou.names import NAME

BACK = timedelta(days=31)
AHEAD = timedelta(days=366)
GONE_KEPT = BACK - timedelta(days=1)  # shorter than BACK, so that an old event is forgotten before it seems cancelled
MEDIA_TYPE = "text/calendar; charset=utf-8"
EVENTS_MAX = 10_000  # of a feed
LARGE = 1000  # reservations that a user ever made; with more, only one such feed at a time is read


class Feeds(Handlers):
    def __init__(self, service: Service, building: Building) -> None:
        super().__init__(service, building)
        self._reading_many = OneAtATime("a calendar with very many reservations")

    def endpoints(self) -> list[Endpoint]:
        feed = partial(Endpoint, "GET", answers={200: None})
        room = partial(feed, parameters=ROOM_NAME, errors={404: ("room_unknown",)}, for_cluster_pages=True)
        user = partial(feed, parameters=USER_NAME, errors={404: ("user_unknown",)})
        return [  # free/busy times name nobody, so a guest may read them
            room("/rooms/{room}/calendar.ics", self.show_room_feed),
            room("/rooms/{room}/freebusy.ics", self.show_room_busy, role="guest"),
            user("/users/{user}/calendar.ics", self.show_user_feed),
            user("/users/{user}/freebusy.ics", self.show_user_busy, role="guest"),
        ]

    def period(self, back: timedelta = BACK) -> tuple[datetime, datetime]:
        """Return the beginning and the end of the period that a feed covers. The period begins at a local midnight."""
        today = datetime.combine(self.service.now().astimezone(self.zone), time(), self.zone)
        return (today - back).astimezone(UTC), (today + AHEAD).astimezone(UTC)

    def of_room(self, room: str, period: tuple[datetime, datetime], session: ClientSession) -> dict[str, FeedEvent]:
        """Return the events for the reservations of a room in a period, by reservation id."""
        whole = RoomSlot(room, *map(minute_of, period))
        pages = self.service.read(whole.pages, session).pages
        days = [pages[page] for page in whole.pages]
        final = set(decode_days(room, (day.committed for day in days)))
        return {
            entry.id: FeedEvent(
                "committed" if entry in final else "tentative",
                entry.slot,
                entry.purpose,
                owner=None if entry.owner == entry.user else entry.owner,
            )
            for entry in decode_days(room, (day.tentative for day in days))
            if entry.slot.overlaps(whole)
        }

    def of_user(self, user: str, period: tuple[datetime, datetime], session: ClientSession) -> dict[str, FeedEvent]:
        """Return the events for the reservations of a user in a period, by reservation id. The event of a reservation
        without a slot has the time of the first choice. Raise Unknown if the name is invalid."""
        if not NAME.fullmatch(user):
            raise Unknown(
                "user_unknown",
                f"{user[:64]!r} is not the name of a user. A name has 1 to 64 of the characters"
                " A-Z a-z 0-9 . _ @ + - and is neither `.` nor `..`.",
                user=user,
            )
        names = [owned_id(user, name) for name in self.service.list_entries(f"user:{user}", session)]
        with self._reading_many if len(names) > LARGE else nullcontext():
            return self._of_names(user, names, period, session)

    def _of_names(
        self, user: str, names: list[str], period: tuple[datetime, datetime], session: ClientSession
    ) -> dict[str, FeedEvent]:
        start, end = map(minute_of, period)
        found = {}
        for part in in_parts(names):
            views = self.service.read([reservation_page(identifier) for identifier in part], session).pages
            for identifier in part:
                page = views[reservation_page(identifier)]
                held = decode_reservation(page.tentative)
                slot = held and (held.slot or held.asked[0])
                if held is None or owner_of(identifier, held) != user:
                    continue
                if slot and slot.start < end and start < slot.end:
                    reason = answer_values.reason(held)
                    found[identifier] = FeedEvent(
                        answer_values.state(held, page),
                        slot,
                        held.purpose,
                        reason["message"] if reason else None,
                        held.owner,
                    )
            _check_size(found)  # at once, since the rest may take a minute
        return found

    def calendar(
        self, name: str, key: str, shown: Mapping[str, FeedEvent], period: tuple[datetime, datetime]
    ) -> Content:
        from apps.rooms import feed  # noqa: PLC0415

        _check_size(shown)
        keep = int(GONE_KEPT.total_seconds())
        seen = self.service.feed_revisions(
            key, {identifier: (one.encode(), one.slot.end * 60 + keep) for identifier, one in shown.items()}
        )
        days = period[0].date(), period[1].date()
        body = feed.calendar(name, self.service.settings.cluster_id, self.zone, days, seen)
        return Content(body, MEDIA_TYPE, hashlib.sha256(body).hexdigest()[:32])

    def free_busy(self, name: str, shown: Mapping[str, FeedEvent], period: tuple[datetime, datetime]) -> Content:
        from apps.rooms import feed  # noqa: PLC0415

        _check_size(shown)
        busy = [(one.slot, one.state) for one in shown.values() if one.state in STATUSES]
        body = feed.free_busy(name, self.service.settings.cluster_id, period, busy, self.service.now())
        lasting = b"\n".join(line for line in body.splitlines() if not line.startswith(b"DTSTAMP"))
        return Content(body, MEDIA_TYPE, hashlib.sha256(lasting).hexdigest()[:32], is_weak=True)

    def show_room_feed(self, request: Request[None, None], room: str) -> Content:
        """Show the reservations of a room as an iCalendar feed, to which calendar programs can subscribe."""
        name, period = self.known_room(room, request.session), self.period()
        return self.calendar(name, f"room:{name}", self.of_room(name, period, request.session), period)

    def show_room_busy(self, request: Request[None, None], room: str) -> Content:
        """Show in iCalendar when a room is busy, without the names of users."""
        name, period = self.known_room(room, request.session), self.period(timedelta())
        return self.free_busy(name, self.of_room(name, period, request.session), period)

    def show_user_feed(self, request: Request[None, None], user: str) -> Content:
        """Show the reservations of a user as an iCalendar feed, to which calendar programs can subscribe."""
        period = self.period()
        return self.calendar(user, f"user:{user}", self.of_user(user, period, request.session), period)

    def show_user_busy(self, request: Request[None, None], user: str) -> Content:
        """Show in iCalendar when a user is busy."""
        period = self.period(timedelta())
        return self.free_busy(user, self.of_user(user, period, request.session), period)


def _check_size(shown: Mapping[str, FeedEvent]) -> None:
    if len(shown) > EVENTS_MAX:
        raise TooLarge(
            "too_large",
            f"A calendar may have at most {EVENTS_MAX} events, and this calendar has more. Read the reservations in"
            " parts, from GET /rooms/{room}/calendar or GET /users/{user}/reservations.",
            events_max=EVENTS_MAX,
        )
