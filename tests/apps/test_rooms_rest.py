"""The REST endpoints of the rooms: their answers, and the codes and fields of their refusals."""

from __future__ import annotations

from typing import Any

import pytest

from apps.rooms import APPLICATION
from tests.support.rooms_harness import FakeService, Lua, client_of

SLOT = {"start": "2026-12-01T09:00Z", "end": "2026-12-01T10:00Z"}
LATER = {"start": "2026-12-01T11:00Z", "end": "2026-12-01T12:00Z"}
YEAR = {"start": "2026-12-01T00:00Z", "end": "2027-12-01T00:00Z"}
NEXT_YEAR = {"start": "2028-01-01T00:00Z", "end": "2028-12-01T00:00Z"}
DAY = "from=2026-12-01T00:00Z&to=2026-12-02T00:00Z"
VISH = {"Bayou-User": "vish"}
NEIL = {"Bayou-User": "neil"}


@pytest.fixture
def service(lua: Lua) -> FakeService:
    """A replica with two reservations of the user vish: vish/a (room 6.12, 9:00 to 10:00) is committed, and vish/over
    is cancelled."""
    service = FakeService(lua)
    client = client_of(service)
    client.post("/reservations", json=body(request="a", purpose="tea"), headers=VISH)
    client.post("/reservations", json=body(request="over", slots=[LATER]), headers=VISH)
    client.delete("/reservations/vish/over", headers=VISH)
    service.commit()
    return service


def body(**members: Any) -> dict[str, Any]:
    return {"room": "6.12", "slots": [SLOT], **members}


def slots(*given: Any) -> dict[str, Any]:
    return body(slots=list(given))


def nearest(window_min: Any) -> dict[str, Any]:
    return body(merge={"name": "nearest_free_time", "window_min": window_min})


def others(*rooms: Any) -> dict[str, Any]:
    return body(merge={"name": "another_room", "rooms": list(rooms)})


MANY = [SLOT] * 11

REFUSED = [  # method, path, body, status, code, field
    ("POST", "/reservations", {}, 400, "bad_input", "room"),
    ("POST", "/reservations", [], 400, "bad_input", "body"),
    ("POST", "/reservations", {"room": "6.12"}, 400, "bad_input", "slots"),
    ("POST", "/reservations", body(colour="red"), 400, "bad_input", "colour"),
    ("POST", "/reservations", body(purpose="pay\u202elaor"), 400, "bad_input", "purpose"),
    ("POST", "/reservations", body(purpose="\u2066a"), 400, "bad_input", "purpose"),
    ("POST", "/reservations", body(room="6.12\u200f"), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room=612), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room=""), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room=" 6.12"), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room="6/12"), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room=".."), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room="6\t12"), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room="6\u200b12"), 400, "bad_input", "room"),
    ("POST", "/reservations", body(room="\ud800"), 400, "bad_input", "body"),
    ("POST", "/reservations", body(room="x" * 65), 400, "bad_input", "room"),
    ("POST", "/reservations", body(purpose="x" * 201), 400, "bad_input", "purpose"),
    ("POST", "/reservations", body(purpose="two\nlines"), 400, "bad_input", "purpose"),
    ("POST", "/reservations", body(purpose=None), 400, "bad_input", "purpose"),
    ("POST", "/reservations", body(request="a/b"), 400, "bad_input", "request"),
    ("POST", "/reservations", body(request="."), 400, "bad_input", "request"),
    ("POST", "/reservations", body(series="x" * 65), 400, "bad_input", "series"),
    ("POST", "/reservations", body(new_room="yes"), 400, "bad_input", "new_room"),
    ("POST", "/reservations", body(slots=SLOT), 400, "bad_input", "slots"),
    ("POST", "/reservations", slots(), 400, "bad_input", "slots"),
    ("POST", "/reservations", slots(*MANY), 400, "bad_input", "slots"),
    ("POST", "/reservations", slots("nine"), 400, "bad_input", "slots.0"),
    ("POST", "/reservations", slots(SLOT, {"start": SLOT["start"]}), 400, "bad_input", "slots.1.end"),
    ("POST", "/reservations", slots({**SLOT, "room": "6.13"}), 400, "bad_input", "slots.0.room"),
    ("POST", "/reservations", slots({**SLOT, "start": "2026-12-01T09:00"}), 400, "bad_input", "slots.0.start"),
    ("POST", "/reservations", slots({**SLOT, "start": "2026-12-01T09:00:01Z"}), 400, "bad_input", "slots.0.start"),
    ("POST", "/reservations", slots({**SLOT, "end": SLOT["start"]}), 400, "bad_input", "slots.0.end"),
    ("POST", "/reservations", slots({**SLOT, "end": "2027-12-03T09:00Z"}), 400, "bad_input", "slots.0.end"),
    ("POST", "/reservations", body(merge="hope"), 400, "bad_input", "merge"),
    ("POST", "/reservations", body(merge=7), 400, "bad_input", "merge"),
    ("POST", "/reservations", body(merge={}), 400, "bad_input", "merge"),
    ("POST", "/reservations", body(merge={"name": "give_up", "rooms": []}), 400, "bad_input", "merge.rooms"),
    ("POST", "/reservations", nearest(0), 400, "bad_input", "merge.window_min"),
    ("POST", "/reservations", nearest(1441), 400, "bad_input", "merge.window_min"),
    ("POST", "/reservations", nearest("60"), 400, "bad_input", "merge.window_min"),
    ("POST", "/reservations", nearest(True), 400, "bad_input", "merge.window_min"),
    ("POST", "/reservations", others(), 400, "bad_input", "merge.rooms"),
    ("POST", "/reservations", others("6.13", "a/b"), 400, "bad_input", "merge.rooms.1"),
    ("POST", "/reservations", others("6.31"), 404, "room_unknown", None),
    ("POST", "/reservations", body(room="6.21"), 404, "room_unknown", None),
    ("POST", "/reservations", slots(YEAR, NEXT_YEAR), 413, "too_large", None),
    ("POST", "/reservations", body(), 409, "slot_taken", None),
    ("PATCH", "/reservations/vish/a", {}, 400, "bad_input", "slots"),
    ("PATCH", "/reservations/vish/a", {"room": "6.13", "purpose": "x"}, 400, "bad_input", "slots"),
    ("PATCH", "/reservations/vish/a", {"purpose": "two\nlines"}, 400, "bad_input", "purpose"),
    ("PATCH", "/reservations/vish/over", {"purpose": "x"}, 409, "cancelled", None),
    ("PATCH", "/reservations/vish/a", {"slots": [SLOT], "series": "x"}, 400, "bad_input", "series"),
    ("PATCH", "/reservations/vish/a", body(room="9.99"), 404, "room_unknown", None),
    ("PATCH", "/reservations/vish/none", {"slots": [SLOT]}, 404, "reservation_unknown", None),
    ("PATCH", "/reservations/neil/a", {"slots": [SLOT]}, 404, "reservation_unknown", None),
    ("PATCH", "/reservations/vish/over", {"slots": [LATER]}, 409, "cancelled", None),
    ("DELETE", "/reservations/vish/none", None, 404, "reservation_unknown", None),
    ("DELETE", "/reservations/vish/over", None, 409, "cancelled", None),
    ("DELETE", "/reservations/vish/a?request=a%20b", None, 400, "bad_input", "request"),
    ("DELETE", "/reservations/vish/a?why=so", None, 400, "bad_input", "why"),
    ("GET", "/reservations/vish/none", None, 404, "reservation_unknown", None),
    ("GET", "/reservations/vish/%FF%00", None, 404, "reservation_unknown", None),
    ("GET", "/rooms/6.12/calendar", None, 400, "bad_input", "from"),
    ("GET", "/rooms/6.12/calendar?from=2026-12-01T00:00Z", None, 400, "bad_input", "to"),
    ("GET", "/rooms/6.12/calendar?from=2026-12-01T00:00Z&to=2026-12-01T00:00Z", None, 400, "bad_input", "to"),
    ("GET", "/rooms/6.12/calendar?from=2026-12-01T00:00Z&to=2027-02-01T00:01Z", None, 400, "bad_input", "to"),
    ("GET", f"/rooms/6.12/calendar?{DAY}&view=both", None, 400, "bad_input", "view"),
    ("GET", f"/rooms/6.12/calendar?{DAY}&room=6.12", None, 400, "bad_input", "room"),
    ("GET", f"/rooms/9.99/calendar?{DAY}", None, 404, "room_unknown", None),
    ("GET", f"/rooms/%01/calendar?{DAY}", None, 404, "room_unknown", None),
    ("GET", "/users/vish/reservations?to=tomorrow", None, 400, "bad_input", "to"),
]


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_why_and_changes_nothing(service: FakeService, case: tuple[Any, ...]) -> None:
    method, path, sent, status, code, field = case
    before = {page: dict(fields) for page, fields in service.tentative.items()}
    answer = client_of(service).open(path, method=method, json=sent, headers=VISH)
    assert (answer.status_code, answer.json["error"]["code"]) == (status, code)
    assert answer.json["error"]["details"].get("field") == field
    assert answer.json["error"]["message"].endswith(".")
    assert "Input should" not in answer.json["error"]["message"], "a sentence of ours, not of pydantic"
    assert service.tentative == before


@pytest.mark.parametrize("sent", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b'"text"'])
def test_a_body_that_is_not_a_json_object_is_refused(service: FakeService, sent: bytes) -> None:
    answer = client_of(service).post("/reservations", data=sent, headers=VISH)
    assert answer.status_code == 400
    assert answer.json["error"]["details"] == {"field": "body"}


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/reservations"), ("PATCH", "/reservations/vish/a"), ("DELETE", "/reservations/vish/a")],
)
def test_a_write_needs_a_user(service: FakeService, method: str, path: str) -> None:
    sent = body() if method == "POST" else {"slots": [SLOT]}
    answer = client_of(service).open(path, method=method, json=sent)
    assert (answer.status_code, answer.json["error"]["code"]) == (401, "user_missing")


@pytest.mark.parametrize(("method", "sent"), [("PATCH", {"slots": [LATER]}), ("DELETE", None)])
def test_only_the_owner_changes_a_reservation(service: FakeService, method: str, sent: Any) -> None:
    answer = client_of(service).open("/reservations/vish/a", method=method, json=sent, headers=NEIL)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "not_owner")


def test_a_reservation_is_shown_with_all_members(service: FakeService) -> None:
    shown = {
        "id": "vish/a",
        "user": "vish",
        "request": "a",
        "owner": "vish",
        "room": "6.12",
        "slot": {"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"},
        "purpose": "tea",
        "state": "committed",
        "final": True,
        "reason": None,
        "series": None,
        "occurrence": None,
        "asked": [{"room": "6.12", "start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}],
        "changed_by": [],
    }
    assert client_of(service).get("/reservations/vish/a").json == shown
    assert client_of(service).post("/reservations", json=body(request="a", purpose="tea"), headers=VISH).json == shown


def test_statuses_of_granted_requests(service: FakeService) -> None:
    client = client_of(service)
    made = client.post("/reservations", json=body(request="b", slots=[LATER], series="weekly"), headers=VISH)
    assert (made.status_code, made.json["state"], made.json["final"]) == (201, "tentative", False)
    assert made.json["series"] == "weekly"
    again = client.post("/reservations", json=body(request="b", slots=[LATER], series="weekly"), headers=VISH)
    assert again.status_code == 200
    assert client.patch("/reservations/vish/b", json={"slots": [LATER]}, headers=VISH).status_code == 200
    gone = client.delete("/reservations/vish/b?request=x", headers=VISH)
    assert (gone.status_code, gone.json["state"], gone.json["slot"]) == (200, "cancelled", None)
    assert client.delete("/reservations/vish/b?request=x", headers=VISH).json == gone.json


def test_a_request_without_an_id_gets_one(service: FakeService) -> None:
    client = client_of(service)
    first = client.post("/reservations", json=slots(LATER), headers=VISH).json
    assert client.post("/reservations", json=slots(LATER), headers=VISH).status_code == 409
    assert client.get(f"/reservations/{first['id']}").json == {**first, "held_by": ["one"]}


def test_slot_taken_lists_the_reservations_in_the_way(service: FakeService) -> None:
    client = client_of(service)
    client.post("/reservations", json=body(room="6.13", request="c"), headers=NEIL)
    answer = client.post("/reservations", json=others("6.13"), headers=NEIL)
    assert [(entry["room"], entry["user"], entry["id"]) for entry in answer.json["error"]["details"]["taken"]] == [
        ("6.12", "vish", "vish/a"),
        ("6.13", "neil", "neil/c"),
    ]
    client.post("/reservations", json=body(request="d", slots=[LATER]), headers=NEIL)
    both = {"start": "2026-12-01T09:30Z", "end": "2026-12-01T11:30Z"}
    answer = client.patch("/reservations/vish/a", json={"slots": [both]}, headers=VISH)
    assert [entry["id"] for entry in answer.json["error"]["details"]["taken"]] == ["neil/d"], "but not itself"
    assert "stays where it is" in answer.json["error"]["message"]
    assert "neil has 6.12 2026-12-01 11:00 to 12:00. The next free slot in 6.12 is" in answer.json["error"]["message"]


def test_an_unknown_room_is_refused_with_similar_names_unless_it_is_new(service: FakeService) -> None:
    client = client_of(service)
    refused = client.post("/reservations", json=body(room="6.122"), headers=VISH).json["error"]
    assert refused["details"]["close"][0] == "6.12"
    assert "Did you mean 6.12" in refused["message"]
    assert client.post("/reservations", json=body(room="Café é", new_room=True), headers=VISH).status_code == 201
    assert client.post("/reservations", json=body(room="Cafe\u0301 é"), headers=VISH).status_code == 409, "one name"
    told = client.get("/rooms").json
    assert (told["timezone"], told["next"]) == ("UTC", None)
    known = [(room["name"], room["listed"]) for room in told["rooms"]]
    assert known == [("6.12", True), ("6.13", True), ("7.01", True), ("Café é", False)]


def test_the_calendar_shows_both_views(service: FakeService) -> None:
    client = client_of(service)
    client.post("/reservations", json=body(request="b", slots=[LATER]), headers=NEIL)
    tentative = client.get(f"/rooms/6.12/calendar?{DAY}").json
    assert (tentative["view"], tentative["from"]) == ("tentative", "2026-12-01T00:00:00+00:00")
    assert [(entry["id"], entry["state"]) for entry in tentative["reservations"]] == [
        ("vish/a", "committed"),
        ("neil/b", "tentative"),
    ]
    committed = client.get(f"/rooms/6.12/calendar?{DAY}&view=committed").json
    assert [entry["id"] for entry in committed["reservations"]] == ["vish/a"]
    morning = client.get("/rooms/6.12/calendar?from=2026-12-01T10:00Z&to=2026-12-01T11:00Z").json
    assert morning["reservations"] == [], "what only touches the range is outside"


def test_a_users_reservations_are_listed_in_time_order_those_without_a_slot_last(service: FakeService) -> None:
    client = client_of(service)
    early = {"start": "2026-11-30T09:00Z", "end": "2026-11-30T10:00Z"}
    client.post("/reservations", json=body(request="z", slots=[early]), headers=VISH)
    listed = client.get("/users/vish/reservations").json
    assert listed["user"] == "vish"
    assert [entry["id"] for entry in listed["reservations"]] == ["vish/z", "vish/a", "vish/over"]
    listed = client.get("/users/vish/reservations?from=2026-12-01T00:00Z&to=2026-12-01T11:00Z").json
    assert [entry["id"] for entry in listed["reservations"]] == ["vish/a"]
    assert client.get("/users/nobody/reservations").json == {"user": "nobody", "reservations": [], "next": None}


def test_times_are_shown_in_the_zone_of_the_configuration(lua: Lua) -> None:
    client = client_of(FakeService(lua, "Europe/Amsterdam"))
    made = client.post("/reservations", json=body(), headers=VISH).json
    assert made["slot"]["start"] == "2026-12-01T10:00:00+01:00"


def test_a_write_is_described_for_screens(service: FakeService) -> None:
    made, _, cancelled = service.log
    nine = {"start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"}
    assert APPLICATION.describe(made, "updated 29935260/29935320 6.12") == {
        "reservation": "vish/a",
        "room": "6.12",
        "slots": [nine],
        "purpose": "tea",
        "owner": None,
        "merge": "first_free_alternative",
        "result": {"room": "6.12", **nine},
        "why": None,
    }
    assert APPLICATION.describe(made, "rejected no_alternative")["result"] is None
    assert APPLICATION.describe(cancelled, "updated")["room"] == "6.12"
    assert APPLICATION.describe(cancelled, "updated")["result"] is None
