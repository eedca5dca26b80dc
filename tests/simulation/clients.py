"""Clients of the simulation, and the drafts of their requests. A client uses one client session at all replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.rooms import drafts
from apps.rooms.pages import decode_reservation, is_final, owner_of, reservation_page
from apps.rooms.policies import Policies
from apps.rooms.schema import (
    AnotherRoom,
    FirstFreeAlternative,
    GiveUp,
    NearestFreeTime,
    ReservationChangeBody,
    ReserveBody,
    Slot,
)
from apps.rooms.times import DAY_MIN
from bayou.application import PageViews
from bayou.session_token import GUARANTEES, Token
from bayou.write import Draft

ROOMS = ("6.12", "6.13", "7.01")
TOGETHER = ("6.12+6.13", "7.01+6.12", "6.13+6.12+7.01")  # one request in four wants several rooms
FIRST_MIN = 29_967_840  # 2026-12-24 00:00 UTC
SLOTS = 16  # half hours from 20:00 on, across midnight
PATIENCE = 6
REASON = "the room is painted"
UTC_ZONE, BRUSSELS = ZoneInfo("UTC"), ZoneInfo("Europe/Brussels")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Client:
    """A client of the simulation. `wanted` is the last draft, which the client may repeat.

    `guarantees` is None if the client has no client session. `made` has the ids of the reservations and occurrences
    that the client may own. `series` has ids of series. `has_managed` is true if the client was ever a manager at some
    replica.

    `refusals_in_a_row` counts the refusals with the error Behind since the last answer. A replica refuses a request
    with Behind if the replica lacks writes that the client session needs.
    """

    name: str
    guarantees: tuple[str, ...] | None
    token: Token = field(default_factory=Token)
    wanted: Draft | None = None
    requests: int = 0
    made: list[str] = field(default_factory=list)
    series: list[str] = field(default_factory=list)
    refusals_in_a_row: int = 0
    has_managed: bool = False

    def needs_of_read(self) -> dict[str, int]:
        return self.token.needs_of_read(self.guarantees) if self.guarantees is not None else {}

    def needs_of_write(self) -> dict[str, int]:
        return self.token.needs_of_write(self.guarantees) if self.guarantees is not None else {}

    def served(self, token: Token) -> None:
        self.refusals_in_a_row = 0
        if self.guarantees is not None:
            self.token = token

    def refused(self) -> None:
        """Count a refusal with the error Behind. After PATIENCE such refusals in a row, the client begins a new client
        session."""
        self.refusals_in_a_row += 1
        if self.refusals_in_a_row == PATIENCE:
            self.token, self.refusals_in_a_row = Token(), 0

    def note(self, draft: Draft) -> None:
        """Record the ids of the reservations that the draft may have made."""
        args, identifier = draft.args, f"{draft.user}/{draft.request}"
        if draft.op in {"reserve", "edit"}:
            self.made.append(args.get("reservation", identifier))
        if draft.op in {"reserve_series", "edit_series"}:
            series = args.get("series", identifier)
            self.series.append(series)
            self.made += [f"{series}~{occurrence['date']}" for occurrence in args["occurrences"]]


def guarantees(number: int) -> tuple[str, ...] | None:
    """Return the guarantees of a client: all four for half of the clients, some for a quarter, None for a quarter."""
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
    others = [other for other in ROOMS if other not in room.split("+")] or ["7.02", "7.03"]
    return AnotherRoom.model_construct(name="another_room", rooms=others[: 1 + number // 4 % 2])


def room_name(number: int) -> str:
    """Return the name of a room, or the name of several rooms that are reserved together, such as `6.12+6.13`."""
    return (TOGETHER if number >> 5 & 3 == 3 else ROOMS)[number % 3]


def reserve(context: drafts.DraftContext, room: int, number: int, how: int, owner: str | None = None) -> Draft:
    name = room_name(room)
    body = ReserveBody.model_construct(
        room=name,
        slots=[slot(number), slot(number + 5)][: 1 + how % 2],
        purpose="talk" if how % 3 else "",
        merge=merge(how, name),
        series=f"series{how % 5}" if how % 7 == 0 else None,
        owner=owner,
    )
    return drafts.reserve(context, body)


def change(
    context: drafts.DraftContext, of: str, views: PageViews, number: int, how: int, heir: str, *, moves: bool
) -> Draft | None:
    """Return the draft of a move, an edit or a cancel. Return None if the replica does not know the reservation.

    If the draft hands over the reservation, `heir` becomes the owner.
    """
    seen = decode_reservation(views.tentative)
    if seen is None:
        return None
    if not moves and context.manages and number >> 3 & 1:
        return drafts.edit(context, of, seen, None, heir)
    if not moves:
        return drafts.cancel(context, of, seen, REASON if context.user != owner_of(of, seen) else None)
    if number % 5 == 4 and how % 3 == 0:
        return drafts.edit(context, of, seen, "for you" if how % 2 else None, heir)
    if number % 5 == 4:
        return drafts.edit(context, of, seen, f"talk {how % 4}")
    room = room_name(how)
    slots = [slot(number), slot(number + 3)][: 1 + how % 2]
    body = ReservationChangeBody.model_construct(room=room if how % 3 else None, slots=slots, merge=merge(how, room))
    return drafts.move(context, of, seen, is_final(views), body)


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


def request_context(
    user: str,
    request: str,
    limit: int | None = None,
    moment: int = 0,
    role: str = "user",
    *,
    is_older: bool = False,
) -> drafts.DraftContext:
    """Return the context of a request. `limit` is the maximum number of open reservations. If `is_older` is true, the
    context is for the older version of the rooms application, which has no local times.

    `moment` decides the time of the request. For one in four values of `moment`, some reservations have ended by this
    time.
    """
    minute = FIRST_MIN + (0, 0, 0, 23 * 60)[moment % 4]
    policies = Policies(open_reservations=limit)
    at, own_zone = EPOCH + timedelta(minutes=minute), (None, BRUSSELS)[moment >> 2 & 1]
    app = ("rooms/2", "rooms/1")[is_older]
    manages = role == "manager"
    return drafts.DraftContext(user, request, at, UTC_ZONE, ROOMS, policies, role, own_zone, app, manages)


__all__ = ["Client", "change", "guarantees", "put", "request_context", "reservation_page", "reserve"]
