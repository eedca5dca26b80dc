"""The pages of the meeting rooms: their names and the meaning of their fields.

No other Python file knows the format of these pages; lua/application.lua describes each field. Only the Lua writes
these pages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from apps.rooms.times import utc_days
from bayou.application import PageViews

TOGETHER = "+"  # joins the names of rooms that are reserved together; no name contains it
PAGES_AT_ONCE = 1000  # of a large read, so that Redis answers others in between


def rooms_of(room: str) -> list[str]:
    """Return the names of the single rooms in `room`. Usually there is one name. A text such as 6.12+6.14 names several
    rooms that are reserved together."""
    return room.split(TOGETHER)


@dataclass(frozen=True, slots=True)
class RoomSlot:
    """A room and a time from `start` to `end` (minutes since 1970); `end` is not included. `room` may name several
    rooms; see `rooms_of`."""

    room: str
    start: int
    end: int

    @property
    def in_each_room(self) -> list[RoomSlot]:
        """One slot for each room of this slot, at the same time."""
        return [RoomSlot(room, self.start, self.end) for room in rooms_of(self.room)]

    @property
    def pages(self) -> list[str]:
        """The names of the pages that hold the slot: one page for each room and each UTC day of the slot."""
        days = list(utc_days(self.start, self.end))
        return [f"room:{room}/{day}" for room in rooms_of(self.room) for day in days]

    def overlaps(self, other: RoomSlot) -> bool:
        """Whether the two slots share a minute of a room. Slots that only touch do not overlap."""
        if not (self.start < other.end and other.start < self.end):
            return False
        return self.room == other.room or not set(rooms_of(self.room)).isdisjoint(rooms_of(other.room))


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a room's page: a reservation and its slot. The slot names all rooms of the reservation. `user` and
    `request` say who made the reservation, and with which request id."""

    slot: RoomSlot
    user: str
    request: str
    purpose: str
    owner: str

    @property
    def id(self) -> str:
        return f"{self.user}/{self.request}"


@dataclass(frozen=True, slots=True)
class LocalTimes:
    """The local times of a slot, by the time zone rules that were known when the request was made.

    zone          the time zone that the request named; None for the zone of the building
    start_offset  how many minutes local time is ahead of UTC at the start of the slot
    end_offset    how many minutes local time is ahead of UTC at the end of the slot
    """

    zone: str | None
    start_offset: int
    end_offset: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """The contents of a reservation's page.

    slot          None while the reservation is rejected or cancelled
    asked         the slots of the last request
    reason        why the reservation is rejected, as a code; `cancelled` if a cancel gave a reason; otherwise None
    why           the user and the reason of the cancel; None if no reason was given
    pages_beyond  the room pages that may hold the reservation, in addition to the pages of `asked`
    local         the local times of the slot; None if the write that gave the slot did not say them
    changed_by    the last moves, edits and cancels of this reservation, as `remembered_as` names them; the newest is
                  last; changes of the whole series are left out
    owner         the owner; None if the user who made the reservation owns it
    """

    state: str
    slot: RoomSlot | None
    asked: tuple[RoomSlot, ...]
    reason: str | None
    why: tuple[str, str] | None
    purpose: str
    series: str | None
    pages_beyond: tuple[str, ...]
    local: LocalTimes | None
    changed_by: tuple[str, ...]
    owner: str | None = None

    @property
    def room(self) -> str:
        """The room of the slot. If there is no slot, the requested room."""
        return self.slot.room if self.slot else self.asked[0].room

    @property
    def room_pages(self) -> list[str]:
        """All room pages that may hold the reservation. Writes with earlier stamps may still arrive, and a replay may
        then move the reservation to another of these pages."""
        return [*(page for slot in self.asked for page in slot.pages), *self.pages_beyond]


@dataclass(frozen=True, slots=True)
class Series:
    """The contents of a series' page.

    excluded  the dates that the series leaves out
    wanted    all_or_nothing or best_effort
    dates     the dates of the occurrences
    requests  the last requests that changed the series, as `remembered_as` names them
    owner     the owner; None if the user who made the series owns it
    """

    rule: str
    zone: str
    excluded: tuple[str, ...]
    wanted: str
    dates: tuple[str, ...]
    requests: tuple[str, ...]
    owner: str | None = None

    def occurrences(self, identifier: str) -> dict[str, str]:
        """Return date -> id of each occurrence. `identifier` is the id of the series."""
        return {day: f"{identifier}~{day}" for day in self.dates}


def owner_of(identifier: str, held: Reservation | Series) -> str:
    """Return the owner of the reservation or series with this id."""
    return held.owner or identifier.partition("/")[0]


def owned_id(owner: str, name: str) -> str:
    """Return the id of a reservation that the page `user:OWNER` lists. `name` is the entry for the reservation on this
    page: the request id, or USER/REQUEST if somebody else made the reservation."""
    return name if "/" in name else f"{owner}/{name}"


def user_page(user: str) -> str:
    """Return the name of the page that lists a user's open reservations."""
    return f"user:{user}"


def reservation_page(identifier: str) -> str:
    """Return the name of the page of the reservation `USER/REQUEST`."""
    return f"reservation:{identifier}"


def encode_slots(slots: Iterable[tuple[int, int]]) -> str:
    """Return slots as text for writes and pages: START/END of eight digits each, separated by blanks. A slot is (start,
    end), in minutes since 1970."""
    return " ".join([f"{start:08}/{end:08}" for start, end in slots])


def decode_slots(text: str) -> list[tuple[int, int]]:
    """Return the slots of a text that `encode_slots` made."""
    return [(int(slot[:8]), int(slot[9:])) for slot in text.split()]


def decode_room(room: str, fields: Mapping[str, str]) -> list[Entry]:
    """Return the entries of one page of this room, in time order."""
    return [_entry(room, start, fields[start]) for start in sorted(fields)]


def decode_days(room: str, days: Iterable[Mapping[str, str]]) -> list[Entry]:
    """Return the entries of several days of this room, in time order. An entry that crosses midnight is included
    once."""
    return decode_room(room, {start: value for fields in days for start, value in fields.items()})


def decode_reservation(fields: Mapping[str, str]) -> Reservation | None:
    """Return the reservation that a page holds; None if the page is empty or holds a series."""
    state, _, detail = fields.get("state", "series").partition(" ")
    if state == "series":
        return None
    room, slots, purpose = fields["asked"].split("\t", 2)
    reason, why = detail if state == "rejected" else None, None
    if state == "cancelled" and detail:
        who, _, text = detail.partition("\t")
        reason, why = state, (who, text)
    slot = decode_detail(detail) if state == "reserved" else None
    return Reservation(
        state=state,
        slot=slot,
        asked=tuple(RoomSlot(room, *slot) for slot in decode_slots(slots)),
        reason=reason,
        why=why,
        purpose=purpose,
        series=fields.get("series"),
        pages_beyond=tuple(fields["pages"].split("\n")) if "pages" in fields else (),
        local=_local_times(slot, fields["local"]) if slot and "local" in fields else None,
        changed_by=_request_ids(fields),
        owner=fields.get("owner"),
    )


def decode_series(fields: Mapping[str, str]) -> Series | None:
    """Return the series that a page holds; None if it holds no series."""
    if fields.get("state") != "series":
        return None
    return Series(
        rule=fields["rule"],
        zone=fields["zone"],
        excluded=tuple(fields["except"].split()),
        wanted=fields["wanted"],
        dates=tuple(fields["dates"].split()),
        requests=_request_ids(fields),
        owner=fields.get("owner"),
    )


def remembered_as(identifier: str, user: str, request: str) -> str:
    """Return the name under which a page remembers a request. The page belongs to the reservation or series
    `identifier`. The name is the request id if the user also made the reservation or series. Otherwise, the name is
    USER/REQUEST. `remembered_as` in lua/requests.lua gives the same name."""
    return request if user == identifier.partition("/")[0] else f"{user}/{request}"


def _request_ids(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Return the last requests that changed a reservation or series, as `remembered_as` names them. The field
    `requests` also has what each request asked for. The result leaves this out."""
    return tuple(request.partition("=")[0] for request in fields.get("requests", "").split(" ") if request)


def in_parts(names: Iterable[str]) -> Iterator[list[str]]:
    """Yield the names in lists of at most PAGES_AT_ONCE."""
    rest = iter(names)
    while part := list(islice(rest, PAGES_AT_ONCE)):
        yield part


def is_final(views: PageViews) -> bool:
    """Return whether a reservation is final. A reservation is final if both views of its page are equal."""
    return dict(views.tentative) == dict(views.committed)


def decode_detail(detail: str) -> RoomSlot | None:
    """Return the slot in the detail of an outcome. Return None if the form of the detail is not `START8/END8 ROOM`."""
    slot, _, room = detail.partition(" ")
    return RoomSlot(room, *decode_slots(slot)[0]) if room and "/" in slot else None


def _local_times(slot: RoomSlot, text: str) -> LocalTimes | None:
    start, offsets, *zone = text.split(" ")
    if int(start) != slot.start:
        return None  # a write of version 1 has moved the reservation since
    at_start, _, at_end = offsets.partition("/")
    return LocalTimes(zone[0] if zone else None, int(at_start), int(at_end or at_start))


def encode_detail(slot: RoomSlot) -> str:
    """Return a slot as the detail of an outcome, in the form that `decode_detail` reads."""
    return f"{encode_slots([(slot.start, slot.end)])} {slot.room}"


def _entry(room: str, start: str, value: str) -> Entry:
    end, people, request, purpose, *together = value.split("\t", 4)
    user, _, owner = people.partition(" ")
    slot = RoomSlot(together[0] if together else room, int(start), int(end))
    return Entry(slot, user, request, purpose, owner or user)
