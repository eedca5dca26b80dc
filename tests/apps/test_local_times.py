"""The local times of reservations.

A granted slot has the local time that was asked for. After a time zone has changed, some reservations stand at another
local time. The tests check that these reservations are found, and that they can be moved back.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from apps.rooms import local_times
from apps.rooms.pages import decode_reservation, reservation_page
from tests.support.rooms_harness import FakeService, Lua, client_of

BRUSSELS = ZoneInfo("Europe/Brussels")
CHANGE = datetime(2027, 3, 28, 1, tzinfo=UTC)  # clocks in Brussels go from 02:00 to 03:00
NEAREST = {"name": "nearest_free_time", "window_min": 300}


def ask(service: FakeService, method: str, path: str, body: dict[str, Any] | None = None, user: str = "vish") -> Any:
    answer = client_of(service).open(path, method=method, json=body, headers={"Bayou-User": user})
    assert answer.status_code < 300, answer.json
    return answer.json


def slot(start: datetime, length_min: int = 60) -> dict[str, str]:
    return {"start": start.isoformat(), "end": (start + timedelta(minutes=length_min)).isoformat()}


def reserve(service: FakeService, name: str, *slots: dict[str, str], **more: Any) -> Any:
    user, _, request = name.partition("/")
    body = {"room": "6.12", "slots": list(slots), "request": request, **more}
    return ask(service, "POST", "/reservations", body, user)


def shifted(service: FakeService) -> dict[str, tuple[str, str, list[str]]]:
    """Return the reservations whose local time is not the one that was asked for. Each id maps to (present start, start
    that was asked for, ids of the overlapping reservations)."""
    return {
        one["id"]: (one["slot"]["start"], one["shifted"]["start"], one["shifted"]["overlaps"])
        for one in ask(service, "GET", "/local-times")["reservations"]
    }


def require_exact_local_times(service: FakeService) -> None:
    """Assert that the page of each reservation has the right UTC offsets for the start and for the end of the granted
    slot."""
    for page, fields in service.tentative.items():
        held = decode_reservation(fields) if page.startswith("reservation:") else None
        if held and held.slot:
            assert held.local is not None, page
            ends = [datetime.fromtimestamp(minute * 60, BRUSSELS) for minute in (held.slot.start, held.slot.end)]
            kept = [timedelta(minutes=held.local.start_offset), timedelta(minutes=held.local.end_offset)]
            assert kept == [end.utcoffset() for end in ends], page


@pytest.fixture
def service(lua: Lua) -> FakeService:
    return FakeService(lua, "Europe/Brussels")


@pytest.mark.parametrize(("hours", "merge"), [*product(range(-6, 4), ("first", "another", "nearest"))])
def test_every_slot_that_is_granted_around_a_change_of_the_clocks_has_its_own_local_time(
    service: FakeService, hours: int, merge: str
) -> None:
    first = CHANGE + timedelta(hours=hours)
    alternative = first + timedelta(days=200)
    reserve(service, "ann/taken", slot(first, 150), new_room=True)
    if merge == "first":
        reserve(service, "vish/a", slot(first), slot(alternative), merge="first_free_alternative")
    elif merge == "another":
        reserve(service, "vish/a", slot(first), merge={"name": "another_room", "rooms": ["6.13"]})
    else:
        reserve(service, "vish/a", slot(first), merge=NEAREST)
    assert len(service.log) == 2
    require_exact_local_times(service)
    ask(service, "PATCH", "/reservations/vish/a", {"slots": [slot(first), slot(first - timedelta(days=30))]})
    ask(service, "PATCH", "/reservations/ann/taken", {"slots": [slot(first, 30)], "merge": NEAREST}, "ann")
    require_exact_local_times(service)
    assert shifted(service) == {}


def test_a_series_over_a_change_of_the_clocks(service: FakeService) -> None:
    start = datetime(2027, 3, 22, 9, tzinfo=BRUSSELS)
    body = {"room": "6.12", "slots": [slot(start)], "rule": "FREQ=WEEKLY;COUNT=3", "request": "s"}
    ask(service, "POST", "/reservations", body)
    require_exact_local_times(service)
    offsets = [
        service.tentative[reservation_page(f"vish/s~{day}")]["local"].split(" ")[1]
        for day in ("2027-03-22", "2027-03-29", "2027-04-05")
    ]
    assert offsets == ["60", "120", "120"]
    ask(service, "PATCH", "/series/vish/s", {"slots": [slot(start + timedelta(hours=2))]})
    require_exact_local_times(service)
    service.timezone = "Europe/London"
    assert sorted(shifted(service)) == [f"vish/s~{day}" for day in ("2027-03-22", "2027-03-29", "2027-04-05")]


def test_a_series_in_another_time_zone_repeats_at_its_local_time(service: FakeService) -> None:
    new_york = ZoneInfo("America/New_York")
    start = datetime(2027, 3, 8, 9, tzinfo=new_york)  # clocks change there on 14 March
    body = {"room": "6.12", "slots": [slot(start)], "rule": "FREQ=WEEKLY;COUNT=2", "timezone": "America/New_York"}
    found = ask(service, "POST", "/reservations", body)["series"]
    assert found["timezone"] == "America/New_York"
    starts = [datetime.fromisoformat(one["slot"]["start"]).astimezone(new_york) for one in found["reservations"]]
    assert [start.hour for start in starts] == [9, 9]
    service.timezone = "Europe/London"
    assert shifted(service) == {}


def test_a_corrected_time_zone_shifts_only_reservations_that_named_no_time_zone(service: FakeService) -> None:
    reserve(service, "vish/a", slot(datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)))
    reserve(service, "vish/b", slot(datetime(2026, 12, 1, 12, tzinfo=BRUSSELS)), timezone="Europe/Brussels")
    assert shifted(service) == {}
    service.timezone = "Europe/London"
    assert shifted(service) == {"vish/a": ("2026-12-01T08:00:00+00:00", "2026-12-01T09:00:00+00:00", [])}
    assert "shifted" not in ask(service, "GET", "/reservations/vish/b")
    assert ask(service, "GET", "/reservations/vish/a")["shifted"] == {
        "timezone": "Europe/London",
        "start": "2026-12-01T09:00:00+00:00",
        "end": "2026-12-01T10:00:00+00:00",
    }


def test_reservations_that_are_over_or_have_no_slot_are_not_listed(service: FakeService) -> None:
    reserve(service, "vish/past", slot(datetime(2026, 11, 29, 9, tzinfo=BRUSSELS)))
    reserve(service, "vish/gone", slot(datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)))
    ask(service, "DELETE", "/reservations/vish/gone")
    service.timezone = "Europe/London"
    assert shifted(service) == {}


def test_reservations_that_overlap_at_the_wall_clock_are_named(service: FakeService) -> None:
    reserve(service, "vish/old", slot(datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)))
    service.timezone = "Europe/London"
    reserve(service, "ann/new", slot(datetime(2026, 12, 1, 9, 30, tzinfo=UTC)))
    assert shifted(service)["vish/old"][2] == ["ann/new"]


def test_reservations_go_back_in_an_order_in_which_each_makes_room_for_the_next(service: FakeService) -> None:
    for hour in (9, 10, 11):
        reserve(service, f"vish/at{hour}", slot(datetime(2026, 12, 1, hour, tzinfo=BRUSSELS)))
    service.timezone = "Europe/London"
    answer = ask(service, "POST", "/local-times/move-back", user="boss")
    assert (len(answer["moved"]), answer["not_moved"]) == (3, [])
    starts = [ask(service, "GET", f"/reservations/vish/at{hour}")["slot"]["start"] for hour in (9, 10, 11)]
    assert starts == [f"2026-12-01T{hour:02}:00:00+00:00" for hour in (9, 10, 11)]
    assert shifted(service) == {}


def in_parts(service: FakeService, **query: Any) -> list[list[str]]:
    """Read all parts of the list of shifted reservations. Return the ids in each part."""
    found, after = list[list[str]](), ""
    while after is not None:
        answer = ask(service, "GET", "/local-times?" + urlencode({"after": after, **query}))
        found.append([one["id"] for one in answer["reservations"]])
        after = answer["next"]
    return found


def test_reservations_are_listed_in_parts_that_end_with_a_day(service: FakeService) -> None:
    for day, hour in product((1, 2, 3, 5), (9, 11)):
        reserve(service, f"vish/d{day}h{hour:02}", slot(datetime(2026, 12, day, hour, tzinfo=BRUSSELS)))
    days = [[f"vish/d{day}h09", f"vish/d{day}h11"] for day in (1, 2, 3, 5)]
    long = datetime(2026, 12, 1, 23, tzinfo=BRUSSELS)
    reserve(service, "ann/long", slot(long, 3 * 24 * 60), room="6.13", new_room=True)
    assert in_parts(service) == [[]]
    service.timezone = "Europe/London"
    days[0].append("ann/long")  # listed on its first day only, although it lasts for several days
    assert in_parts(service) == [[*days[0], *days[1], *days[2], *days[3]]]
    assert in_parts(service, limit=1) == [*days[:3], [], days[3]]
    assert in_parts(service, limit=4) == [days[0] + days[1], days[2] + days[3]]
    period = {"from": "2026-12-03T00:00Z", "to": "2026-12-05T00:00Z"}
    assert in_parts(service, **period) == [["ann/long", *days[2]]]
    answer = ask(service, "POST", "/local-times/move-back", user="boss")
    assert (len(answer["moved"]), answer["not_moved"]) == (9, [])
    assert in_parts(service, limit=1) == [[]] * 5


def test_a_starting_replica_warns_after_reading_the_next_reservations_only(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_times, "PART", 1)
    monkeypatch.setattr(local_times, "PARTS_AT_START", 2)
    for day in (1, 2, 3):
        reserve(service, f"vish/{day}", slot(datetime(2026, 12, day, 9, tzinfo=BRUSSELS)))
    assert list(local_times.warnings(service)) == []
    service.timezone = "Europe/London"
    (warning,) = local_times.warnings(service)
    assert warning.startswith("At least 2 reservations do not have the requested local time any more")
    ask(service, "DELETE", "/reservations/vish/1")
    ask(service, "DELETE", "/reservations/vish/2")
    (warning,) = local_times.warnings(service)
    assert warning.startswith("1 reservation does not have")


def test_a_neighbour_that_a_later_part_lists_counts_where_it_moves_to(service: FakeService) -> None:
    """`early` begins an hour after `late`, on the next UTC day. So the answer lists `early` in a later part. `late`
    moves to the slot that `early` has now. But `early` moves away too, so the two do not overlap."""
    for name, hour in (("late", 23), ("early", 24), ("next", 25)):
        reserve(service, f"vish/{name}", slot(datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=hour)))
    service.timezone = "Europe/London"
    assert in_parts(service, limit=1) == [["vish/late"], ["vish/early", "vish/next"]]
    (late,) = ask(service, "GET", "/local-times?limit=1")["reservations"]
    assert late["shifted"]["overlaps"] == []


def test_both_directions_go_back_at_once(service: FakeService) -> None:
    start = datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)
    for number in range(3):
        reserve(service, f"vish/later{number}", slot(start + timedelta(hours=number)))
        service.timezone = "America/New_York"  # west of London: these reservations stand too late
        there = {"room": "6.13", "new_room": True, "timezone": None}
        reserve(service, f"ann/earlier{number}", slot(start + timedelta(hours=number)), **there)
        service.timezone = "Europe/Brussels"
    service.timezone = "Europe/London"
    answer = ask(service, "POST", "/local-times/move-back", user="boss")
    assert (len(answer["moved"]), answer["not_moved"]) == (6, [])
    assert shifted(service) == {}


def test_a_reservation_that_has_another_one_in_its_way_is_reported_and_stays(service: FakeService) -> None:
    reserve(service, "vish/old", slot(datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)))
    service.timezone = "Europe/London"
    reserve(service, "ann/new", slot(datetime(2026, 12, 1, 9, 30, tzinfo=UTC)))
    answer = ask(service, "POST", "/local-times/move-back", user="boss")
    assert answer["moved"] == []
    assert [(one["id"], one["error"]["code"]) for one in answer["not_moved"]] == [("vish/old", "slot_taken")]
    ask(service, "DELETE", "/reservations/ann/new", user="ann")
    assert [one["id"] for one in ask(service, "POST", "/local-times/move-back", user="boss")["moved"]] == ["vish/old"]


def test_a_reservation_that_its_owner_moves_meanwhile_does_not_go_back(service: FakeService) -> None:
    reserve(service, "vish/a", slot(datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)))
    service.timezone = "Europe/London"
    ask(service, "POST", "/local-times/move-back", user="boss")
    reserved, back = service.log
    service.timezone = "Europe/Brussels"
    service.replay([reserved])
    later = slot(datetime(2026, 12, 1, 14, tzinfo=BRUSSELS))
    ask(service, "PATCH", "/reservations/vish/a", {"slots": [later]})
    assert service.replay([reserved, service.log[-1], back])[-1] == "moved_meanwhile"


def test_a_move_by_the_rules_of_the_former_version_leaves_no_local_time(service: FakeService) -> None:
    reserve(service, "vish/a", slot(datetime(2026, 12, 1, 9, tzinfo=BRUSSELS)))
    service.active = "rooms/1"
    ask(service, "PATCH", "/reservations/vish/a", {"slots": [slot(datetime(2027, 6, 1, 9, tzinfo=BRUSSELS))]})
    assert "shifted" not in ask(service, "GET", "/reservations/vish/a")
    service.timezone = "Europe/London"
    assert shifted(service) == {}


def test_an_unknown_time_zone_is_refused(service: FakeService) -> None:
    body = {"room": "6.12", "slots": [slot(CHANGE)], "timezone": "Europe/Atlantis"}
    answer = client_of(service).post("/reservations", json=body, headers={"Bayou-User": "vish"})
    assert (answer.status_code, answer.json["error"]["details"]["field"]) == (400, "timezone")
