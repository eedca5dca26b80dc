"""Reservations of several rooms at once: they are granted, moved and freed in all of their rooms, or in none."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from apps.rooms.pages import RoomSlot, decode_room
from apps.rooms.policies import Policies
from apps.rooms.settings import PolicySettings, RoomSettings
from tests.apps.test_rooms_merges import Building, told
from tests.support.rooms_harness import FakeService, Lua, client_of

BOTH = "6.12+6.13"
DAY = "2026-12-01"


@pytest.fixture
def building(lua: Lua) -> Building:
    return Building(lua)


def held_in(building: Building, room: str) -> list[str]:
    """Return the request ids of the reservations on the page of one room, in time order."""
    page = building.service.tentative.get(f"room:{room}/{DAY}", {})
    return [entry.request for entry in decode_room(room, page)]


def test_both_rooms_are_reserved_or_none(building: Building) -> None:
    assert building.reserve("vish/a", "09:00/10:00", room=BOTH) == f"{BOTH} 09:00/10:00 tentative"
    assert building.reserve("neil/b", "09:30/10:30", room="6.13") == "slot_taken"
    assert building.reserve("neil/c", "09:30/10:30", room="6.12") == "slot_taken"
    assert building.reserve("neil/d", "09:30/10:30", room="7.01") == "7.01 09:30/10:30 tentative"
    assert building.reserve("vish/e", "10:00/11:00", room="6.13+7.01") == "slot_taken", "7.01 is taken until 10:30"
    assert held_in(building, "6.13") == ["a"]
    assert building.reserve("vish/f", "10:30/11:00", room="6.13+7.01") == "6.13+7.01 10:30/11:00 tentative"


def test_the_refusal_names_each_reservation_in_the_way_once_and_when_all_rooms_are_free(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", room=BOTH)
    building.reserve("neil/b", "10:00/11:00", room="6.13")
    body = {"room": BOTH, "slots": [building.slot("09:00/10:30")]}
    code, answer = building.ask("POST", "/reservations", "priyal", body)
    error = answer["error"]
    assert (code, error["code"]) == (409, "slot_taken")
    assert f"vish has {BOTH} {DAY} 09:00 to 10:00, neil has 6.13 {DAY} 10:00 to 11:00." in error["message"]
    assert f"The next free slot in {BOTH} is {DAY} 11:00 to 12:30." in error["message"]
    assert [(one["id"], one["room"]) for one in error["details"]["taken"]] == [("vish/a", BOTH), ("neil/b", "6.13")]


def test_an_alternative_must_be_free_in_all_rooms(building: Building) -> None:
    building.reserve("neil/a", "09:00/10:00", room="6.13")
    building.reserve("neil/b", "11:00/12:00", room="6.12")
    said = building.reserve("vish/c", "09:00/10:00", "11:00/12:00", "14:00/15:00", room=BOTH)
    assert said == f"{BOTH} 14:00/15:00 tentative"


@pytest.mark.parametrize(
    ("window_min", "found"),
    [
        (60, None),  # 08:00 is taken in 6.13, and 10:00 in 6.12
        (120, "11:00/12:00"),
        (240, "11:00/12:00"),
    ],
)
def test_nearest_free_time_is_free_in_all_rooms(building: Building, window_min: int, found: str | None) -> None:
    building.reserve("neil/a", "09:00/11:00", room="6.12")
    building.reserve("neil/b", "06:30/09:00", room="6.13")
    merge = {"name": "nearest_free_time", "window_min": window_min}
    said = building.reserve("vish/c", "09:00/10:00", room=BOTH, merge=merge)
    assert said == (f"{BOTH} {found} tentative" if found else "slot_taken")


def test_another_room_replaces_only_the_rooms_that_are_taken(building: Building) -> None:
    building.reserve("neil/a", "09:00/10:00", room="6.13")
    merge = {"name": "another_room", "rooms": ["6.12", "7.01"]}
    assert building.reserve("vish/b", "09:00/10:00", room=BOTH, merge=merge) == "6.12+7.01 09:00/10:00 tentative"
    assert building.reserve("vish/c", "09:30/10:30", room=BOTH, merge=merge) == "slot_taken", "no two rooms are free"
    assert building.reserve("vish/d", "10:00/11:00", room=BOTH, merge=merge) == f"{BOTH} 10:00/11:00 tentative"
    assert held_in(building, "7.01") == ["b"]


def test_another_room_of_the_configuration_is_none_of_the_rooms_asked_for(building: Building) -> None:
    building.reserve("neil/a", "09:00/10:00", room="6.12")
    said = building.reserve("vish/b", "09:00/10:00", room=BOTH, merge="another_room")
    assert said == "7.01+6.13 09:00/10:00 tentative"
    said = building.reserve("vish/c", "11:00/12:00", room="6.12+6.13+7.01", merge="another_room")
    assert said == "bad_input", "there is no other room"


def test_a_move_leaves_all_rooms_and_may_give_up_or_add_one(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", room=BOTH)
    assert building.move("vish/a", "09:30/10:30") == f"{BOTH} 09:30/10:30 tentative", "it overlaps only itself"
    assert building.move("vish/a", "09:30/10:30", room="6.13+7.01") == "6.13+7.01 09:30/10:30 tentative"
    assert [held_in(building, room) for room in ("6.12", "6.13", "7.01")] == [[], ["a"], ["a"]]
    assert building.move("vish/a", "09:30/10:30", room="6.12") == "6.12 09:30/10:30 tentative"
    assert [held_in(building, room) for room in ("6.12", "6.13", "7.01")] == [["a"], [], []]
    building.reserve("neil/b", "09:00/12:00", room="7.01")
    assert building.move("vish/a", "11:00/12:00", room="6.12+7.01") == "slot_taken"
    assert building.status("vish/a") == "6.12 09:30/10:30 tentative"


def test_a_cancel_frees_all_rooms_and_an_edit_reaches_them(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", room=BOTH, purpose="tea")
    building.ask("PATCH", "/reservations/vish/a", "vish", {"purpose": "talk"})
    for room in BOTH.split("+"):
        (entry,) = decode_room(room, building.service.tentative[f"room:{room}/{DAY}"])
        assert (entry.slot.room, entry.purpose) == (BOTH, "talk")
    assert building.cancel("vish/a") == "- cancelled"
    assert [held_in(building, room) for room in BOTH.split("+")] == [[], []]
    assert building.reserve("neil/b", "09:00/10:00", room="6.13") == "6.13 09:00/10:00 tentative"


def test_an_earlier_write_in_one_of_the_rooms_displaces_the_whole_reservation(building: Building) -> None:
    building.reserve("neil/b", "09:30/10:30", room="6.13")
    building.service.tentative = {}
    building.reserve("vish/a", "09:00/10:00", "14:00/15:00", room=BOTH)
    other, both = building.service.log
    assert building.service.replay([both, other]) == [f"updated 29935260/29935320 {BOTH}", "rejected no_alternative"]
    assert building.service.replay([other, both])[1] == f"merged 29935560/29935620 {BOTH}"
    assert held_in(building, "6.12") == ["a"]
    again = building.service.tentative
    assert building.service.replay([other, both, replace(both, stamp=both.stamp + 9)])[2] == "duplicate"
    assert building.service.tentative == again


def test_a_cancel_declares_the_pages_of_all_rooms(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", room=BOTH)
    building.cancel("vish/a")
    pages = ("reservation:vish/a", f"room:6.12/{DAY}", f"room:6.13/{DAY}")
    assert [write.pages for write in building.service.log] == [pages, pages]


def test_the_calendar_of_each_room_shows_one_reservation_of_both_rooms(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", room=BOTH)
    building.reserve("vish/b", "10:00/11:00")
    for room, requests in (("6.12", ["a", "b"]), ("6.13", ["a"]), ("7.01", [])):
        query = f"from={DAY}T00:00Z&to=2026-12-02T00:00Z"
        _, shown = building.ask("GET", f"/rooms/{room}/calendar?{query}", "vish")
        assert [one["request"] for one in shown["reservations"]] == requests
        assert [one.get("room") for one in shown["reservations"]] == [BOTH, None][: len(requests)]
    free = f"/rooms/free?from={DAY}T09:30Z&to={DAY}T09:45Z"
    assert [room["name"] for room in building.ask("GET", free, "vish")[1]["rooms"]] == ["7.01"]
    assert [room["name"] for room in building.ask("GET", "/rooms", "vish")[1]["rooms"]] == ["6.12", "6.13", "7.01"]


def test_new_rooms_are_listed_one_by_one(building: Building) -> None:
    assert building.reserve("vish/a", "09:00/10:00", room="6.12+8.01+8.02") == "room_unknown"
    said = building.reserve("vish/a", "09:00/10:00", room="6.12+8.01+8.02", new_room=True)
    assert said == "6.12+8.01+8.02 09:00/10:00 tentative"
    rooms = building.ask("GET", "/rooms", "vish")[1]["rooms"]
    assert [room["name"] for room in rooms] == ["6.12", "6.13", "7.01", "8.01", "8.02"]


@pytest.mark.parametrize(
    ("room", "said"),
    [
        ("6.12+6.12", "names a room twice; name it once"),
        ("6.12+", "cannot be used"),
        ("6.12 + 6.13", "does not begin or end with a blank"),
        ("+".join(f"r{number}" for number in range(11)), "names 11 rooms; at most 10 can be reserved together"),
    ],
)
def test_rooms_that_cannot_be_reserved_together(building: Building, room: str, said: str) -> None:
    body = {"room": room, "slots": [building.slot("09:00/10:00")], "new_room": True}
    code, answer = building.ask("POST", "/reservations", "vish", body)
    assert (code, answer["error"]["details"]["field"]) == (400, "room")
    assert said in answer["error"]["message"]
    once = "+".join(dict.fromkeys(name.strip() for name in room.split("+") if name.strip()))
    body["room"] = "+".join(once.split("+")[:10])
    assert building.ask("POST", "/reservations", "vish", body)[0] == 201, "the cure"


def test_a_room_of_the_configuration_has_no_plus_in_its_name() -> None:
    with pytest.raises(ValueError, match=r"give a name without / or \+"):
        RoomSettings(name="Lab+")


def test_the_same_request_again_is_one_reservation_and_other_rooms_are_refused(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", room=BOTH)
    assert building.reserve("vish/a", "09:00/10:00", room=BOTH) == f"{BOTH} 09:00/10:00 tentative"
    assert building.reserve("vish/a", "09:00/10:00", room="6.12") == "request_differs"


def test_policies_hold_for_each_room(lua: Lua) -> None:
    rooms = (
        RoomSettings(name="6.12", opens="08:00", closes="20:00"),  # type: ignore[arg-type]
        RoomSettings(name="6.13", opens="10:00", closes="18:00", closed=["wednesday"]),  # type: ignore[arg-type]
        RoomSettings(name="7.01"),
    )
    building = Building(lua)
    building.service = FakeService(lua, rooms=rooms, policies=PolicySettings(open_reservations=1))
    building.client = client_of(building.service)

    def refusal(slot: str, room: str = BOTH, **more: Any) -> Any:
        body = {"room": room, "slots": [building.slot(slot)], **more}
        error = building.ask("POST", "/reservations", "vish", body)[1]["error"]
        return error["details"]["rule"], error["details"]["room"]

    assert refusal("09:00/10:30") == ("opening_hours", "6.13")
    assert refusal("2026-12-02 11:00/12:00") == ("closed", "6.13")
    building.reserve("neil/n", "10:00/11:00", room="6.12")
    nearest = {"name": "nearest_free_time", "window_min": 600}
    assert building.reserve("vish/a", "10:30/11:30", room=BOTH, merge=nearest) == f"{BOTH} 11:00/12:00 tentative"
    assert refusal("14:00/15:00") == ("open_reservations", None), "both rooms count as one reservation"
    assert building.move("vish/a", "17:00/18:00") == f"{BOTH} 17:00/18:00 tentative"
    assert building.move("vish/a", "17:00/18:30") == "policy"


def test_the_nearest_time_is_within_the_opening_hours_that_all_rooms_share() -> None:
    policies = Policies(hours={"6.12": (480, 1200), "6.13": (600, 1080)})
    midnight, zone = 20788 * 1440, ZoneInfo("UTC")
    wanted = RoomSlot(BOTH, midnight + 660, midnight + 720)
    assert policies.bounds(wanted, 0, zone) == (midnight + 600, midnight + 1080)
    assert policies.opening(BOTH, date(2026, 12, 1), zone) == midnight + 600


def test_a_series_of_several_rooms(building: Building) -> None:
    building.reserve("neil/n", "2026-12-02 09:00/10:00", room="6.13")
    body = {"room": BOTH, "slots": [building.slot("09:00/10:00")], "request": "s", "rule": "FREQ=DAILY;COUNT=3"}
    code, answer = building.ask("POST", "/reservations", "vish", body)
    assert code == 201
    assert [told(201, one) for one in answer["series"]["reservations"]] == [
        f"{BOTH} 09:00/10:00 tentative",
        "- rejected no_alternative",
        f"{BOTH} 09:00/10:00 tentative",
    ]
    move = {"slots": [building.slot("11:00/12:00")], "room": "6.12+7.01"}
    code, answer = building.ask("PATCH", "/series/vish/s", "vish", move)
    assert {told(200, one) for one in answer["series"]["reservations"]} == {"6.12+7.01 11:00/12:00 tentative"}
    assert [held_in(building, room) for room in ("6.12", "6.13", "7.01")] == [["s~2026-12-01"], [], ["s~2026-12-01"]]
    code, answer = building.ask("DELETE", "/series/vish/s", "vish")
    assert code == 200
    assert [held_in(building, room) for room in ("6.12", "7.01")] == [[], []]
