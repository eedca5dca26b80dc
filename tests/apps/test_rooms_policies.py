"""The booking policies. A replica checks most policies when it accepts a write. It checks the limit of open
reservations each time that it plays a write."""

from __future__ import annotations

from typing import Any

import pytest

from apps.rooms.settings import PolicySettings, RoomSettings
from tests.support.rooms_harness import FakeService, Lua, client_of

OPEN = RoomSettings(name="6.13", opens="08:00", closes="20:00")  # type: ignore[arg-type]
NIGHT = RoomSettings(name="6.14", opens="18:00", closes="24:00")  # type: ignore[arg-type]
NOW = "2026-11-30 13:00"  # local; the harness says 12:00 UTC


class Building:
    """A building with one replica, which has the given policies. The methods send requests to that replica.

    A slot is written `DATE HH:MM/HH:MM`, in the time zone of Brussels.
    """

    def __init__(self, lua: Lua, **policies: Any) -> None:
        rooms = ("6.12", OPEN, NIGHT)
        self.service = FakeService(lua, "Europe/Brussels", rooms, PolicySettings(**policies))
        self.client = client_of(self.service)

    def restart_with(self, **policies: Any) -> None:
        """Set other policies, as if the replica had been restarted with another configuration."""
        self.service.policies = PolicySettings(**policies)
        self.client = client_of(self.service)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, user: str = "vish") -> Any:
        return self.client.open(path, method=method, json=body, headers={"Bayou-User": user})

    def reserve(self, request: str, *slots: str, room: str = "6.12", user: str = "vish", **more: Any) -> Any:
        body = {"room": room, "slots": [slot(text) for text in slots], "request": request, **more}
        return self.ask("POST", "/reservations", body, user)

    def move(self, name: str, *slots: str, **more: Any) -> Any:
        return self.ask("PATCH", f"/reservations/{name}", {"slots": [slot(text) for text in slots], **more})


def slot(text: str) -> dict[str, str]:
    day, _, ends = text.partition(" ")
    start, end = ends.split("/")
    return {
        "start": f"{day}T{start}+01:00",
        "end": f"{day}T{end}+01:00" if end != "24:00" else "2026-12-02T00:00+01:00",
    }


def rule(answer: Any) -> str | None:
    """Return the policy that refused the request; None if it was granted."""
    if answer.status_code < 400:
        return None
    error = answer.json["error"]
    assert (answer.status_code, error["code"]) == (409, "policy"), error
    assert error["message"].endswith(".")
    found: str = error["details"]["rule"]
    return found


@pytest.mark.parametrize(
    ("policies", "room", "slots", "refused"),
    [
        ({"longest_h": 2}, "6.12", ["2026-12-01 09:00/11:00"], None),
        ({"longest_h": 2}, "6.12", ["2026-12-01 09:00/11:01"], "longest_h"),
        ({"longest_h": 0.5}, "6.12", ["2026-12-01 09:00/09:31"], "longest_h"),
        ({"longest_h": 2}, "6.12", ["2026-12-01 09:00/10:00", "2026-12-01 12:00/15:00"], "longest_h"),
        ({"ahead_days": 1}, "6.12", ["2026-12-01 13:00/14:00"], None),
        ({"ahead_days": 1}, "6.12", ["2026-12-01 13:01/14:00"], "ahead_days"),
        ({}, "6.13", ["2026-12-01 08:00/20:00"], None),
        ({}, "6.13", ["2026-12-01 07:59/09:00"], "opening_hours"),
        ({}, "6.13", ["2026-12-01 19:00/20:01"], "opening_hours"),
        ({}, "6.14", ["2026-12-01 18:00/24:00"], None),
        ({}, "6.13", ["2026-12-01 09:00/10:00", "2026-12-01 20:00/21:00"], "opening_hours"),
        ({}, "6.12", ["2026-12-01 03:00/04:00"], None),
        ({"shortest_min": 30}, "6.12", ["2026-12-01 09:00/09:30"], None),
        ({"shortest_min": 30}, "6.12", ["2026-12-01 09:00/09:29"], "shortest_min"),
        ({"grid_min": 15}, "6.12", ["2026-12-01 09:15/09:45"], None),
        ({"grid_min": 15}, "6.12", ["2026-12-01 09:10/09:45"], "grid_min"),
        ({"grid_min": 15}, "6.12", ["2026-12-01 09:15/09:40"], "grid_min"),
        ({"grid_min": 1440}, "6.12", ["2026-12-01 00:00/24:00"], None),
        ({"notice_min": 0}, "6.12", ["2026-11-30 13:00/14:00"], None),
        ({"notice_min": 0}, "6.12", ["2026-11-30 12:59/14:00"], "notice_min"),
        ({"notice_min": 60}, "6.12", ["2026-11-30 14:00/15:00"], None),
        ({"notice_min": 60}, "6.12", ["2026-11-30 13:59/15:00"], "notice_min"),
        ({"closed": ["wednesday"]}, "6.12", ["2026-12-01 23:00/24:00"], None),
        ({"closed": ["2026-12-02/2026-12-04"]}, "6.13", ["2026-12-01 09:00/10:00"], None),
    ],
)
def test_policies_are_checked_at_accept(
    lua: Lua, policies: dict[str, Any], room: str, slots: list[str], refused: str | None
) -> None:
    building = Building(lua, **policies)
    assert rule(building.reserve("a", *slots, room=room)) == refused
    assert bool(building.service.tentative) == (refused is None)
    if refused:
        building.reserve("b", "2026-12-01 11:00/11:30")
        assert rule(building.move("vish/b", *slots, room=room)) == refused


def test_opening_hours_over_two_days_and_with_a_clock_change(lua: Lua) -> None:
    building = Building(lua)
    night = {"start": "2026-12-01T19:00+01:00", "end": "2026-12-02T09:00+01:00"}
    assert rule(building.ask("POST", "/reservations", {"room": "6.13", "slots": [night]})) is None
    for ends in ({"start": "2026-12-01T20:00+01:00"}, {"end": "2026-12-02T08:00+01:00"}):
        refused = building.ask("POST", "/reservations", {"room": "6.13", "slots": [{**night, **ends}]})
        assert rule(refused) == "opening_hours"
    early = {"start": "2027-03-28T08:00+02:00", "end": "2027-03-28T09:00+02:00"}
    assert rule(building.ask("POST", "/reservations", {"room": "6.13", "slots": [early]})) is None
    by_the_old_clock = {"start": "2027-03-28T19:30+01:00", "end": "2027-03-28T20:00+01:00"}
    answer = building.ask("POST", "/reservations", {"room": "6.13", "slots": [by_the_old_clock]})
    assert rule(answer) == "opening_hours"
    assert "from 08:00 to 20:00. 2027-03-28 20:30 to 21:00" in answer.json["error"]["message"]


@pytest.mark.parametrize(("taken", "wanted"), [("08:00/10:00", "08:30/09:30"), ("18:00/20:00", "18:30/19:30")])
def test_no_merge_procedure_chooses_a_slot_outside_opening_hours(lua: Lua, taken: str, wanted: str) -> None:
    building = Building(lua)
    building.reserve("a", f"2026-12-01 {taken}", room="6.13")
    found = building.reserve("b", f"2026-12-01 {wanted}", room="6.13", merge="nearest_free_time").json["slot"]
    assert found["start"][11:16] == ("10:00" if taken[:2] == "08" else "17:00")
    full = Building(lua)
    full.reserve("a", "2026-12-01 08:00/20:00", room="6.13")
    merge = {"name": "nearest_free_time", "window_min": 1440}
    assert full.reserve("b", f"2026-12-01 {wanted}", room="6.13", merge=merge).json["error"]["code"] == "slot_taken"


def test_another_room_must_be_open(lua: Lua) -> None:
    building = Building(lua)
    building.reserve("a", "2026-12-01 19:00/21:00")
    building.reserve("b", "2026-12-01 19:30/20:30", merge="another_room")
    assert building.ask("GET", "/reservations/vish/b").json["room"] == "6.14"
    merge = {"name": "another_room", "rooms": ["6.13"]}
    assert rule(building.reserve("c", "2026-12-01 19:30/20:30", merge=merge)) == "opening_hours"


def test_the_nearest_free_time_is_not_too_far_ahead(lua: Lua) -> None:
    building = Building(lua, ahead_days=1)
    building.reserve("a", "2026-12-01 12:00/13:00")
    merge = {"name": "nearest_free_time", "window_min": 600}
    found = building.reserve("b", "2026-12-01 12:30/13:00", merge=merge)
    assert found.json["slot"]["start"][11:16] == "13:00"
    assert building.reserve("c", "2026-12-01 12:30/13:00", merge=merge).json["slot"]["start"][11:16] == "11:30"


def test_policies_apply_to_each_occurrence(lua: Lua) -> None:
    building = Building(lua, ahead_days=10)
    refused = building.reserve("w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=3")
    assert rule(refused) == "ahead_days"
    assert refused.json["error"]["details"]["slot"]["start"] == "2026-12-15T09:00:00+01:00"
    assert rule(building.reserve("w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=2")) is None


def test_open_reservations_are_counted_until_they_are_over(lua: Lua) -> None:
    building = Building(lua, open_reservations=2)
    assert rule(building.reserve("past", "2026-11-30 09:00/10:00")) is None
    assert rule(building.reserve("a", "2026-12-01 09:00/10:00")) is None
    assert rule(building.reserve("b", "2026-12-02 09:00/10:00")) is None
    refused = building.reserve("c", "2026-12-03 09:00/10:00")
    assert rule(refused) == "open_reservations"
    assert (refused.json["error"]["details"]["limit"], len(building.service.log)) == (2, 3)
    assert rule(building.reserve("c", "2026-12-03 09:00/10:00", user="neil")) is None, "the limit is for each user"
    assert rule(building.move("vish/a", "2026-12-05 09:00/10:00")) is None
    assert rule(building.move("vish/past", "2026-12-06 09:00/10:00")) == "open_reservations"
    building.ask("DELETE", "/reservations/vish/b")
    assert rule(building.move("vish/past", "2026-12-06 09:00/10:00")) is None
    assert set(building.service.tentative["user:vish"]) == {"past", "a"}


def test_a_reservation_over_the_limit_at_two_replicas_is_rejected(lua: Lua) -> None:
    building = Building(lua, open_reservations=1)
    building.reserve("a", "2026-12-01 09:00/10:00")
    building.service.tentative = {}
    building.reserve("b", "2026-12-02 09:00/10:00")
    first, second = building.service.log
    assert building.service.replay([first, second])[1] == "rejected open_reservations"
    shown = building.ask("GET", "/reservations/vish/b").json
    assert (shown["state"], shown["reason"]["code"]) == ("rejected", "open_reservations")
    assert "room:6.12/2026-12-02" not in building.service.tentative
    assert building.service.replay([second, first])[1] == "rejected open_reservations"
    assert rule(building.move("vish/a", "2026-12-03 09:00/10:00")) == "open_reservations"


def test_without_the_limit_writes_of_one_user_share_no_page(lua: Lua) -> None:
    building = Building(lua, longest_h=8)
    building.reserve("a", "2026-12-01 09:00/10:00")
    building.move("vish/a", "2026-12-01 10:00/11:00")
    building.ask("DELETE", "/reservations/vish/a")
    building.reserve("w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=2")
    assert not any(page.startswith("user:") for write in building.service.log for page in write.pages)
    assert not any("limit" in write.args for write in building.service.log)


def test_reservations_made_before_the_limit_are_not_counted(lua: Lua) -> None:
    building = Building(lua)
    building.reserve("before", "2026-12-01 09:00/10:00")
    building.restart_with(open_reservations=1)
    assert rule(building.reserve("a", "2026-12-02 09:00/10:00")) is None
    assert rule(building.move("vish/before", "2026-12-03 09:00/10:00")) is None, "this reservation is open already"
    assert rule(building.reserve("b", "2026-12-04 09:00/10:00")) == "open_reservations"


def test_each_occurrence_of_a_series_counts(lua: Lua) -> None:
    building = Building(lua, open_reservations=3)
    weekly = {"rule": "FREQ=WEEKLY;COUNT=4"}
    refused = building.reserve("w", "2026-12-01 09:00/10:00", occurrences="all_or_nothing", **weekly)
    assert rule(refused) == "open_reservations"
    assert building.service.tentative == {}
    made = building.reserve("w", "2026-12-01 09:00/10:00", **weekly).json["series"]["reservations"]
    assert [one["state"] for one in made] == ["tentative"] * 3 + ["rejected"]
    assert made[3]["reason"]["code"] == "open_reservations"
    assert rule(building.reserve("v", "2026-12-01 11:00/12:00", **weekly)) == "open_reservations"
    body = {"slots": [slot("2026-12-01 15:00/16:00")], "occurrences": "all_or_nothing"}
    assert rule(building.ask("PATCH", "/series/vish/w", body)) == "open_reservations"
    building.ask("DELETE", "/series/vish/w?from=2026-12-08")
    assert list(building.service.tentative["user:vish"]) == ["w~2026-12-01"]


def test_a_refusal_says_until_when_and_why(lua: Lua) -> None:
    building = Building(lua, closed=["2026-12-01/2026-12-03 the building is painted"], notice_min=90, grid_min=30)
    messages = [
        building.reserve("a", times).json["error"]["message"]
        for times in ("2026-12-01 09:00/10:00", "2026-11-30 14:00/15:00", "2026-12-04 09:10/10:00")
    ]
    assert messages == [
        "6.12 is closed on Tuesday, 2026-12-01 (the building is painted). 2026-12-01 09:00 to 10:00 includes time on"
        " this day. Choose another day.",
        "Reservations must be made at least 1 h 30 min before they begin. 2026-11-30 14:00 to 15:00 is too soon,"
        " because the time is now 2026-11-30 13:00. Choose a later time.",
        "Reservations must begin and end at multiples of 30 min after midnight, but 2026-12-04 09:10 to 10:00 does not."
        " Choose other times.",
    ]


def test_a_room_has_closed_days_of_its_own_and_others_are_offered(lua: Lua) -> None:
    building = Building(lua, closed=["sunday"])
    closed = RoomSettings(name="6.12", closed=("2026-12-01 painters",))  # type: ignore[arg-type]
    building.service.rooms = (closed, OPEN, NIGHT)
    building.client = client_of(building.service)
    assert rule(building.reserve("a", "2026-12-01 09:00/10:00")) == "closed"
    assert rule(building.reserve("a", "2026-12-01 09:00/10:00", room="6.13")) is None
    merge = {"name": "another_room", "rooms": ["6.12"]}
    assert rule(building.reserve("b", "2026-12-01 09:00/10:00", room="6.13", merge=merge)) == "closed"
    period = "from=2026-12-01T18:00%2B01:00&to=2026-12-01T19:00%2B01:00"
    free = building.ask("GET", f"/rooms/free?{period}").json["rooms"]
    assert [room["name"] for room in free] == ["6.13", "6.14"]
    rooms = building.ask("GET", "/rooms").json["rooms"]
    assert [room["closed"] for room in rooms] == [["sunday", "2026-12-01 painters"], ["sunday"], ["sunday"]]


def test_several_days_may_not_touch_a_closed_one(lua: Lua) -> None:
    building = Building(lua, closed=["2026-12-03"])
    days = {"start": "2026-12-01T00:00+01:00", "end": "2026-12-03T00:00+01:00"}
    assert rule(building.ask("POST", "/reservations", {"room": "6.12", "slots": [days]})) is None
    longer = {"start": "2026-12-02T00:00+01:00", "end": "2026-12-03T00:01+01:00"}
    assert rule(building.ask("POST", "/reservations", {"room": "6.12", "slots": [longer]})) == "closed"


def test_the_nearest_free_time_keeps_the_notice_and_the_grid(lua: Lua) -> None:
    building = Building(lua, notice_min=30, grid_min=15)
    building.reserve("a", "2026-11-30 14:00/15:00")
    merge = {"name": "nearest_free_time", "window_min": 607}
    starts = [
        building.reserve(name, "2026-11-30 14:00/14:30", merge=merge).json["slot"]["start"][11:16] for name in "bcd"
    ]
    assert starts == ["13:30", "15:00", "15:30"]


def test_what_is_over_may_be_cancelled_and_given_another_purpose(lua: Lua) -> None:
    building = Building(lua)
    building.reserve("a", "2026-11-30 09:00/10:00")
    building.restart_with(notice_min=0, closed=["monday"])
    assert rule(building.move("vish/a", "2026-11-30 10:00/11:00")) == "notice_min"
    assert rule(building.ask("PATCH", "/reservations/vish/a", {"purpose": "retro"})) is None
    assert rule(building.ask("DELETE", "/reservations/vish/a")) is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"closed": ["someday"]}, "'someday' is not a day"),
        ({"closed": ["2026-12-24/2026-12-01"]}, "ends before it begins"),
        ({"grid_min": 7}, "7 minutes do not divide a day"),
        ({"shortest_min": 90, "longest_h": 1}, "no reservation would be possible"),
    ],
)
def test_policies_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PolicySettings(**wrong)


@pytest.mark.parametrize("closed", ["tuesday", "2026-12-01", "2026-12-01 inventory", "2026-11-29/2026-12-01"])
def test_nothing_is_reserved_on_a_closed_day_nor_moved_to_it(lua: Lua, closed: str) -> None:
    building = Building(lua, closed=[closed])
    building.reserve("b", "2026-12-02 09:00/10:00")
    assert rule(building.reserve("a", "2026-12-01 09:00/10:00")) == "closed"
    assert rule(building.move("vish/b", "2026-12-01 09:00/10:00")) == "closed"
    daily = {"rule": "FREQ=DAILY;COUNT=4", "occurrences": "all_or_nothing"}
    assert rule(building.reserve("w", "2026-11-28 09:00/10:00", **daily)) == "closed"


def test_a_series_leaves_out_closed_days(lua: Lua) -> None:
    building = Building(lua, closed=["2026-12-08/2026-12-15 holidays"])
    made = building.reserve("w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=4").json["series"]
    assert [one["occurrence"] for one in made["reservations"]] == ["2026-12-01", "2026-12-22"]
    assert made["except"] == ["2026-12-08", "2026-12-15"]
    again = building.reserve("w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=4")
    assert (again.status_code, len(building.service.log)) == (200, 1)
    refused = building.ask("POST", "/series/vish/w/occurrences", {"dates": ["2026-12-15"]})
    assert rule(refused) == "closed"
    building.restart_with(closed=["2026-12-29", "2027-01-05"])
    assert building.reserve("w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=4").status_code == 200
    more = building.ask("POST", "/series/vish/w/occurrences", {"until": "2027-01-12"}).json["series"]
    assert [one["occurrence"] for one in more["reservations"]] == ["2026-12-01", "2026-12-22", "2027-01-12"]
    only = building.reserve("x", "2026-12-29 11:00/12:00", rule="FREQ=WEEKLY;COUNT=2")
    assert rule(only) == "closed"


def test_a_series_that_has_begun_moves_from_now_on(lua: Lua) -> None:
    building = Building(lua)
    building.reserve("w", "2026-11-28 09:00/10:00", rule="FREQ=DAILY;COUNT=4")  # it is the 30th, 13:00
    building.restart_with(notice_min=0)
    moved = building.ask("PATCH", "/series/vish/w", {"slots": [slot("2026-11-28 11:00/12:00")]}).json
    starts = [one["slot"]["start"][8:13] for one in moved["series"]["reservations"]]
    assert (starts, moved["unmoved"]) == (["28T09", "29T09", "30T09", "01T11"], [])
    over = building.reserve("x", "2026-11-28 15:00/16:00", rule="FREQ=DAILY;COUNT=4")
    assert rule(over) == "notice_min"


@pytest.mark.parametrize(
    ("policies", "room", "taken", "wanted", "found"),
    [
        ({}, "6.12", ["01 09:00/10:00"], "01 09:30/10:30", "01 10:00/11:00"),
        ({}, "6.12", ["01 09:00/10:00", "01 10:30/12:00"], "01 09:00/10:00", "01 12:00/13:00"),
        ({}, "6.13", ["01 18:30/20:00"], "01 18:30/19:30", "02 08:00/09:00"),  # after the room closes
        ({"closed": ["2026-12-02"]}, "6.13", ["01 18:30/20:00"], "01 18:30/19:30", "03 08:00/09:00"),
        ({"grid_min": 30}, "6.12", ["01 09:10/09:50"], "01 09:00/10:00", "01 10:00/11:00"),
        ({"ahead_days": 1}, "6.12", ["01 12:00/13:30"], "01 12:00/13:00", None),
        ({}, "6.12", ["01 09:00/24:00"], "01 09:00/10:00", "02 00:00/01:00"),
    ],
)
def test_a_refusal_says_when_the_room_is_free_next(
    lua: Lua, policies: dict[str, Any], room: str, taken: list[str], wanted: str, found: str | None
) -> None:
    building = Building(lua)
    for number, each in enumerate(taken):
        assert building.reserve(f"t{number}", f"2026-12-{each}", room=room, user="neil").status_code == 201
    building.restart_with(**policies)
    error = building.reserve("w", f"2026-12-{wanted}", room=room).json["error"]
    assert error["code"] == "slot_taken"
    told = error["details"]["next_free"]
    assert (told and (told["room"], f"{told['start'][8:16]}/{told['end'][11:16]}".replace("T", " "))) == (
        found and (room, found)
    )
    assert (f"The next free slot in {room} is" in error["message"]) == (found is not None)
    assert f"neil has {room} 2026-12-01 {taken[0][3:8]} to " in error["message"]
