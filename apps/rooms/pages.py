"""The pages of the meeting rooms: their names, and what their fields say.

The one place on the Python side that knows the format; lua/application.lua describes each field. Nothing here
writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.rooms.times import utc_days
from bayou.application import PageViews


@dataclass(frozen=True, slots=True)
class Place:
    """A room from `start` to `end` (minutes since 1970, the end not included)."""

    room: str
    start: int
    end: int

    @property
    def pages(self) -> list[str]:
        """The pages in which it stands: its room's, of each UTC day that it touches."""
        return [f"room:{self.room}/{day}" for day in utc_days(self.start, self.end)]

    def overlaps(self, other: Place) -> bool:
        """Whether they share a minute of a room; touching is not overlapping."""
        return self.room == other.room and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a room's page: who has the room from when to when."""

    place: Place
    user: str
    request: str
    purpose: str

    @property
    def id(self) -> str:
        return f"{self.user}/{self.request}"


@dataclass(frozen=True, slots=True)
class Reservation:
    """A reservation's page. `place` is None while it is rejected or cancelled; `asked` is what was asked for last;
    `why` is (who, reason) of a cancel that gave one; `pages_beyond` are the room pages where it may be beside those of
    what was asked."""

    state: str
    place: Place | None
    asked: tuple[Place, ...]
    reason: str | None
    why: tuple[str, str] | None
    purpose: str
    series: str | None
    pages_beyond: tuple[str, ...]

    @property
    def room(self) -> str:
        """Where it is, else where it was wanted."""
        return self.place.room if self.place else self.asked[0].room

    @property
    def room_pages(self) -> list[str]:
        """All room pages where it may be, should earlier writes turn up."""
        return [*(page for place in self.asked for page in place.pages), *self.pages_beyond]


@dataclass(frozen=True, slots=True)
class Series:
    """A series' page; `dates` are those of its occurrences, `wanted` all_or_nothing or best_effort, `requests` its last
    moves and cancels."""

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
    """The page of a user's open reservations."""
    return f"user:{user}"


def reservation_page(identifier: str) -> str:
    """The page of the reservation `USER/REQUEST`."""
    return f"reservation:{identifier}"


def encode_slots(slots: Iterable[tuple[int, int]]) -> str:
    """Slots, (start, end) in minutes, as they stand in writes and on pages: START8/END8, between blanks."""
    return " ".join([f"{start:08}/{end:08}" for start, end in slots])


def decode_slots(text: str) -> list[tuple[int, int]]:
    """The slots that `encode_slots` made the text of."""
    return [(int(slot[:8]), int(slot[9:])) for slot in text.split()]


def decode_room(room: str, fields: Mapping[str, str]) -> list[Entry]:
    """The entries of one page of this room, in time order."""
    return [_entry(room, start, fields[start]) for start in sorted(fields)]


def decode_days(room: str, days: Iterable[Mapping[str, str]]) -> list[Entry]:
    """The entries of several days of this room, in time order; one over midnight counts once."""
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
        place=decode_detail(detail) if state == "reserved" else None,
        asked=tuple(Place(room, *slot) for slot in decode_slots(slots)),
        reason=reason,
        why=why,
        purpose=purpose,
        series=fields.get("series"),
        pages_beyond=tuple(fields["pages"].split("\n")) if "pages" in fields else (),
    )


def decode_series(fields: Mapping[str, str]) -> Series | None:
    """The series that a page holds; None when it holds none."""
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
    """Whether both views of a reservation's page say the same: then only a write accepted later can change it."""
    return dict(views.tentative) == dict(views.committed)


def decode_detail(detail: str) -> Place | None:
    """The place that an outcome's detail names (`START8/END8 ROOM`); None when it names none, or those of a series."""
    slot, _, room = detail.partition(" ")
    return Place(room, *decode_slots(slot)[0]) if room and "/" in slot else None


def _entry(room: str, start: str, value: str) -> Entry:
    end, user, request, purpose = value.split("\t", 3)
    return Entry(Place(room, int(start), int(end)), user, request, purpose)
