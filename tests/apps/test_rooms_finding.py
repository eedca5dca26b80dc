"""Finding a free room, the details of rooms, and lists that are read in parts."""

from __future__ import annotations

from typing import Any

import pytest

from apps.rooms.settings import RoomSettings
from tests.support.rooms_harness import FakeService, Lua, client_of

ROOMS = (
    RoomSettings(name="hall", capacity=80, features=("projector", "stage")),
    "6.12",
    RoomSettings(
        name="6.13",
        capacity=12,
        features=("projector", "white board"),
        location="Floor 6",
        opens="08:00",  # type: ignore[arg-type]
        closes="20:00",  # type: ignore[arg-type]
    ),
    RoomSettings(name="7.01", capacity=4),
    RoomSettings(name="7.02", capacity=4),
)
VISH = {"Bayou-User": "vish"}


@pytest.fixture
def client(lua: Lua) -> Any:
    return client_of(FakeService(lua, "Europe/Brussels", ROOMS))


def reserve(client: Any, room: str, request: str, start: str = "09:00", end: str = "10:00", **more: Any) -> None:
    slot = {"start": f"2026-12-01T{start}+01:00", "end": f"2026-12-01T{end}+01:00"}
    body = {"room": room, "slots": [slot], "request": request, **more}
    assert client.post("/reservations", json=body, headers=VISH).status_code == 201


def free(client: Any, start: str, end: str, more: str = "") -> list[str]:
    path = f"/rooms/free?from=2026-12-01T{start}%2B01:00&to=2026-12-01T{end}%2B01:00{more}"
    return [room["name"] for room in client.get(path).json["rooms"]]


def test_the_smallest_room_that_is_large_enough_comes_first(client: Any) -> None:
    assert free(client, "09:00", "10:00") == ["7.01", "7.02", "6.13", "hall", "6.12"], "unknown sizes last"
    assert free(client, "09:00", "10:00", "&capacity=4") == ["7.01", "7.02", "6.13", "hall"]
    assert free(client, "09:00", "10:00", "&capacity=5") == ["6.13", "hall"]
    assert free(client, "09:00", "10:00", "&features=projector,white board") == ["6.13"]
    assert free(client, "09:00", "10:00", "&features=projector&capacity=13") == ["hall"]
    assert free(client, "09:00", "10:00", "&features=pool") == []
    assert free(client, "19:00", "21:00", "&features=projector") == ["hall"], "6.13 closes at eight"


def test_a_free_room_is_free_for_the_whole_time_in_the_tentative_view(client: Any) -> None:
    reserve(client, "7.01", "a", "09:30", "10:00")
    reserve(client, "barn", "b", "09:00", "10:00", new_room=True)
    assert "7.01" not in free(client, "09:00", "10:00")
    assert "7.01" not in free(client, "09:45", "11:00")
    assert {"7.01", "barn"} <= set(free(client, "10:00", "11:00")), "touching is not overlapping; any known room counts"
    assert "barn" not in free(client, "08:00", "09:01")
    night = "/rooms/free?from=2026-12-01T23:00%2B01:00&to=2026-12-03T01:00%2B01:00"
    answer = client.get(night).json
    assert (answer["from"], answer["to"]) == ("2026-12-01T23:00:00+01:00", "2026-12-03T01:00:00+01:00")
    assert "7.01" in [room["name"] for room in answer["rooms"]]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "from"),
        ("from=2026-12-01T00:00Z&to=2026-12-01T00:00Z", 400, "to"),
        ("from=2026-12-01T00:00Z&to=2027-01-01T00:01Z", 400, "to"),
        ("from=2026-12-01T00:00Z&to=2026-12-02T00:00Z&capacity=0", 400, "capacity"),
        ("from=2026-12-01T00:00Z&to=2026-12-02T00:00Z&capacity=many", 400, "capacity"),
        ("from=2026-12-01T00:00Z&to=2026-12-02T00:00Z&size=3", 400, "size"),
    ],
)
def test_an_invalid_query_is_refused(client: Any, query: str, status: int, field: str) -> None:
    answer = client.get(f"/rooms/free?{query}")
    assert (answer.status_code, answer.json["error"]["details"]["field"]) == (status, field)


def test_a_query_that_reads_too_many_pages_is_refused(lua: Lua) -> None:
    rooms = [f"r{number}" for number in range(200)]
    answer = client_of(FakeService(lua, "UTC", rooms)).get("/rooms/free?from=2026-12-01T00:00Z&to=2026-12-31T00:00Z")
    assert (answer.status_code, answer.json["error"]["details"]["pages_max"]) == (413, 5000)


def test_a_room_is_shown_with_its_details(client: Any) -> None:
    told = {room["name"]: room for room in client.get("/rooms").json["rooms"]}
    assert told["6.13"] == {
        "name": "6.13",
        "listed": True,
        "capacity": 12,
        "features": ["projector", "white board"],
        "location": "Floor 6",
        "opens": "08:00",
        "closes": "20:00",
        "closed": [],
    }
    assert (told["6.12"]["capacity"], told["6.12"]["opens"], told["6.12"]["features"]) == (None, None, [])


def parts(client: Any, path: str, member: str) -> list[list[str]]:
    found, after = [], ""
    while True:
        answer = client.get(f"{path}{'&' if '?' in path else '?'}limit=3&after={after}").json
        found.append([one.get("name") or one["id"] for one in answer[member]])
        after = answer["next"]
        if after is None:
            return found


def test_rooms_come_in_parts(client: Any) -> None:
    for number, room in enumerate(["zoo", "barn", "Hall"]):
        reserve(client, room, f"r{number}", new_room=True)
    whole = [room["name"] for room in client.get("/rooms").json["rooms"]]
    assert whole == ["hall", "6.12", "6.13", "7.01", "7.02", "Hall", "barn", "zoo"]
    assert parts(client, "/rooms", "rooms") == [whole[:3], whole[3:6], whole[6:]]
    assert client.get("/rooms?limit=1001").status_code == client.get("/rooms?limit=0").status_code == 400


def test_a_users_reservations_come_in_parts(client: Any) -> None:
    for number in range(7):
        reserve(client, "6.12", f"r{number}", f"{20 - number}:00", f"{21 - number}:00")
    found = parts(client, "/users/vish/reservations", "reservations")
    assert found == [["vish/r2", "vish/r1", "vish/r0"], ["vish/r5", "vish/r4", "vish/r3"], ["vish/r6"]]
    evening = "/users/vish/reservations?from=2026-12-01T19:00%2B01:00"
    assert parts(client, evening, "reservations") == [["vish/r1", "vish/r0"], [], []]
