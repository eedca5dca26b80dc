"""Random requests on busy days, played in any order. The tests check invariants 3 (the same log gives the same state),
8 (no reservations overlap) and 13 (a request gives at most one reservation) of docs/design.md."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rooms.pages import decode_reservation, decode_room
from apps.rooms.times import DAY_MIN, MINUTE_END
from bayou.write import Draft
from tests.support.rooms_harness import FakeService, Lua, Pages, client_of, stamped

ROOMS = ["6.12", "6.13", "6.14", "7.01"]
WANTED = ["6.12", "6.13", "6.12+6.13", "6.13+6.12+6.14"]
USERS = ["vish", "neil"]
FIRST_MINUTE = 20788 * DAY_MIN  # 2026-12-01


def iso(minute: int) -> str:
    day, rest = divmod(minute, DAY_MIN)
    return f"2026-12-{day - 20787:02}T{rest // 60:02}:{rest % 60:02}Z"


@st.composite
def slot_lists(draw: st.DrawFn) -> list[dict[str, str]]:
    slots = []
    for _ in range(draw(st.integers(1, 3))):
        start = FIRST_MINUTE + 20 * 60 + 30 * draw(st.integers(0, 15))  # from 20:00, over midnight, to 03:30
        slots.append({"start": iso(start), "end": iso(start + 30 * draw(st.integers(1, 6)))})
    return slots


merges = st.sampled_from(["first_free_alternative", "nearest_free_time", "another_room", "give_up"])
names = st.sampled_from(["a", "b", "c", "d"])
requests: st.SearchStrategy[Any] = st.one_of(
    st.tuples(st.just("POST"), st.sampled_from(WANTED), names, slot_lists(), merges),
    st.tuples(st.just("PATCH"), st.sampled_from(WANTED), names, slot_lists(), merges),
    st.tuples(st.just("DELETE"), st.just(""), names, st.just([]), st.just("")),
)
histories = st.lists(st.tuples(st.sampled_from(USERS), requests, st.booleans()), min_size=1, max_size=14)


def send(service: FakeService, user: str, asked: Any) -> int:
    method, room, name, slots, merge = asked
    client, headers = client_of(service), {"Bayou-User": user}
    path, body = f"/reservations/{user}/{name}", {"room": room, "slots": slots, "merge": merge}
    if method == "DELETE":
        answer = client.delete(path, headers=headers)
    elif method == "POST":
        answer = client.post("/reservations", json={**body, "request": name}, headers=headers)
    else:
        answer = client.patch(path, json=body, headers=headers)
    return int(answer.status_code)


def assert_sound(pages: Pages) -> None:
    """Check that no reservations overlap in a room, and that the pages of rooms and of reservations agree."""
    standing = set()
    for page, fields in pages.items():
        if not page.startswith("room:"):
            continue
        room = page.removeprefix("room:").partition("/")[0]
        entries = decode_room(room, fields)
        for earlier, later in pairwise(entries):
            assert earlier.slot.end <= later.slot.start, f"{earlier} and {later} overlap"
        standing |= {(entry.id, entry.slot, page) for entry in entries}
    expected = set()
    for page, fields in pages.items():
        held = decode_reservation(fields) if page.startswith("reservation:") else None
        if held and held.slot:
            assert set(held.slot.pages) <= set(held.room_pages), "a cancel would miss a page"
            identifier = page.removeprefix("reservation:")
            expected |= {(identifier, held.slot, room_page) for room_page in held.slot.pages}
    assert standing == expected


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(history=histories, order=st.randoms(use_true_random=False))
def test_no_two_reservations_overlap_and_play_is_deterministic(lua: Lua, history: Any, order: Any) -> None:
    service = FakeService(lua, rooms=ROOMS)
    log = []
    for user, asked, elsewhere in history:
        if elsewhere:  # as if at a replica that has heard of nothing yet
            log += service.log
            service = FakeService(lua, rooms=ROOMS)
        assert send(service, user, asked) in {200, 201, 404, 409}
        assert_sound(service.tentative)
    log += service.log
    order.shuffle(log)
    outcomes = service.replay(log)
    assert "failed" not in {outcome.split(" ")[0] for outcome in outcomes}
    assert_sound(service.tentative)
    once = service.tentative
    assert service.replay(log) == outcomes
    assert service.tentative == once


@settings(max_examples=150, deadline=None)
@given(day=st.integers(0, MINUTE_END // DAY_MIN - 1))
def test_lua_and_python_give_the_page_of_a_day_one_name(lua: Lua, day: int) -> None:
    page = f"room:6.12/{date(1970, 1, 1) + timedelta(days=day)}"
    draft = Draft(
        app="rooms/1",
        op="reserve",
        check="first_choice_free",
        merge="give_up",
        args={"room": "6.12", "slots": f"{day * DAY_MIN:08}/{(day + 1) * DAY_MIN:08}", "purpose": ""},
        pages=("reservation:vish/a", page),
        user="vish",
        request="a",
        accepted_at="2026-11-30T12:00:00+00:00",
    )
    pages: Pages = {}
    assert lua.play(stamped(draft, 1), pages)[0].startswith("updated"), lua.why
    assert page in pages
