"""Requests that change only the purpose of a reservation or of a series."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.rooms_harness import FakeService, Lua, client_of

SLOT = {"start": "2026-12-01T23:00Z", "end": "2026-12-02T01:00Z"}  # on two pages of its room
LATER = {"start": "2026-12-01T11:00Z", "end": "2026-12-01T12:00Z"}
VISH, NEIL = {"Bayou-User": "vish"}, {"Bayou-User": "neil"}
RESERVE = {"room": "6.12", "slots": [SLOT, LATER], "purpose": "tea", "request": "a"}
DAYS = "/rooms/6.12/calendar?from=2026-12-01T00:00Z&to=2026-12-20T00:00Z"


@pytest.fixture
def service(lua: Lua) -> FakeService:
    return FakeService(lua)


@pytest.fixture
def client(service: FakeService) -> Any:
    return client_of(service)


def purposes(client: Any) -> list[str]:
    return [one["purpose"] for one in client.get(DAYS, headers=VISH).json["reservations"]]


def test_a_purpose_is_changed_wherever_it_stands(client: Any, service: FakeService) -> None:
    client.post("/reservations", json=RESERVE, headers=VISH)
    service.commit()
    answer = client.patch("/reservations/vish/a", json={"purpose": "coffee and cake", "request": "e"}, headers=VISH)
    assert (answer.status_code, answer.json["purpose"], answer.json["state"]) == (200, "coffee and cake", "tentative")
    assert answer.json["slot"]["start"] == "2026-12-01T23:00:00+00:00"
    assert purposes(client) == ["coffee and cake"]
    days = [page for name, page in service.tentative.items() if name.startswith("room:")]
    assert [value.split("\t")[3] for page in days for value in page.values()] == ["coffee and cake"] * 2
    again = client.patch("/reservations/vish/a", json={"purpose": "coffee and cake", "request": "e"}, headers=VISH)
    assert (again.status_code, len(service.log)) == (200, 2)
    other = client.patch("/reservations/vish/a", json={"purpose": "soup", "request": "e"}, headers=VISH)
    assert (other.status_code, other.json["error"]["details"]["differs"]) == (409, ["purpose"])
    assert client.post("/reservations", json=RESERVE, headers=VISH).status_code == 200  # still the same request
    assert client.patch("/reservations/vish/a", json={"purpose": "x"}, headers=NEIL).status_code == 403


def test_a_purpose_is_kept_by_a_move_and_may_be_empty(client: Any) -> None:
    client.post("/reservations", json=RESERVE, headers=VISH)
    client.patch("/reservations/vish/a", json={"purpose": "coffee"}, headers=VISH)
    assert client.patch("/reservations/vish/a", json={"slots": [LATER]}, headers=VISH).json["purpose"] == "coffee"
    assert purposes(client) == ["coffee"]
    assert client.patch("/reservations/vish/a", json={"purpose": ""}, headers=VISH).json["purpose"] == ""
    assert purposes(client) == [""]


def test_the_purpose_of_a_series_is_changed_from_a_date_on(client: Any) -> None:
    client.post("/reservations", json=RESERVE | {"rule": "FREQ=DAILY;COUNT=4"}, headers=VISH)
    path = "/series/vish/a?from=2026-12-03"
    answer = client.patch(path, json={"purpose": "coffee", "request": "e"}, headers=VISH)
    assert answer.status_code == 200
    assert purposes(client) == ["tea", "tea", "coffee", "coffee"]
    assert client.patch(path, json={"purpose": "coffee", "request": "e"}, headers=VISH).status_code == 200
    moved = client.patch(path, json={"purpose": "soup", "slots": [LATER | {"start": "2026-12-03T11:00Z",
                         "end": "2026-12-03T12:00Z"}]}, headers=VISH)  # fmt: skip
    assert [one["purpose"] for one in moved.json["series"]["reservations"]] == ["tea", "tea", "soup", "soup"]
