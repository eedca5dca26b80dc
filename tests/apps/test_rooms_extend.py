"""Requests that extend a series. The series gets further occurrences, or gets back dates that were left out or
cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rooms_harness import FakeService, Lua, client_of

VISH = {"Bayou-User": "vish"}
FIRST = {"start": "2026-10-20T09:00+02:00", "end": "2026-10-20T10:00+02:00"}  # clocks change on the 25th
SERIES = {"room": "6.12", "slots": [FIRST], "rule": "FREQ=WEEKLY;COUNT=3", "except": ["2026-10-27"], "purpose": "tea"}


@pytest.fixture
def service(lua: Lua) -> FakeService:
    return FakeService(lua, "Europe/Brussels")


@pytest.fixture
def client(service: FakeService) -> Any:
    client = client_of(service)
    assert client.post("/reservations", json=SERIES | {"request": "w"}, headers=VISH).status_code == 201
    return client


def extend(client: Any, user: str = "vish", **body: Any) -> Any:
    return client.post("/series/vish/w/occurrences", json=body, headers={"Bayou-User": user})


def starts(answer: Any) -> list[str]:
    return [one["slot"]["start"] for one in answer.json["series"]["reservations"] if one["slot"]]


def test_a_date_that_was_left_out_comes_back(client: Any) -> None:
    answer = extend(client, dates=["2026-10-27"], request="e")
    assert starts(answer) == [f"2026-{day}T09:00:00{offset}" for day, offset in
                              (("10-20", "+02:00"), ("10-27", "+01:00"), ("11-03", "+01:00"))]  # fmt: skip
    assert (answer.json["series"]["except"], answer.json["unmoved"]) == ([], [])
    again = extend(client, dates=["2026-10-27"], request="e")
    assert (again.status_code, again.json["unmoved"]) == (200, None)
    assert client.post("/reservations", json=SERIES | {"request": "w"}, headers=VISH).status_code == 200
    listed = client.get("/users/vish/reservations", headers=VISH).json["reservations"]
    assert [one["occurrence"] for one in listed] == ["2026-10-20", "2026-10-27", "2026-11-03"]


def test_a_cancelled_occurrence_comes_back_as_it_was(client: Any) -> None:
    client.patch("/reservations/vish/w~2026-11-03", json={"purpose": "cake"}, headers=VISH)
    client.delete("/reservations/vish/w~2026-11-03", headers=VISH)
    in_the_way = {"start": "2026-11-03T09:00+01:00", "end": "2026-11-03T10:00+01:00"}
    client.post("/reservations", json={"room": "6.12", "slots": [in_the_way], "request": "x"}, headers=VISH)
    taken = extend(client, dates=["2026-11-03"])
    assert (taken.status_code, taken.json["error"]["code"]) == (409, "slot_taken")
    assert client.get("/reservations/vish/w~2026-11-03").json["state"] == "cancelled"
    client.delete("/reservations/vish/x", headers=VISH)
    back = extend(client, dates=["2026-11-03"])
    assert starts(back)[-1] == "2026-11-03T09:00:00+01:00"
    assert client.delete("/reservations/vish/w~2026-11-03", headers=VISH).json["state"] == "cancelled"


def test_the_rule_goes_on_until_a_date(client: Any) -> None:
    client.post("/reservations", json={"room": "6.12", "slots": [
        {"start": "2026-11-17T09:30+01:00", "end": "2026-11-17T10:00+01:00"}]}, headers=VISH)  # fmt: skip
    answer = extend(client, until="2026-11-24", merge="give_up")
    assert answer.json["unmoved"] == ["2026-11-17"]
    assert [one["occurrence"] for one in answer.json["series"]["reservations"]] == [
        "2026-10-20", "2026-11-03", "2026-11-10", "2026-11-17", "2026-11-24"]  # fmt: skip
    assert answer.json["series"]["rule"] == "FREQ=WEEKLY;UNTIL=20261124"
    assert {one["purpose"] for one in answer.json["series"]["reservations"]} == {"tea"}
    whole = extend(client, until="2026-12-08", occurrences="all_or_nothing")
    assert (whole.status_code, len(starts(whole))) == (200, 6)


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({}, 400, "bad_input", "until"),
        ({"until": "2026-12-01", "dates": ["2026-12-01"]}, 400, "bad_input", "until"),
        ({"until": "2026-10-01"}, 400, "bad_input", "rule"),
        ({"until": "2026-11-03"}, 400, "bad_input", "until"),
        ({"dates": ["2026-11-03"]}, 400, "bad_input", "dates"),
        ({"dates": ["soon"]}, 400, "bad_input", "dates.0"),
    ],
)
def test_what_adds_nothing_is_refused(client: Any, body: dict[str, Any], status: int, code: str, field: str) -> None:
    answer = extend(client, **body)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert answer.json["error"]["details"]["field"] == field


def test_only_the_owner_extends_a_series(client: Any) -> None:
    answer = extend(client, user="neil", dates=["2026-10-27"])
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "not_owner")
    assert client.post("/series/vish/none/occurrences", json={"dates": ["2026-10-27"]}, headers=VISH).status_code == 404
