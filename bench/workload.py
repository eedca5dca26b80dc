"""Makes the writes that the rows of the benchmark use. The writes are room reservations, in the form that peers send.

Nothing is random, so every run does the same work.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bayou.payloads import Item, Selection
from bayou.write import Draft, Write
from storage.store import Store

BATCH = 500
ROOMS = [f"{floor}.{number:02}" for floor in range(1, 5) for number in range(1, 11)]
FIRST_DAY = datetime(2026, 12, 1, tzinfo=UTC)
FIRST_STAMP = 1_764_550_000_000_000
STAMP_STEP_US = 10
SLOT_MIN = 50
BLOCKS = 8  # in a room on a day; a block of two and a half hours has three slots
ZONE = ZoneInfo("Europe/Brussels")

# Of `spread`:
MANY_ROOMS = [f"{floor}.{number:02}" for floor in range(1, 11) for number in range(1, 11)]
FIRST_MONDAY = datetime(2026, 11, 30, 8, tzinfo=ZONE)
WORKING_DAYS, WORKING_HOURS = 5, 8  # of a week, of a day
MANY_USERS = 5000


def conflicting(count: int, origin: str, *, first: int = 0) -> list[Item]:
    """Make writes with three slots each, in the order of preference. For every second write, the first slot is already
    taken, so the write gets the second slot."""
    return _chain([(number // 2, 0, 3) for number in range(first, first + count)], origin, first)


def undisputed(count: int, origin: str, *, first: int = 0) -> list[Item]:
    """Make writes with one free slot each. Three consecutive writes reserve neighbouring slots of one room."""
    return _chain([(number // 3, number % 3, 1) for number in range(first, first + count)], origin, first)


def spread(count: int, origin: str, *, first: int = 0) -> list[Item]:
    """Make writes for hours from 8:00 to 16:00 of working days in all MANY_ROOMS, week after week. `desk` makes every
    tenth write, and 4,500 other users share the rest equally."""
    members = []
    for number in range(first, first + count):
        row, room = divmod(number, len(MANY_ROOMS))
        day, hour = divmod(row, WORKING_HOURS)
        week, weekday = divmod(day, WORKING_DAYS)
        begin = FIRST_MONDAY + timedelta(weeks=week, days=weekday, hours=hour)  # in local time, whatever its offset
        start = _minute(begin)
        user = f"user-{number % MANY_USERS:04}" if number % 10 else "desk"
        members.append(_reserve(user, f"meeting-{number}", MANY_ROOMS[room], [[start, start + 60]]))
        members[-1]["args"]["offsets"] = str((begin.utcoffset() or timedelta()) // timedelta(minutes=1))
    prev = FIRST_STAMP + (first - 1) * STAMP_STEP_US if first else 0
    return link(members, origin, FIRST_STAMP + first * STAMP_STEP_US, prev)


def in_one_room(count: int, origin: str, stamp: int, *, minutes: int = 1) -> list[Item]:
    """Make writes that all declare the same page: one room on one day. Each write reserves a slot of `minutes`,
    directly after the slot of the previous write."""
    start = _minute(FIRST_DAY + timedelta(days=3000))
    slots = [[[start + number * minutes, start + (number + 1) * minutes]] for number in range(count)]
    return link(
        [_reserve("near", f"near-{number}", ROOMS[0], slot) for number, slot in enumerate(slots)], origin, stamp
    )


def long_writes(count: int, origin: str, stamp: int, size_bytes: int, prev: int = 0, first: int = 0) -> list[Item]:
    """Make writes that do not conflict. Each write has a long purpose, so that its size is about `size_bytes`."""
    short = len(undisputed(1, origin)[0].body)
    items = []
    for number in range(first, first + count):
        start = _minute(FIRST_DAY + timedelta(days=1000 + number % 20_000))
        given = _reserve("desk", f"long-{number}", ROOMS[0], [[start, start + 60]])
        given["args"]["purpose"] = "x" * max(size_bytes - short, 0)
        items.append(given)
    return link(items, origin, stamp, prev)


def draft_in_one_room(number: int) -> Draft:
    """Return a client's request for one hour in ROOMS[0], with the next two hours as alternatives. The first hour
    starts `number` times 30 minutes after FIRST_DAY, so requests with consecutive numbers overlap."""
    start = _minute(FIRST_DAY) + number * 30
    return Draft(
        **_reserve(
            "desk", f"request-{number}", ROOMS[0], [[start + 60 * later, start + 60 * later + 60] for later in range(3)]
        )
    )


def alone(number: int, origin: str, stamp: int, prev: int) -> Item:
    """Make a write on a page that no other write of a run declares."""
    start = _minute(FIRST_DAY + timedelta(days=4000 + number))
    return link([_reserve("far", f"far-{number}", ROOMS[1], [[start, start + 60]])], origin, stamp, prev)[0]


def _chain(wanted_slots: Sequence[tuple[int, int, int]], origin: str, first: int) -> list[Item]:
    members = []
    for number, (block, slot, slots) in enumerate(wanted_slots, first):
        row, room = divmod(block, len(ROOMS))
        day, hour = divmod(row, BLOCKS)
        start = _minute(FIRST_DAY + timedelta(days=day)) + 3 * SLOT_MIN * hour
        begins = [start + SLOT_MIN * (slot + preference) for preference in range(slots)]
        wanted = [[begin, begin + SLOT_MIN] for begin in begins]
        members.append(_reserve("desk", f"seminar-{number}", ROOMS[room], wanted))
    prev = FIRST_STAMP + (first - 1) * STAMP_STEP_US if first else 0
    return link(members, origin, FIRST_STAMP + first * STAMP_STEP_US, prev)


def link(members: Sequence[dict[str, Any]], origin: str, stamp: int, prev: int = 0) -> list[Item]:
    """Make consecutive writes of one origin. Each of `members` has the fields of one write. `stamp` is the stamp of the
    first write. `prev` is the stamp of the origin's previous write."""
    items = []
    for given in members:
        accepted_at = datetime.fromtimestamp(stamp / 1_000_000, UTC).isoformat(timespec="milliseconds")
        write = Write(stamp=stamp, prev=prev, origin=origin, **given | {"accepted_at": accepted_at})
        items.append(Item(write.id, None, write.encode()))
        prev, stamp = stamp, stamp + STAMP_STEP_US
    return items


def _reserve(user: str, request: str, room: str, slots: list[list[int]]) -> dict[str, Any]:
    return {
        "app": "rooms/2",
        "op": "reserve",
        "check": "first_choice_free",
        "merge": "first_free_alternative",
        "args": {
            "purpose": "Seminar",
            "room": room,
            "slots": " ".join(f"{start:08}/{stop:08}" for start, stop in slots),
            "zone": "Europe/Brussels",
            "offsets": "60",
        },
        "pages": (f"reservation:{user}/{request}", f"room:{room}/{_day(slots[0][0])}"),
        "user": user,
        "request": request,
        "accepted_at": FIRST_DAY.isoformat(timespec="milliseconds"),
    }


def batches(items: Sequence[Item]) -> Iterator[Selection]:
    for first in range(0, len(items), BATCH):
        yield Selection(0, "", tuple(items[first : first + BATCH]))


def take(store: Store, items: Sequence[Item]) -> None:
    """Let a replica receive all items, in batches."""
    for selection in batches(items):
        rest = selection
        while rest.items:
            received = store.receive(rest, "peer")
            assert received.status in {"taken", "more"}, received
            rest = rest.after(received.taken)


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


def _day(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).date().isoformat()
