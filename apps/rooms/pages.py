"""The pages of the meeting rooms: their names, and what their fields say.

Only this file knows their format in Python; lua/application.lua describes each field. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.rooms.times import utc_days
from bayou.application import PageViews


@dataclass(frozen=True, slots=True)
class RoomSlot:
    """A room from `start` to `end` (minutes since 1970, the end not included)."""

    room: str
    start: int
    end: int

    @property
    def pages(self) -> list[str]:
        """The pages of the room that hold the slot, one for each UTC day that it touches."""
        return [f"room:{self.room}/{day}" for day in utc_days(self.start, self.end)]

    def overlaps(self, other: RoomSlot) -> bool:
        """Whether the two slots share a minute of a room. Slots that only touch do not overlap."""
        return self.room == other.room and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a room's page: who has the room from when to when."""

    slot: RoomSlot
    user: str
    request: str
    purpose: str

    @property
    def id(self) -> str:
        return f"{self.user}/{self.request}"


@dataclass(frozen=True, slots=True)
class Reservation:
    """What the page of a reservation says.

    slot          None while the reservation is rejected or cancelled.
    asked         what was asked for last.
    reason        the code of why it is rejected or cancelled.
    why           who cancelled it and the reason that they gave; None if they gave none.
    pages_beyond  the room pages that may hold it, beside those of what was asked.
    """

    state: str
    slot: RoomSlot | None
    asked: tuple[RoomSlot, ...]
    reason: str | None
    why: tuple[str, str] | None
    purpose: str
    series: str | None
    pages_beyond: tuple[str, ...]

    @property
    def room(self) -> str:
        """The room that the reservation has, or else the room that was asked for."""
        return self.slot.room if self.slot else self.asked[0].room

    @property
    def room_pages(self) -> list[str]:
        """All room pages that may hold the reservation once earlier writes have arrived."""
        return [*(page for slot in self.asked for page in slot.pages), *self.pages_beyond]


@dataclass(frozen=True, slots=True)
class Series:
    """What the page of a series says. `dates` are the dates of its occurrences, `wanted` is all_or_nothing or
    best_effort, and `requests` are the ids of its last moves and cancels."""

    rule: str
    zone: str
    excluded: tuple[str, ...]
    wanted: str
    dates: tuple[str, ...]
    requests: tuple[str, ...]

    def occurrences(self, identifier: str) -> dict[str, str]:
        """Date -> id of each occurrence of the series with this id."""
        return {day: f"{identifier}~{day}" for day in self.dates}


def occurrence_date(request: str) -> str | None:
    """The date in the request of an occurrence, SERIES~DATE; None for any other request."""
    return request.partition("~")[2] or None


def user_page(user: str) -> str:
    """The name of the page of a user's open reservations."""
    return f"user:{user}"


def reservation_page(identifier: str) -> str:
    """The name of the page of the reservation `USER/REQUEST`."""
    return f"reservation:{identifier}"


def encode_slots(slots: Iterable[tuple[int, int]]) -> str:
    """The text of slots, (start, end) in minutes, for writes and pages: START/END of eight digits each, separated by
    blanks."""
    return " ".join([f"{start:08}/{end:08}" for start, end in slots])


def decode_slots(text: str) -> list[tuple[int, int]]:
    """The slots of a text that `encode_slots` made."""
    return [(int(slot[:8]), int(slot[9:])) for slot in text.split()]


def decode_room(room: str, fields: Mapping[str, str]) -> list[Entry]:
    """The entries of one page of this room, in time order."""
    return [_entry(room, start, fields[start]) for start in sorted(fields)]


def decode_days(room: str, days: Iterable[Mapping[str, str]]) -> list[Entry]:
    """The entries of several days of this room, in time order. An entry over midnight counts once."""
    return decode_room(room, {start: value for fields in days for start, value in fields.items()})


def decode_reservation(fields: Mapping[str, str]) -> Reservation | None:
    """The reservation that a page holds; None for an empty page, and for a series."""
    state, _, detail = fields.get("state", "series").partition(" ")
    if state == "series":
        return None
    room, slots, purpose = fields["asked"].split("\t", 2)
    reason, why = detail if state == "rejected" else None, None
    if state == "cancelled" and detail:
        who, _, text = detail.partition("\t")
        reason, why = state, (who, text)
    return Reservation(
        state=state,
        slot=decode_detail(detail) if state == "reserved" else None,
        asked=tuple(RoomSlot(room, *slot) for slot in decode_slots(slots)),
        reason=reason,
        why=why,
        purpose=purpose,
        series=fields.get("series"),
        pages_beyond=tuple(fields["pages"].split("\n")) if "pages" in fields else (),
    )


def decode_series(fields: Mapping[str, str]) -> Series | None:
    """The series that a page holds; None if it holds no series."""
    if fields.get("state") != "series":
        return None
    return Series(
        rule=fields["rule"],
        zone=fields["zone"],
        excluded=tuple(fields["except"].split()),
        wanted=fields["wanted"],
        dates=tuple(fields["dates"].split()),
        requests=tuple(fields.get("requests", "").split()),
    )


def is_final(views: PageViews) -> bool:
    """Whether both views of a reservation's page are equal. Then only a write that is accepted later can change it."""
    return dict(views.tentative) == dict(views.committed)


def decode_detail(detail: str) -> RoomSlot | None:
    """The slot that the detail of an outcome names (`START8/END8 ROOM`); None if it names none or several."""
    slot, _, room = detail.partition(" ")
    return RoomSlot(room, *decode_slots(slot)[0]) if room and "/" in slot else None


def _entry(room: str, start: str, value: str) -> Entry:
    end, user, request, purpose = value.split("\t", 3)
    return Entry(RoomSlot(room, int(start), int(end)), user, request, purpose)
