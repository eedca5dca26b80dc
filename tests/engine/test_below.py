"""Tests of `pages.below`, which returns the greatest field name of a page that is less than a given text. Names are
compared bytewise. Some tests call `below` with the operation `search` of the toy application. Other tests reserve rooms
on days with many reservations, because a reservation calls `below`."""

from __future__ import annotations

import random

import pytest

from apps import APPLICATIONS
from bayou.write import Draft
from storage.store import Store
from tests.support.engine_harness import FIRST_US, Cluster, Replica, meet
from tests.support.toy import draft

DAY_MIN = 29_766_240  # 2026-08-06 00:00 UTC, in minutes
DAY = "2026-08-06"
QUARTERS = [(DAY_MIN + start, DAY_MIN + start + 15) for start in range(0, 1440, 15)]

Step = tuple[str, str]


def search(replica: Replica, request: str, steps: list[Step]) -> list[str]:
    accepted = replica.put(draft("search", request, ["p"], steps=[list(step) for step in steps]))
    status, _, found = accepted.outcome.partition(" ")
    assert status == "updated"
    return found.split(",") if found else []


def expected(fields: set[str], steps: list[Step]) -> list[str]:
    """Apply the steps to a Python set of fields. Return the expected result of each step `below`. Python compares texts
    by code points. UTF-8 bytes have the same order."""
    found = []
    for how, text in steps:
        if how == "below":
            found.append(max((field for field in fields if field < text), default="-"))
        elif how == "set":
            fields.add(text)
        else:
            fields.discard(text)
    return found


TIMES = [f"{number:08d}" for number in (0, 9, 10, 99, 12_345_678, 29_766_240, 29_766_255, 99_999_999)]
ODD = [
    "0",
    "1",
    "00000009x",
    "0x000010",
    " 1234567",
    "1234567 ",
    "1e000005",
    "-0000001",
    "1.000000",
    "zebra",
    "Z",
    "é",
    "\u20ac",
]


@pytest.mark.parametrize("names", [TIMES, ODD, TIMES + ODD], ids=["times", "odd", "mixed"])
def test_below_is_bytewise_on_a_page_that_changes(names: list[str]) -> None:
    primary, other, _ = Cluster()
    fields: dict[Replica, set[str]] = {primary: set(), other: set()}
    chance = random.Random(len(names))
    for number in range(4):
        steps = [(chance.choice(["below", "below", "set", "set", "delete"]), chance.choice(names)) for _ in range(80)]
        for replica in (primary, other):  # on the committed page, and on a tentative copy
            assert search(replica, f"{replica.label} {number}", steps) == expected(fields[replica], steps)


def test_below_reads_the_tentative_copy_of_a_committed_page() -> None:
    primary, other, _ = Cluster()
    search(primary, "a", [("set", "00000010"), ("set", "00000030")])
    meet(other, primary)
    ask = [("below", text) for text in ("00000010", "00000011", "00000030", "00000031")]
    assert search(other, "b", ask) == ["-", "00000010", "00000010", "00000030"]
    assert search(other, "c", [("set", "00000020"), ("delete", "00000030"), *ask]) == [
        "-",
        "00000010",
        *["00000020"] * 2,
    ]
    assert search(other, "d", ask) == ["-", "00000010", *["00000020"] * 2], "read from Redis"
    assert search(primary, "e", ask) == ["-", "00000010", "00000010", "00000030"]


class Room:
    """One room on one day, in a new store. If `primary` is true, the store commits each write at once. Otherwise all
    writes stay tentative."""

    def __init__(self, *, primary: bool) -> None:
        self._store, self._now_us = Store(Cluster(0).client, "below", APPLICATIONS), FIRST_US
        self._store.begin(server="below~aaaaaa", cluster="test", first_primary=primary)

    def reserve(self, start: int, stop: int) -> str:
        """Reserve the room from `start` to `stop`, without alternatives. Return `updated` or `rejected`."""
        self._now_us += 1000
        request = f"r{self._now_us}"
        wanted = Draft(
            app="rooms/1",
            op="reserve",
            check="first_choice_free",
            merge="give_up",
            args={"purpose": "x", "room": "6.12", "slots": f"{start:08}/{stop:08}"},
            pages=(f"reservation:vish/{request}", f"room:6.12/{DAY}"),
            user="vish",
            request=request,
            accepted_at="2026-08-01T00:00:00.000Z",
        )
        return self._store.accept(wanted, self._now_us).outcome.split()[0]


@pytest.fixture(params=[True, False], ids=["committed", "tentative"])
def room(request: pytest.FixtureRequest) -> Room:
    return Room(primary=request.param)


def test_a_slot_may_touch_others_but_not_overlap_them(room: Room) -> None:
    taken = QUARTERS[:40] + QUARTERS[41:80]
    random.Random(1).shuffle(taken)
    assert [room.reserve(*slot) for slot in taken] == ["updated"] * len(taken)
    last, gap = QUARTERS[79], QUARTERS[40]
    for start, stop in (
        QUARTERS[0],
        QUARTERS[39],
        last,
        (DAY_MIN, DAY_MIN + 1),
        (DAY_MIN, DAY_MIN + 1440),
        (gap[0] - 1, gap[1]),
        (gap[0], gap[1] + 1),
        (gap[0] - 1, gap[1] + 1),
        (last[1] - 1, last[1] + 1),
    ):
        assert room.reserve(start, stop) == "rejected", (start - DAY_MIN, stop - DAY_MIN)
    assert room.reserve(*gap) == "updated", "it touches both neighbours"
    assert room.reserve(*gap) == "rejected"
    assert room.reserve(last[1], last[1] + 15) == "updated", "right after the last one"
    assert room.reserve(last[1] + 14, last[1] + 30) == "rejected"
    assert room.reserve(last[1] + 30, last[1] + 45) == "updated", "after the last one, with a pause"
    assert room.reserve(last[1] + 15, last[1] + 30) == "updated", "the pause"
    assert room.reserve(last[1] + 45, DAY_MIN + 1440) == "updated", "up to midnight"
    assert room.reserve(DAY_MIN + 1439, DAY_MIN + 1440) == "rejected"


def test_a_reservation_of_a_whole_day_leaves_no_slot(room: Room) -> None:
    assert room.reserve(DAY_MIN, DAY_MIN + 1440) == "updated"
    assert {room.reserve(*slot) for slot in (QUARTERS[0], QUARTERS[50], QUARTERS[95])} == {"rejected"}
