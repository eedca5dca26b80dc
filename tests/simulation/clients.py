"""Users of the simulation: what they ask, the drafts of it, and their sessions, which move from replica to replica."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.rooms import drafts
from apps.rooms.pages import decode_reservation, is_final, reservation_page
from apps.rooms.policies import Policies
from apps.rooms.schema import AnotherRoom, FirstFreeAlternative, GiveUp, MoveBody, NearestFreeTime, ReserveBody, Slot
from apps.rooms.times import DAY_MIN
from bayou.application import PageViews
from bayou.session_token import GUARANTEES, Token
from bayou.write import Draft

ROOMS = ("6.12", "6.13", "7.01")
FIRST_MIN = 29_967_840  # 2026-12-24 00:00 UTC
SLOTS = 16  # half hours across a midnight, from 20:00 on
PATIENCE = 6
REASON = "the room is painted"
UTC_ZONE = ZoneInfo("UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Client:
    """`wanted` is the last draft, for asking again; `guarantees` None where it has no session.

    `made` are the ids of reservations and occurrences that it has got, or may have got; `series` those of series.
    `turned_away` is how often in a row its session was ahead of the replica; `has_managed`: some replica has seen it as
    a manager.
    """

    name: str
    guarantees: tuple[str, ...] | None
    token: Token = field(default_factory=Token)
    wanted: Draft | None = None
    requests: int = 0
    made: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    turned_away: int = 0
    has_managed: bool = False

    def needs_of_read(self) -> dict[str, int]:
        return self.token.needs_of_read(self.guarantees) if self.guarantees is not None else {}

    def needs_of_write(self) -> dict[str, int]:
        return self.token.needs_of_write(self.guarantees) if self.guarantees is not None else {}

    def served(self, token: Token) -> None:
        self.turned_away = 0
        if self.guarantees is not None:
            self.token = token

    def refused(self) -> None:
        """Its session is ahead of the replica. After a few times it begins another session."""
        self.turned_away += 1
        if self.turned_away == PATIENCE:
            self.token, self.turned_away = Token(), 0

    def note(self, draft: Draft) -> None:
        """What it may have reserved."""
        identifier = f"{draft.user}/{draft.request}"
        if draft.op == "reserve":
            self.made.append(identifier)
        if draft.op == "reserve_series":
            self.series.append(identifier)
            self.made += [f"{identifier}~{occurrence['date']}" for occurrence in draft.args["occurrences"]]


def guarantees(number: int) -> tuple[str, ...] | None:
    """None for every fourth client; else a subset of the four, all of them most often."""
    if number % 4 == 3:
        return None
    return tuple(GUARANTEES[i] for i in range(4) if number % 4 != 2 or (number >> 2) >> i & 1)


def slot(number: int, days: int = 0) -> Slot:
    start = FIRST_MIN + days * DAY_MIN + 20 * 60 + number % SLOTS * 30
    return Slot.model_construct(start=start, end=start + (30, 60, 90)[number // SLOTS % 3])


def merge(number: int, room: str) -> FirstFreeAlternative | GiveUp | NearestFreeTime | AnotherRoom:
    match number % 4:
        case 0:
            return FirstFreeAlternative()
        case 1:
            return GiveUp(name="give_up")
        case 2:
            return NearestFreeTime.model_construct(name="nearest_free_time", window_min=60 + number // 4 % 3 * 60)
    others = [other for other in ROOMS if other != room]
    return AnotherRoom.model_construct(name="another_room", rooms=others[: 1 + number // 4 % 2])


def reserve(asking: drafts.DraftContext, room: int, number: int, how: int) -> Draft:
    name = ROOMS[room % len(ROOMS)]
    body = ReserveBody.model_construct(
        room=name,
        slots=[slot(number), slot(number + 5)][: 1 + how % 2],
        purpose="talk" if how % 3 else "",
        merge=merge(how, name),
        series=f"series{how % 5}" if how % 7 == 0 else None,
    )
    return drafts.reserve(asking, body)


def change(
    asking: drafts.DraftContext, of: str, views: PageViews, number: int, how: int, *, moves: bool
) -> Draft | None:
    """A move or a cancel of a reservation as it is seen; None when it is not."""
    seen = decode_reservation(views.tentative)
    if seen is None:
        return None
    if not moves:
        return drafts.cancel(asking, of, seen, REASON if asking.user != owner_of(of) else None)
    room = ROOMS[how % len(ROOMS)]
    slots = [slot(number), slot(number + 3)][: 1 + how % 2]
    body = MoveBody.model_construct(room=room if how % 3 else None, slots=slots, merge=merge(how, room))
    return drafts.move(asking, of, seen, is_final(views), body)


def put(user: str, request: str, song: int, how: int) -> Draft:
    name = f"song{song % 6}"
    op, args = ("delete", {"song": name}) if how % 4 == 0 else ("put", {"song": name, "url": f"http://{how}"})
    return Draft(
        app="playlist/1",
        op=op,
        check="request_is_new",
        merge="keep_first",
        args=args,
        pages=(f"song:{name}",),
        user=user,
        request=request,
        accepted_at="",
    )


def asking(
    user: str, request: str, limit: int | None = None, moment: int = 0, role: str = "user"
) -> drafts.DraftContext:
    """`limit` is how many open reservations a user may hold; at every fourth moment some are over already."""
    minute = FIRST_MIN + (0, 0, 0, 23 * 60)[moment % 4]
    policies = Policies(open_reservations=limit)
    return drafts.DraftContext(user, request, EPOCH + timedelta(minutes=minute), UTC_ZONE, ROOMS, policies, role)


def owner_of(identifier: str) -> str:
    return identifier.partition("/")[0]


__all__ = ["Client", "asking", "change", "guarantees", "put", "reservation_page", "reserve"]
