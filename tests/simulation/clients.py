"""Users of the simulation: what they ask, the drafts of it, and their sessions, which move from replica to replica."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.rooms import drafts
from apps.rooms.pages import decode_reservation, is_final, reservation_page
from apps.rooms.schema import AnotherRoom, FirstFreeAlternative, GiveUp, MoveBody, NearestFreeTime, ReserveBody, Slot
from bayou.application import PageViews
from bayou.session import GUARANTEES, Token
from bayou.write import Draft

ROOMS = ("6.12", "6.13", "7.01")
FIRST_MIN = 29_967_840  # 2026-12-24 00:00 UTC
SLOTS = 16  # half hours across a midnight, from 20:00 on
UTC_ZONE = ZoneInfo("UTC")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Client:
    """`wanted` is the last draft, for asking again; `guarantees` None where it has no session."""

    name: str
    guarantees: tuple[str, ...] | None
    token: Token = field(default_factory=Token)
    wanted: Draft | None = None
    requests: int = 0

    def needs_of_read(self) -> dict[str, int]:
        return self.token.needs_of_read(self.guarantees) if self.guarantees is not None else {}

    def needs_of_write(self) -> dict[str, int]:
        return self.token.needs_of_write(self.guarantees) if self.guarantees is not None else {}


def guarantees(number: int) -> tuple[str, ...] | None:
    """None for every fourth client; else a subset of the four, all of them most often."""
    if number % 4 == 3:
        return None
    return tuple(GUARANTEES[i] for i in range(4) if number % 4 != 2 or (number >> 2) >> i & 1)


def slot(number: int) -> Slot:
    start = FIRST_MIN + 20 * 60 + number % SLOTS * 30
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


def reserve(user: str, request: str, room: int, number: int, how: int) -> Draft:
    name = ROOMS[room % len(ROOMS)]
    body = ReserveBody.model_construct(
        room=name,
        slots=[slot(number), slot(number + 5)][: 1 + how % 2],
        purpose="talk" if how % 3 else "",
        merge=merge(how, name),
        series=f"series{how % 5}" if how % 7 == 0 else None,
    )
    return drafts.reserve(asking(user, request), body)


def change(user: str, request: str, of: str, views: PageViews, number: int, how: int, *, moves: bool) -> Draft | None:
    """A move or a cancel of a reservation as it is seen; None when it is not."""
    seen = decode_reservation(views.tentative)
    if seen is None:
        return None
    if not moves:
        return drafts.cancel(asking(user, request), of, seen, is_final(views))
    room = ROOMS[how % len(ROOMS)]
    slots = [slot(number), slot(number + 3)][: 1 + how % 2]
    body = MoveBody.model_construct(room=room if how % 3 else None, slots=slots, merge=merge(how, room))
    return drafts.move(asking(user, request), of, seen, is_final(views), body)


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


def asking(user: str, request: str) -> drafts.Asking:
    return drafts.Asking(user, request, EPOCH + timedelta(minutes=FIRST_MIN), UTC_ZONE, ROOMS)


__all__ = ["Client", "change", "guarantees", "put", "reservation_page", "reserve"]
