"""Series of reservations. One write makes all reservations of a series. Each reservation is checked and merged by
itself. Users move and cancel one, some or all reservations of a series."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.rooms import APPLICATION
from apps.rooms.pages import decode_reservation
from bayou.application import Change
from replica.events.describe import Describer
from replica.events.expand import expand
from storage.scripts import rules
from tests.support.rooms_harness import FakeService, Lua, client_of

WEEKLY = "FREQ=WEEKLY;COUNT=4"


class Building:
    """A building with one replica. The methods send requests to that replica.

    A slot is written `DATE HH:MM/HH:MM`, in local time. 1 December 2026 is a Tuesday.
    """

    def __init__(self, lua: Lua, timezone: str = "Europe/Brussels", offset: str = "+01:00") -> None:
        self.service = FakeService(lua, timezone)
        self.client = client_of(self.service)
        self.offset = offset

    def slot(self, text: str) -> dict[str, str]:
        day, _, ends = text.partition(" ")
        start, end = ends.split("/")
        return {"start": f"{day}T{start}{self.offset}", "end": f"{day}T{end}{self.offset}"}

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None, user: str = "vish") -> Any:
        return self.client.open(path, method=method, json=body, headers={"Bayou-User": user})

    def reserve(self, name: str, *slots: str, rule: str | None = WEEKLY, room: str = "6.12", **more: Any) -> Any:
        user, _, request = name.partition("/")
        body = {"room": room, "slots": [self.slot(slot) for slot in slots], "request": request, **more}
        return self.ask("POST", "/reservations", body | ({"rule": rule} if rule else {}), user)

    def one(self, name: str, slot: str, **more: Any) -> None:
        assert self.reserve(name, slot, rule=None, **more).status_code == 201

    def move(self, name: str, *slots: str, user: str = "vish", **more: Any) -> Any:
        return self.ask("PATCH", f"/series/{name}", {"slots": [self.slot(slot) for slot in slots], **more}, user)

    def states(self, name: str) -> list[str]:
        """Return a line for each occurrence of a series, by date: `MM-DD ROOM HH:MM` or `MM-DD STATE REASON`."""
        return told(self.ask("GET", f"/series/{name}").json)


def leaving(*days: str) -> dict[str, Any]:
    return {"except": list(days)}


def told(answer: dict[str, Any]) -> list[str]:
    found = []
    for one in answer["series"]["reservations"]:
        slot, reason = one["slot"], one["reason"]
        where = f"{one['room']} {slot['start'][5:16].replace('T', ' ')}" if slot else one["state"]
        found.append(f"{one['occurrence'][5:]} {where}" + (f" {reason['code']}" if reason else ""))
    return found


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]["code"]


def differs(answer: Any) -> list[str]:
    error = answer.json["error"]
    assert (answer.status_code, error["code"]) == (409, "request_differs")
    return list(error["details"]["differs"])


@pytest.fixture
def building(lua: Lua) -> Building:
    return Building(lua)


def test_a_rule_makes_a_reservation_for_each_occurrence_in_one_write(building: Building) -> None:
    made = building.reserve("vish/w", "2026-12-01 09:00/10:00", purpose="standup", **leaving("2026-12-15"))
    assert made.status_code == 201
    series = made.json["series"]
    assert {name: series[name] for name in ("id", "rule", "except", "occurrences", "timezone")} == {
        "id": "vish/w",
        "rule": WEEKLY,
        "except": ["2026-12-15"],
        "occurrences": "best_effort",
        "timezone": "Europe/Brussels",
    }
    assert told(made.json) == ["12-01 6.12 12-01 09:00", "12-08 6.12 12-08 09:00", "12-22 6.12 12-22 09:00"]
    assert len(building.service.log) == 1
    first = building.ask("GET", "/reservations/vish/w~2026-12-01").json
    assert (first["series"], first["occurrence"], first["purpose"]) == ("w", "2026-12-01", "standup")
    listed = building.ask("GET", "/users/vish/reservations").json["reservations"]
    assert [one["id"] for one in listed] == ["vish/w~2026-12-01", "vish/w~2026-12-08", "vish/w~2026-12-22"]


def test_a_repeated_request_is_the_same_series(building: Building) -> None:
    first = building.reserve("vish/w", "2026-12-01 09:00/10:00")
    again = building.reserve("vish/w", "2026-12-01 09:00/10:00")
    assert (again.status_code, again.json) == (200, first.json)
    assert differs(building.reserve("vish/w", "2026-12-02 11:00/12:00")) == ["slots"]
    assert differs(building.reserve("vish/w", "2026-12-01 09:00/10:00", room="6.13")) == ["room"]
    assert "op" in differs(building.reserve("vish/w", "2026-12-01 09:00/10:00", rule=None)), "one request is one thing"
    building.one("vish/a", "2026-12-03 09:00/10:00")
    assert "op" in differs(building.reserve("vish/a", "2026-12-03 09:00/10:00"))
    assert len(building.service.log) == 2


def test_best_effort_leaves_out_occurrences_that_find_no_slot(building: Building) -> None:
    building.one("neil/b", "2026-12-08 09:30/10:30")
    building.one("neil/c", "2026-12-15 08:00/12:00")
    made = building.reserve("vish/w", "2026-12-01 09:00/10:00", "2026-12-01 10:30/11:30")
    assert made.status_code == 201
    assert building.states("vish/w") == [
        "12-01 6.12 12-01 09:00",
        "12-08 6.12 12-08 10:30",
        "12-15 rejected no_alternative",
        "12-22 6.12 12-22 09:00",
    ]
    for day in ("01", "08", "15", "22"):
        building.one(f"neil/x{day}", f"2026-12-{day} 13:00/14:00")
    refused = building.reserve("vish/v", "2026-12-01 13:00/14:00")
    assert code(refused) == (409, "slot_taken")
    assert refused.json["error"]["details"]["occurrences"] == ["2026-12-01", "2026-12-08", "2026-12-15", "2026-12-22"]


def test_all_or_nothing(building: Building) -> None:
    building.one("neil/b", "2026-12-08 09:30/10:30")
    before = {page: dict(fields) for page, fields in building.service.tentative.items()}
    refused = building.reserve("vish/w", "2026-12-01 09:00/10:00", occurrences="all_or_nothing")
    assert code(refused) == (409, "slot_taken")
    details = refused.json["error"]["details"]
    assert details["occurrences"] == ["2026-12-08"]
    assert [one["id"] for one in details["taken"]] == ["neil/b"]
    assert building.service.tentative == before
    made = building.reserve("vish/w", "2026-12-01 10:00/11:00", merge="nearest_free_time", occurrences="all_or_nothing")
    assert building.states("vish/w")[1] == "12-08 6.12 12-08 10:30"
    assert made.status_code == 201


def test_a_displaced_occurrence_is_rejected_alone_or_with_all_or_nothing_the_whole_series(building: Building) -> None:
    for wanted in ("all_or_nothing", "best_effort"):
        here = Building(building.service.lua)
        here.reserve("vish/w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=2", occurrences=wanted)
        series = here.service.log[0]
        here.service.tentative = {}
        here.one("neil/b", "2026-12-08 09:30/10:30")
        outcomes = here.service.replay([here.service.log[1], series])
        if wanted == "all_or_nothing":
            assert outcomes[1] == "rejected rejected series\trejected no_alternative"
            assert here.states("vish/w") == ["12-01 rejected series", "12-08 rejected no_alternative"]
            held = {page for page in here.service.tentative if page.startswith("room:")}
            assert held == {"room:6.12/2026-12-08"}
        else:
            assert outcomes[1] == "merged updated 29935200/29935260 6.12\trejected no_alternative"


def test_one_occurrence_is_an_ordinary_reservation(building: Building) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00")
    slots = [building.slot("2026-12-09 15:00/16:00")]
    moved = building.ask("PATCH", "/reservations/vish/w~2026-12-08", {"slots": slots})
    assert (moved.status_code, moved.json["occurrence"]) == (200, "2026-12-08")
    gone = building.ask("DELETE", "/reservations/vish/w~2026-12-15?reason=holiday")
    assert gone.json["reason"] == {"code": "cancelled", "message": "Cancelled by vish: holiday", "by": "vish"}
    assert building.states("vish/w") == [
        "12-01 6.12 12-01 09:00",
        "12-08 6.12 12-09 15:00",
        "12-15 cancelled cancelled",
        "12-22 6.12 12-22 09:00",
    ]
    assert code(building.ask("PATCH", "/reservations/vish/w", {"slots": slots})) == (404, "reservation_unknown")
    assert code(building.ask("GET", "/reservations/vish/w")) == (404, "reservation_unknown")


def test_this_and_later_occurrences_are_cancelled(building: Building) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00")
    gone = building.ask("DELETE", "/series/vish/w?from=vish/w~2026-12-15&request=x")
    assert gone.status_code == 200
    assert told(gone.json)[2:] == ["12-15 cancelled", "12-22 cancelled"]
    assert building.ask("DELETE", "/series/vish/w?from=2026-12-15&request=x").json == gone.json, "asked again"
    assert differs(building.ask("DELETE", "/series/vish/w?from=2026-12-15&request=x&reason=over")) == ["reason"]
    assert code(building.ask("DELETE", "/series/vish/w?from=2026-12-15&request=y")) == (409, "cancelled")
    building.one("neil/b", "2026-12-22 09:00/10:00")
    rest = building.ask("DELETE", "/series/vish/w?reason=over")
    assert told(rest.json) == ["12-01 cancelled cancelled", "12-08 cancelled cancelled", *told(gone.json)[2:]]
    assert len(building.service.log) == 4


def test_this_and_later_occurrences_move_by_days_and_local_time(building: Building) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00")
    building.one("neil/b", "2026-12-23 11:00/12:00")
    moved = building.move("vish/w?from=2026-12-08", "2026-12-09 11:30/12:30", request="m")
    assert told(moved.json) == [
        "12-01 6.12 12-01 09:00",
        "12-08 6.12 12-09 11:30",
        "12-15 6.12 12-16 11:30",
        "12-22 6.12 12-22 09:00",
    ], "the one that finds nothing stays"
    assert (
        building.move("vish/w?from=2026-12-08", "2026-12-09 11:30/12:30", request="m").json["series"]
        == moved.json["series"]
    )
    assert differs(building.move("vish/w?from=2026-12-08", "2026-12-30 11:30/12:30", request="m")) == ["slots"]
    assert differs(building.move("vish/w?from=2026-12-15", "2026-12-09 11:30/12:30", request="m")) == ["from"]
    assert "op" in differs(building.ask("DELETE", "/series/vish/w?request=m"))
    assert building.states("vish/w") == told(moved.json)
    refused = building.move("vish/w?from=2026-12-08", "2026-12-09 11:00/12:00", occurrences="all_or_nothing")
    assert code(refused) == (409, "slot_taken")
    assert refused.json["error"]["details"]["occurrences"] == ["2026-12-22"]
    assert building.states("vish/w") == told(moved.json)
    elsewhere = building.move("vish/w", "2026-12-02 11:00/12:00", room="7.01", occurrences="all_or_nothing")
    assert told(elsewhere.json)[3] == "12-22 7.01 12-23 11:00"


@pytest.mark.parametrize(("to", "wanted"), [("2026-12-08", "best_effort"), ("2026-11-24", "all_or_nothing")])
def test_a_series_may_move_onto_its_own_slots(building: Building, to: str, wanted: str) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00")
    moved = building.move("vish/w", f"{to} 09:30/10:30", occurrences=wanted)
    weeks = ["12-08", "12-15", "12-22", "12-29"] if to > "2026-12" else ["11-24", "12-01", "12-08", "12-15"]
    assert [one[6:] for one in told(moved.json)] == [f"6.12 {day} 09:30" for day in weeks]
    held = [field for page, fields in building.service.tentative.items() if page[:5] == "room:" for field in fields]
    assert len(held) == 4


def test_local_time_is_kept_over_clock_changes(lua: Lua) -> None:
    building = Building(lua)
    made = building.reserve("vish/w", "2027-03-21 09:00/10:00", rule="FREQ=WEEKLY;COUNT=3")
    assert [one["slot"]["start"][11:] for one in made.json["series"]["reservations"]] == [
        "09:00:00+01:00",
        "09:00:00+02:00",
        "09:00:00+02:00",
    ]
    gap = building.reserve("vish/g", "2027-03-26 02:30/03:30", rule="FREQ=DAILY;COUNT=4")
    assert code(gap) == (400, "bad_input")
    assert "on 2027-03-28 clocks skip 02:30 in Europe/Brussels" in gap.json["error"]["message"]
    left = building.reserve("vish/g", "2027-03-26 02:30/03:30", rule="FREQ=DAILY;COUNT=4", **leaving("2027-03-28"))
    assert [line[:5] for line in told(left.json)] == ["03-26", "03-27", "03-29"]
    autumn = Building(lua, offset="+02:00")
    twice = autumn.reserve("vish/f", "2027-10-30 02:30/03:30", rule="FREQ=DAILY;COUNT=2").json["series"]
    assert twice["reservations"][1]["slot"] == {
        "start": "2027-10-31T02:30:00+02:00",
        "end": "2027-10-31T03:30:00+01:00",
    }


@pytest.mark.parametrize(
    ("rule", "more", "status", "field", "says"),
    [
        ("FREQ=WEEKLY", {}, 400, "rule", "must have either COUNT"),
        ("FREQ=HOURLY;COUNT=2", {}, 400, "rule", "is not valid"),
        ("FREQ=WEEKLY;COUNT=2;COUNT=3", {}, 400, "rule", "appears twice"),
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=2", {}, 400, "rule", "BYDAY leaves out"),
        ("FREQ=WEEKLY;BYHOUR=3;COUNT=2", {}, 400, "rule", "is unknown; use FREQ"),
        ("COUNT=2", {}, 400, "rule", "FREQ is missing"),
        ("FREQ=DAILY;UNTIL=20991231", {}, 400, "rule", "ten years"),
        ("FREQ=YEARLY;COUNT=12", {}, 400, "rule", "only 11 of 12"),
        ("FREQ=WEEKLY;COUNT=1", {"except": ["2026-12-01"]}, 400, "except", "`except` has the dates of all occurrences"),
        ("FREQ=WEEKLY;COUNT=2", {"except": ["soon"]}, 400, "except.0", "is not a date"),
        ("FREQ=WEEKLY;COUNT=2", {"series": "label"}, 400, "series", "makes a new series"),
        ("FREQ=WEEKLY;COUNT=2", {"occurrences": "some"}, 400, "occurrences", "must be 'all_or_nothing'"),
        (None, {"except": ["2026-12-01"]}, 400, "except", "is only for a series"),
        (None, {"occurrences": "best_effort"}, 400, "occurrences", "is only for a series"),
        ("FREQ=DAILY;COUNT=366", {}, 413, None, "Only the first 199 fit"),
    ],
)
def test_an_invalid_series_is_refused(
    building: Building, rule: str | None, more: dict[str, Any], status: int, field: str | None, says: str
) -> None:
    refused = building.reserve("vish/w", "2026-12-01 09:00/10:00", rule=rule, **more)
    assert refused.status_code == status
    assert refused.json["error"]["details"].get("field") == field
    assert says in refused.json["error"]["message"]
    assert building.service.tentative == {}


def test_occurrences_that_would_overlap_are_refused(building: Building) -> None:
    slot = {"start": "2026-12-01T09:00+01:00", "end": "2026-12-02T09:01+01:00"}
    body = {"room": "6.12", "slots": [slot], "rule": "FREQ=DAILY;COUNT=2"}
    assert "would overlap" in building.ask("POST", "/reservations", body).json["error"]["message"]


def test_only_the_owner_changes_a_series(building: Building) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00")
    assert code(building.move("vish/w", "2026-12-01 11:00/12:00", user="neil")) == (403, "not_owner")
    assert code(building.ask("DELETE", "/series/vish/w", user="neil")) == (403, "not_owner")
    assert code(building.ask("GET", "/series/vish/none")) == (404, "series_unknown")
    assert code(building.ask("DELETE", "/series/vish/w?from=w")) == (400, "bad_input")
    building.one("vish/a", "2026-12-03 09:00/10:00")
    assert code(building.ask("DELETE", "/series/vish/a")) == (404, "series_unknown")


def test_a_write_is_described_for_each_occurrence(building: Building) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=2")
    write = building.service.log[0]
    described = APPLICATION.describe(write, "merged updated 29935200/29935260 6.12\trejected no_alternative")
    assert [(part["reservation"], part["outcome"]) for part in described["parts"]] == [
        ("vish/w~2026-12-01", "updated"),
        ("vish/w~2026-12-08", "rejected"),
    ]
    assert described["parts"][0]["result"]["room"] == "6.12"
    assert described["parts"][1]["result"] is None
    assert len(APPLICATION.describe(write, "revoked")["parts"]) == 2


def test_each_occurrence_has_its_events(building: Building) -> None:
    building.reserve("vish/w", "2026-12-01 09:00/10:00", rule="FREQ=WEEKLY;COUNT=2")
    write = building.service.log[0]
    was = "updated updated 29935200/29935260 6.12\tupdated 29945280/29945340 6.12"
    now = "merged updated 29935200/29935260 6.12\trejected no_alternative"
    changes = [Change(write.id, 3, was, now)]
    entry = {"kind": "received", "from": "two", "changes": changes}
    told = expand("1-1", entry, {write.id: write}, Describer((APPLICATION,)), "one").events
    assert [(event.name, event.data["reservation"], event.data["outcome"]) for event in told] == [
        ("committed", "vish/w~2026-12-01", "updated"),
        ("rejected", "vish/w~2026-12-08", "rejected"),
        ("committed", "vish/w~2026-12-08", "rejected"),
    ]
    assert (told[1].data["before"]["start"][:10], told[1].data["after"]) == ("2026-12-08", None)
    assert len({event.cursor for event in told}) == 3


def test_an_occurrence_keeps_the_pages_that_may_hold_it(building: Building) -> None:
    merge = {"name": "nearest_free_time", "window_min": 600}
    building.reserve("vish/w", "2026-12-01 22:00/23:30", "2026-12-03 09:00/10:00", merge=merge)
    days = {"room:6.12/2026-12-08", "room:6.12/2026-12-10"}

    def room_pages() -> set[str]:
        held = decode_reservation(building.service.tentative["reservation:vish/w~2026-12-08"])
        assert held is not None
        return set(held.room_pages)

    assert room_pages() == days
    building.move("vish/w?from=2026-12-08", "2026-12-11 09:00/10:00", request="m")
    assert room_pages() == days | {"room:6.12/2026-12-11"}, "the move may give way"
    building.service.commit()
    building.move("vish/w?from=2026-12-08", "2026-12-12 09:00/10:00", request="n")
    assert room_pages() == {"room:6.12/2026-12-11", "room:6.12/2026-12-12"}


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ("updated updated\tunknown", ["reservation:vish/w", "reservation:vish/w~2026-12-01"]),
        ("unknown unknown\tcancelled", []),
        ("unknown", []),
    ],
)
def test_a_write_that_changed_no_occurrence_is_not_in_its_history(lua: Lua, outcome: str, told: list[str]) -> None:
    days = [{"date": "2026-12-01"}, {"date": "2026-12-08"}]
    args = {"series": "vish/w", "room": "6.12", "occurrences": days}
    write = {"id": "1@one", "op": "cancel_series", "user": "vish", "request": "c", "args": args}
    script = f"local app = (function()\n{rules(APPLICATION)}\nend)()\nreturn app.notes(cjson.decode(ARGV[1]), ARGV[2])"
    notes = lua.client.eval(script, 0, json.dumps(write), outcome)
    assert [page.decode() for page in notes[::2]] == told


def listed(building: Building, name: str, **more: Any) -> Any:
    """Reserve a series whose request lists each occurrence with its date and its slot. The occurrence of 1 December is
    on 1 December at 9:00, in 6.12. The occurrence of 8 December is on 9 December at 14:00, in 6.13."""
    times = [
        {"date": "2026-12-08", **building.slot("2026-12-09 14:00/15:00"), "room": "6.13", "purpose": "guests"},
        {"date": "2026-12-01", **building.slot("2026-12-01 09:00/10:00")},
    ]
    user, _, request = name.partition("/")
    body = {"room": "6.12", "times": times, "purpose": "tea", "request": request, "rule": "FREQ=WEEKLY", **more}
    return building.ask("POST", "/series", body, user)


def test_the_occurrences_of_a_series_may_be_listed(building: Building) -> None:
    answer = listed(building, "vish/s")
    assert answer.status_code == 201, answer.json
    assert told(answer.json) == ["12-01 6.12 12-01 09:00", "12-08 6.13 12-09 14:00"]
    assert [one["purpose"] for one in answer.json["series"]["reservations"]] == ["tea", "guests"]
    assert listed(building, "vish/s").status_code == 200
    assert differs(listed(building, "vish/s", purpose="cake")) == ["purpose"]
    building.one("neil/other", "2026-12-09 14:00/15:00", room="7.01")
    assert building.ask("DELETE", "/series/vish/s").status_code == 200
    assert building.states("vish/s") == ["12-01 cancelled", "12-08 cancelled"]


def test_listed_occurrences_have_different_dates_and_known_rooms(building: Building) -> None:
    time = {"date": "2026-12-01", **building.slot("2026-12-01 09:00/10:00")}
    assert code(listed(building, "vish/s", times=[time, time])) == (400, "bad_input")
    assert code(listed(building, "vish/s", times=[{**time, "room": "none"}])) == (404, "room_unknown")
    assert listed(building, "vish/s", times=[{**time, "room": "none"}], new_room=True).status_code == 201


def test_a_move_may_change_the_purpose(building: Building) -> None:
    building.one("vish/a", "2026-12-01 09:00/10:00", purpose="tea")
    body = {"slots": [building.slot("2026-12-01 09:00/10:00")], "purpose": "cake", "request": "m"}
    for _ in range(2):
        answer = building.ask("PATCH", "/reservations/vish/a", body)
        assert (answer.status_code, answer.json["purpose"], answer.json["changed_by"]) == (200, "cake", ["m"])
    assert differs(building.ask("PATCH", "/reservations/vish/a", {**body, "purpose": "pie"})) == ["purpose"]
    elsewhere = {**body, "request": "n", "room": "attic", "purpose": ""}
    assert code(building.ask("PATCH", "/reservations/vish/a", elsewhere)) == (404, "room_unknown")
    moved = building.ask("PATCH", "/reservations/vish/a", {**elsewhere, "new_room": True}).json
    assert (moved["room"], moved["purpose"]) == ("attic", "")
    day = "from=2026-12-01T00:00Z&to=2026-12-02T00:00Z"
    assert building.ask("GET", f"/rooms/attic/calendar?{day}").json["reservations"][0]["purpose"] == ""
    assert building.ask("GET", f"/rooms/6.12/calendar?{day}").json["reservations"] == []


def test_names_of_rooms_may_have_emoji_joiners_and_any_space(building: Building) -> None:
    building.one("vish/a", "2026-12-01 09:00/10:00", room="Lab 👩‍💻", new_room=True)
    building.one("vish/b", "2026-12-01 09:00/10:00", room="Salle\u00a0B53", new_room=True)
    assert building.ask("GET", "/reservations/vish/b").json["room"] == "Salle B53"
    rooms = {room["name"] for room in building.ask("GET", "/rooms").json["rooms"]}
    assert rooms >= {"Lab 👩‍💻", "Salle B53"}


def test_a_move_names_the_dates_that_stay(lua: Lua) -> None:
    service = FakeService(lua)
    client = client_of(service)
    headers, times = {"Bayou-User": "vish"}, {"start": "2026-12-01T09:00Z", "end": "2026-12-01T10:00Z"}
    made = {"room": "6.12", "slots": [times], "rule": "FREQ=DAILY;COUNT=3", "request": "s"}
    client.post("/reservations", json=made, headers=headers)
    taken = {"start": "2026-12-02T14:00Z", "end": "2026-12-02T15:00Z"}
    client.post("/reservations", json={"room": "6.12", "slots": [taken]}, headers=headers)
    to = {"slots": [{"start": "2026-12-01T14:00Z", "end": "2026-12-01T15:00Z"}], "request": "m"}
    assert client.patch("/series/vish/s", json=to, headers=headers).json["unmoved"] == ["2026-12-02"]
    assert client.patch("/series/vish/s", json=to, headers=headers).json["unmoved"] is None
    whole = {**to, "occurrences": "all_or_nothing", "request": "n"}
    whole["slots"] = [{"start": "2026-12-01T13:30Z", "end": "2026-12-01T14:30Z"}]
    refused = client.patch("/series/vish/s", json=whole, headers=headers)
    assert (refused.status_code, refused.json["error"]["details"]["occurrences"]) == (409, ["2026-12-02"])
    assert client.patch("/series/vish/s", json={"purpose": "tea"}, headers=headers).json["unmoved"] == []
