"""The outcomes of a reservation when it is accepted, played again after other writes, moved, or cancelled.

Each time a write is played, the dependency check is evaluated. If the check fails, the merge procedure looks for
another slot (Terry 1995, section 4). These tests reorder the writes, as anti-entropy would.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.rooms.pages import decode_detail, decode_reservation
from tests.support.rooms_harness import FakeService, Lua, client_of


class Building:
    """A building with one replica. The methods send requests to that replica, and return short forms of the answers
    (see `told`).

    A slot is written `[DATE ]HH:MM/HH:MM`; the default date is 2026-12-01.
    """

    def __init__(self, lua: Lua, timezone: str = "UTC", offset: str = "+00:00") -> None:
        self.service = FakeService(lua, timezone)
        self.client = client_of(self.service)
        self.offset = offset

    def slot(self, text: str) -> dict[str, str]:
        date, _, ends = text.rpartition(" ")
        date = date or "2026-12-01"
        start, end = ends.split("/")
        return {"start": f"{date}T{start}{self.offset}", "end": f"{date}T{end}{self.offset}"}

    def ask(self, method: str, path: str, user: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
        answer = self.client.open(path, method=method, json=body, headers={"Bayou-User": user})
        return answer.status_code, answer.json

    def reserve(self, name: str, *slots: str, room: str = "6.12", **more: Any) -> str:
        user, _, request = name.partition("/")
        body = {"room": room, "slots": [self.slot(slot) for slot in slots], "request": request, **more}
        return told(*self.ask("POST", "/reservations", user, body))

    def move(self, name: str, *slots: str, user: str = "", **more: Any) -> str:
        body = {"slots": [self.slot(slot) for slot in slots], **more}
        return told(*self.ask("PATCH", f"/reservations/{name}", user or name.partition("/")[0], body))

    def cancel(self, name: str, user: str = "", request: str = "end") -> str:
        path = f"/reservations/{name}?request={request}"
        return told(*self.ask("DELETE", path, user or name.partition("/")[0]))

    def status(self, name: str) -> str:
        return told(*self.ask("GET", f"/reservations/{name}", "anybody"))


def told(code: int, answer: dict[str, Any]) -> str:
    """Return a short form of an answer: `ROOM HH:MM/HH:MM STATE`, or `- STATE REASON` if the reservation has no slot.
    For a refusal, return its code."""
    if code >= 400:
        return str(answer["error"]["code"])
    if answer["slot"] is None:
        return f"- {answer['state']}" + (f" {answer['reason']['code']}" if answer["reason"] else "")
    start, end = answer["slot"]["start"], answer["slot"]["end"]
    return f"{answer['room']} {start[11:16]}/{end[11:16]} {answer['state']}"


@pytest.fixture
def building(lua: Lua) -> Building:
    return Building(lua)


def test_the_first_choice_is_taken_when_it_is_free(building: Building) -> None:
    assert building.reserve("vish/a", "09:00/10:00", "14:00/15:00") == "6.12 09:00/10:00 tentative"


def test_slots_that_touch_do_not_conflict(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    assert building.reserve("neil/b", "10:00/11:00") == "6.12 10:00/11:00 tentative"
    assert building.reserve("neil/c", "08:00/09:00") == "6.12 08:00/09:00 tentative"


@pytest.mark.parametrize("slot", ["09:00/10:00", "08:00/09:01", "09:59/12:00", "09:20/09:40", "08:00/12:00"])
def test_any_common_minute_is_a_conflict(building: Building, slot: str) -> None:
    building.reserve("vish/a", "09:00/10:00")
    assert building.reserve("neil/b", slot) == "slot_taken"
    assert building.service.tentative.keys() == {"room:6.12/2026-12-01", "reservation:vish/a"}


@pytest.mark.parametrize(
    ("merge", "place"),
    [
        ("first_free_alternative", "6.12 14:00/15:00"),
        ({"name": "nearest_free_time", "window_min": 60}, "6.12 14:00/15:00"),
        ({"name": "another_room", "rooms": ["7.01"]}, "6.12 14:00/15:00"),
        ("give_up", None),
    ],
)
def test_the_other_slots_are_tried_before_the_merge_procedure_searches(
    building: Building, merge: Any, place: str | None
) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.reserve("vish/b", "12:00/13:00")
    said = building.reserve("neil/c", "09:30/10:30", "12:30/13:30", "14:00/15:00", "16:00/17:00", merge=merge)
    assert said == (f"{place} tentative" if place else "slot_taken")


@pytest.mark.parametrize(
    ("taken", "wanted", "window_min", "found"),
    [
        (["09:00/10:00"], "09:00/10:00", 60, "08:00/09:00"),  # both are equally near: the earlier one
        (["08:00/10:00"], "09:00/10:00", 60, "10:00/11:00"),
        (["08:59/10:00"], "09:00/10:00", 60, "10:00/11:00"),
        (["08:30/10:00"], "09:00/10:00", 59, None),  # an hour later is a minute too late
        (["09:30/10:30"], "09:00/10:00", 60, "08:30/09:30"),
        (["08:50/09:10", "10:15/12:00"], "09:00/10:00", 60, "09:10/10:10"),
        (["08:50/09:10", "10:05/12:00"], "09:00/10:00", 90, "07:50/08:50"),
        (["00:10/10:00"], "00:00/01:00", 600, "10:00/11:00"),
        (["00:30/23:00"], "12:00/12:30", 1440, "23:00/23:30"),
        (["00:30/23:00"], "11:00/11:30", 1440, "00:00/00:30"),
        (["03:00/04:00", "08:00/10:30"], "09:00/10:00", 60, None),  # time before the window does not extend it
        (["22:00/23:59"], "23:00/23:30", 60, None),  # the next day is another day
    ],
)
def test_nearest_free_time(
    building: Building, taken: list[str], wanted: str, window_min: int, found: str | None
) -> None:
    for number, slot in enumerate(taken):
        assert "tentative" in building.reserve(f"vish/{number}", slot)
    said = building.reserve("neil/x", wanted, merge={"name": "nearest_free_time", "window_min": window_min})
    assert said == (f"6.12 {found} tentative" if found else "slot_taken")


@pytest.mark.parametrize(
    ("date", "offset", "taken", "found"),
    [
        # 29 March 2026 ends at 22:00 UTC and 25 October at 23:00 UTC, though both begin with the other offset.
        ("2026-03-29", "+02:00", "20:00/23:00", "23:00/00:00"),
        ("2026-03-29", "+02:00", "20:00/23:01", "19:00/20:00"),
        ("2026-10-25", "+01:00", "20:00/23:00", "23:00/00:00"),
        ("2026-10-25", "+01:00", "20:00/23:01", "19:00/20:00"),
    ],
)
def test_nearest_free_time_stays_in_the_local_day_when_clocks_change(
    lua: Lua, date: str, offset: str, taken: str, found: str
) -> None:
    building = Building(lua, "Europe/Amsterdam", offset)
    building.reserve("vish/a", f"{date} {taken}")
    merge = {"name": "nearest_free_time", "window_min": 240}
    assert building.reserve("neil/b", f"{date} 22:00/23:00", merge=merge) == f"6.12 {found} tentative"


def test_nearest_free_time_beside_a_slot_over_utc_midnight(lua: Lua) -> None:
    building = Building(lua, "America/New_York", "-05:00")
    building.reserve("vish/a", "18:30/20:30")  # 23:30 to 01:30 UTC
    assert building.reserve("neil/b", "19:00/19:30", merge="nearest_free_time") == "6.12 18:00/18:30 tentative"
    assert building.reserve("neil/c", "20:00/20:30", merge="nearest_free_time") == "6.12 20:30/21:00 tentative"


def test_another_room_takes_the_first_free_room_that_is_named(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.reserve("vish/b", "09:00/10:00", room="7.01")
    merge = {"name": "another_room", "rooms": ["7.01", "6.13"]}
    assert building.reserve("neil/c", "09:30/10:30", merge=merge) == "6.13 09:30/10:30 tentative"
    assert building.reserve("neil/d", "09:30/10:30", merge=merge) == "slot_taken"
    assert building.reserve("neil/e", "10:00/11:00", merge="another_room") == "6.12 10:00/11:00 tentative"
    assert building.reserve("neil/f", "10:00/11:00", merge="another_room") == "7.01 10:00/11:00 tentative"


def test_a_slot_over_midnight_is_on_the_pages_of_both_days(building: Building) -> None:
    body = {
        "room": "6.12",
        "slots": [{"start": "2026-12-01T23:30Z", "end": "2026-12-02T00:30Z"}],
        "request": "night",
    }
    assert building.ask("POST", "/reservations", "vish", body)[0] == 201
    assert building.reserve("neil/b", "2026-12-02 00:00/00:15") == "slot_taken"
    assert building.reserve("neil/c", "2026-12-01 23:00/23:30") == "6.12 23:00/23:30 tentative"
    assert building.reserve("neil/d", "2026-12-02 00:30/01:00") == "6.12 00:30/01:00 tentative"
    building.service.commit()
    for view in ("tentative", "committed"):
        query = f"from=2026-12-01T00:00Z&to=2026-12-03T00:00Z&view={view}"
        _, shown = building.ask("GET", f"/rooms/6.12/calendar?{query}", "vish")
        assert [entry["request"] for entry in shown["reservations"]] == ["c", "night", "d"]
    building.cancel("vish/night")
    assert building.reserve("neil/b", "2026-12-02 00:00/00:15") == "6.12 00:00/00:15 tentative"


def test_an_earlier_write_displaces_a_later_one(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    first = building.service.log[0]
    building.service.tentative = {}
    building.reserve("neil/b", "09:30/10:30", "13:00/14:00")
    building.service.tentative = {}
    building.reserve("priyal/c", "09:45/10:15")
    _, second, third = building.service.log
    assert building.service.replay([third, first, second]) == [
        "updated 29935305/29935335 6.12",
        "rejected no_alternative",
        "merged 29935500/29935560 6.12",
    ]
    assert building.status("vish/a") == "- rejected no_alternative"
    assert building.service.replay([first, second, third])[2] == "rejected no_alternative"
    assert building.status("vish/a") == "6.12 09:00/10:00 tentative"


def test_one_request_accepted_by_two_replicas_is_one_reservation(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.service.tentative = {}
    building.reserve("vish/a", "11:00/12:00")
    assert building.service.replay(building.service.log) == ["updated 29935260/29935320 6.12", "differs"]
    first = building.service.log[0]
    assert building.service.replay([first, replace(first, stamp=9)]) == ["updated 29935260/29935320 6.12", "duplicate"]
    assert building.reserve("vish/a", "15:00/16:00") == "request_differs"
    assert building.status("vish/a") == "6.12 09:00/10:00 tentative"


def test_a_move_may_overlap_the_slot_that_it_leaves(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", purpose="tea")
    assert building.move("vish/a", "09:30/10:30") == "6.12 09:30/10:30 tentative"
    assert building.reserve("neil/b", "09:00/09:30") == "6.12 09:00/09:30 tentative"
    assert "vish\ta\ttea" in building.service.tentative["room:6.12/2026-12-01"]["29935290"]


def test_a_move_to_another_room_at_the_same_time_sees_who_is_there(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.reserve("neil/b", "09:00/10:00", room="6.13")
    assert building.move("vish/a", "09:00/10:00", room="6.13") == "slot_taken"
    assert building.move("vish/a", "09:00/10:00", room="7.01") == "7.01 09:00/10:00 tentative"
    assert building.move("vish/a", "11:00/12:00") == "7.01 11:00/12:00 tentative", "where it is, if no room is named"


def test_a_move_that_finds_nothing_free_leaves_the_reservation(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.reserve("neil/b", "11:00/12:00")
    before = {page: dict(fields) for page, fields in building.service.tentative.items()}
    assert building.move("vish/a", "11:30/12:30", "10:30/11:30") == "slot_taken"
    assert building.service.tentative == before


def test_a_move_that_becomes_impossible_leaves_the_reservation_where_it_was(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.move("vish/a", "11:00/12:00")
    made, moved = building.service.log
    building.service.tentative = {}
    building.reserve("neil/b", "11:30/12:30")
    other = building.service.log[2]
    assert building.service.replay([made, other, moved])[2] == "unmoved 29935260/29935320 6.12"
    assert building.status("vish/a") == "6.12 09:00/10:00 tentative"


def test_a_move_gives_a_rejected_reservation_a_slot_again(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.service.tentative = {}
    building.reserve("neil/b", "09:00/10:00")
    building.service.replay(building.service.log[::-1])
    assert building.status("vish/a") == "- rejected no_alternative"
    assert building.move("vish/a", "09:00/10:00") == "slot_taken"
    assert building.move("vish/a", "10:00/11:00") == "6.12 10:00/11:00 tentative"
    held = decode_reservation(building.service.tentative["reservation:vish/a"])
    assert held is not None
    assert (held.state, held.reason) == ("reserved", None)


def test_a_cancelled_reservation_cannot_be_changed(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    assert building.cancel("vish/a") == "- cancelled"
    assert building.cancel("vish/a") == "- cancelled", "the same request again"
    assert building.cancel("vish/a", request="again") == "cancelled"
    assert building.move("vish/a", "10:00/11:00") == "cancelled"
    assert building.reserve("vish/a", "09:00/10:00") == "- cancelled", "its request is taken"
    assert building.reserve("neil/b", "09:00/10:00") == "6.12 09:00/10:00 tentative"


def test_only_the_owner_may_change_a_reservation(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    assert building.cancel("vish/a", user="neil") == "not_owner"
    assert building.move("vish/a", "10:00/11:00", user="neil") == "not_owner"
    assert building.status("vish/a") == "6.12 09:00/10:00 tentative"


def test_a_repeated_move_is_made_once(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    building.move("vish/a", "10:00/11:00", request="m")
    building.move("vish/a", "12:00/13:00", request="n")
    assert building.move("vish/a", "10:00/11:00", request="m") == "6.12 12:00/13:00 tentative"
    for number in range(7):
        building.move("vish/a", "14:00/15:00", request=f"later{number}")
    kept = building.service.tentative["reservation:vish/a"]["requests"].split(" ")
    assert [request.partition("=")[0] for request in kept] == ["n", *(f"later{number}" for number in range(7))]


def test_a_cancel_that_finds_the_reservation_elsewhere_changes_nothing(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00")
    made = building.service.log[0]
    building.service.commit()
    building.cancel("vish/a")
    cancelled = building.service.log[1]
    building.service.replay([made])
    building.move("vish/a", "2026-12-08 09:00/10:00")
    moved = building.service.log[2]
    assert building.service.replay([made, moved, cancelled])[2] == "moved_meanwhile"
    assert building.status("vish/a") == "6.12 09:00/10:00 tentative"
    assert building.service.replay([made, cancelled, moved])[2] == "cancelled"


def test_a_cancel_finds_a_tentative_reservation_in_any_of_its_slots(building: Building) -> None:
    building.reserve("vish/a", "09:00/10:00", "2026-12-02 09:00/10:00")
    building.cancel("vish/a")
    made, cancelled = building.service.log
    building.service.tentative = {}
    building.reserve("neil/b", "09:00/10:00")
    earlier = building.service.log[2]
    assert building.service.replay([earlier, made, cancelled]) == [
        "updated 29935260/29935320 6.12",
        "merged 29936700/29936760 6.12",
        "updated",
    ]
    assert "room:6.12/2026-12-02" not in building.service.tentative


def test_a_move_of_a_final_reservation_declares_its_slot_and_a_cancel_all_slots(building: Building) -> None:
    """A cancel declares the pages of all slots of the reservation. After a forced promotion, the reservation could have
    any of these slots. A move declares only the pages of the current slot and of the new slots. If a move declared all
    slots, each further move would declare more pages."""
    building.reserve("vish/a", "09:00/10:00", "2026-12-02 09:00/10:00")
    building.service.commit()
    building.move("vish/a", "11:00/12:00")
    assert building.service.log[1].pages == ("reservation:vish/a", "room:6.12/2026-12-01")
    building.reserve("vish/b", "14:00/15:00", "2026-12-02 09:00/10:00")
    building.service.commit()
    building.cancel("vish/b")
    assert building.service.log[3].pages == ("reservation:vish/b", "room:6.12/2026-12-01", "room:6.12/2026-12-02")


@pytest.mark.parametrize(
    "members",
    [
        {"check": "reservation_stands"},
        *(
            {"args": {"room": "6.12", "slots": slots, "purpose": ""}}
            for slots in (
                "",
                "29935260/29935260",
                "29935270/29935260",
                "29935260.5/29935270",
                "-0000060/00000060",
                "29935260/29935270 ",
                "29935260/29935270x29935270/29935280",
                "29935260/2993527029935270/29935280",
                "29935260/29935270 29935280/29935270",
            )
        ),
        {"args": {"room": "6.12", "slots": [[29935260, 29935270]], "purpose": ""}},
        {"pages": ("reservation:vish/a",)},
        {"pages": ("reservation:vish/a", "room:6.12/2026-12-02")},
    ],
)
def test_a_write_that_breaks_the_rules_fails_and_changes_nothing(building: Building, members: dict[str, Any]) -> None:
    building.reserve("vish/a", "09:00/10:00")
    write = replace(building.service.log[0], **members)
    assert building.service.replay([write]) == ["failed"]
    assert building.service.tentative == {}


@pytest.mark.parametrize(
    "window",
    [
        {"day_end": 100_000_300},
        {"day_start": -1000},
        {"day_start": 29935000.5},
        {"window_min": 0.5},
        {"day_end": "29936000"},
        {"day_end": None},
    ],
    ids=str,
)
def test_an_invalid_window_fails(building: Building, window: dict[str, Any]) -> None:
    """All times in pages have eight digits. With an invalid window, the merge procedure could choose a time with more
    or fewer digits. Dependency checks do not find such a time. So a write with an invalid window must fail."""
    building.reserve("vish/a", "09:00/10:00")
    merge = {"name": "nearest_free_time", "window_min": 120}
    building.reserve("neil/b", "09:00/10:00", merge=merge)
    first, second = building.service.log
    spoiled = replace(second, args={**second.args, **window})
    assert building.service.replay([first])[0].startswith("updated ")
    alone = building.service.tentative
    assert building.service.replay([first, spoiled])[1] == "failed"
    assert building.service.tentative == alone


def test_a_detail_names_a_slot_or_none() -> None:
    place = decode_detail("29935260/29935320 Main hall")
    assert place is not None
    assert (place.room, place.start, place.end) == ("Main hall", 29935260, 29935320)
    assert decode_detail("") is None
    assert decode_detail("no_alternative") is None
