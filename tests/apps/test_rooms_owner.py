"""Reservations whose owner is not the user who made them: a manager made them for the owner, or they were handed
over."""

from __future__ import annotations

from typing import Any

import pytest

from apps.rooms.settings import PolicySettings
from tests.apps.test_authority import LATER, Cluster
from tests.apps.test_people import OPERATOR, SLOT, Side, code
from tests.support.rooms_harness import FakeService, Lua, client_of

BODY = {"room": "6.12", "slots": [SLOT, LATER], "purpose": "tea", "request": "a"}
DAY = "from=2099-12-01T00:00Z&to=2099-12-02T00:00Z"
RULE = "FREQ=DAILY;COUNT=3"


class Staff(Cluster):
    """The manager `boss`, and the users `vish` and `neil`."""

    def __init__(self) -> None:
        super().__init__()
        self.neil = self.one.add("neil", "user")
        self.meet()


@pytest.fixture
def staff() -> Staff:
    return Staff()


def reserve(side: Side, token: str, **more: Any) -> Any:
    return side.ask("POST", "/reservations", token, json=BODY | more)


def give(side: Side, token: str, owner: str, path: str = "/reservations/vish/a", **more: Any) -> Any:
    return side.ask("PATCH", path, token, json={"owner": owner, **more})


def owned(side: Side, token: str, user: str) -> list[str]:
    answer = side.ask("GET", f"/users/{user}/reservations", token)
    return [one["id"] for one in answer.json["reservations"]]


def events(side: Side, token: str, name: str) -> list[tuple[str, str, str | None, str]]:
    found = side.ask("GET", f"/reservations/{name}/history", token).json["events"]
    return [(one["op"], one["user"], one["owner"], one["outcome"]) for one in found]


def test_a_reservation_that_a_manager_makes_for_a_user_belongs_to_that_user(staff: Staff) -> None:
    one, two = staff.sides
    made = reserve(one, staff.boss, owner="vish")
    assert made.status_code == 201
    assert [made.json[name] for name in ("id", "user", "request", "owner")] == ["boss/a", "boss", "a", "vish"]
    staff.meet()
    for side in staff.sides:
        (shown,) = side.ask("GET", f"/rooms/6.12/calendar?{DAY}", staff.neil).json["reservations"]
        assert (shown["id"], shown["user"], shown["owner"]) == ("boss/a", "boss", "vish")
        assert (owned(side, staff.neil, "vish"), owned(side, staff.neil, "boss")) == (["boss/a"], [])
        assert events(side, staff.vish, "boss/a") == [("reserve", "boss", "vish", "updated")]
    refused = two.ask("PATCH", "/reservations/boss/a", staff.boss, json={"slots": [LATER]})
    assert code(refused) == (403, "not_owner")
    assert "Only vish may change the reservation boss/a" in refused.json["error"]["message"]
    moved = two.ask("PATCH", "/reservations/boss/a", staff.vish, json={"slots": [LATER], "purpose": "soup"})
    assert (moved.json["owner"], moved.json["slot"]["start"][11:13]) == ("vish", "11")
    assert two.ask("PATCH", "/reservations/boss/a", staff.vish, json={"purpose": "tea"}).status_code == 200
    taken = reserve(two, staff.neil, slots=[LATER])
    assert "vish has 6.12" in taken.json["error"]["message"]
    cancelled = two.ask("DELETE", "/reservations/boss/a", staff.vish)
    assert (cancelled.json["state"], cancelled.json["owner"]) == ("cancelled", "vish")


def test_only_a_manager_makes_a_reservation_for_somebody_else(staff: Staff) -> None:
    one = staff.one
    refused = reserve(one, staff.vish, owner="neil")
    assert (code(refused), refused.json["error"]["details"]) == ((403, "forbidden"), {"needs": "manager"})
    assert reserve(one, staff.vish, owner="vish").json["owner"] == "vish"
    handed_over = give(one, staff.vish, "neil")  # the cure that the refusal names
    assert (handed_over.status_code, handed_over.json["owner"]) == (200, "neil")
    assert code(reserve(one, staff.boss, request="b", owner="nobody")) == (404, "person_unknown")
    assert code(give(one, staff.neil, "nobody")) == (404, "person_unknown")


def test_an_owner_who_has_handed_over_a_reservation_may_not_change_it(staff: Staff) -> None:
    one, two = staff.sides
    reserve(one, staff.vish)
    staff.meet()
    given = give(two, staff.vish, "neil", purpose="soup", request="h")
    assert [given.json[name] for name in ("id", "owner", "purpose")] == ["vish/a", "neil", "soup"]
    assert given.json["state"] == "tentative"
    assert give(two, staff.vish, "neil", purpose="soup", request="h").status_code == 200, "the same request again"
    assert code(give(two, staff.vish, "neil", purpose="soup", request="i")) == (403, "not_owner")
    (shown,) = two.ask("GET", f"/rooms/6.12/calendar?{DAY}&view=committed", staff.vish).json["reservations"]
    assert shown["owner"] == "vish"
    staff.meet()
    for side in staff.sides:
        assert (owned(side, staff.boss, "neil"), owned(side, staff.boss, "vish")) == (["vish/a"], [])
        assert events(side, staff.boss, "vish/a") == [
            ("reserve", "vish", None, "updated"),
            ("edit", "vish", "neil", "updated"),
        ]
    assert code(one.ask("DELETE", "/reservations/vish/a", staff.vish)) == (403, "not_owner")
    assert reserve(one, staff.vish).status_code == 200, "the request that made it is still the same"
    assert give(one, staff.neil, "vish").json["owner"] == "vish"
    assert owned(one, staff.boss, "vish") == ["vish/a"]
    assert reserve(one, staff.vish).status_code == 200


def test_a_manager_hands_over_what_others_own_and_nothing_else(staff: Staff) -> None:
    one = staff.one
    reserve(one, staff.vish)
    assert code(give(one, staff.neil, "neil")) == (403, "not_owner")
    assert code(give(one, staff.boss, "neil", purpose="soup")) == (403, "not_owner")
    assert give(one, staff.boss, "neil", request="h").json["owner"] == "neil"
    assert give(one, staff.boss, "neil", request="h").status_code == 200
    differs = give(one, staff.boss, "vish", request="h")
    assert (code(differs), differs.json["error"]["details"]["differs"]) == ((409, "request_differs"), ["owner"])
    reason = one.ask("DELETE", "/reservations/vish/a", staff.boss)
    assert reason.json["error"]["message"].endswith("which neil will read.")
    told = one.ask("DELETE", "/reservations/vish/a?reason=paint", staff.boss).json
    assert (told["state"], told["owner"], told["reason"]["by"]) == ("cancelled", "neil", "boss")


@pytest.mark.parametrize("body", [{"slots": [LATER], "owner": "neil"}, {}])
def test_a_change_of_the_owner_is_no_move(staff: Staff, body: Any) -> None:
    reserve(staff.one, staff.vish)
    answer = staff.one.ask("PATCH", "/reservations/vish/a", staff.vish, json=body)
    assert (code(answer), answer.json["error"]["details"]["field"]) == ((400, "bad_input"), "slots")


def test_a_former_manager_hands_nothing_over_and_makes_nothing_for_others(staff: Staff) -> None:
    one, two = staff.sides
    reserve(one, staff.vish)
    staff.meet()
    staff.give_role("boss", "user")
    assert give(two, staff.boss, "neil").json["owner"] == "neil"
    assert reserve(two, staff.boss, slots=[LATER], request="b", owner="neil").json["state"] == "tentative"
    staff.meet()
    for side in staff.sides:
        assert side.ask("GET", "/reservations/vish/a", staff.vish).json["owner"] == "vish"
        assert events(side, staff.vish, "vish/a")[-1] == ("edit", "boss", "neil", "forbidden")
        shown = side.ask("GET", "/reservations/boss/b", staff.vish).json
        assert (shown["state"], shown["owner"], shown["reason"]["code"]) == ("rejected", "neil", "forbidden")
    assert "no longer had the role that the write needs (manager)" in staff.last["describe"]["why"]


def test_a_move_after_a_hand_over_at_another_replica_is_forbidden(staff: Staff) -> None:
    """The owner hands the reservation over at one replica. Then the former owner moves the reservation at another
    replica, which does not know of the hand-over yet."""
    one, two = staff.sides
    reserve(one, staff.vish)
    staff.meet()
    assert give(one, staff.vish, "neil").status_code == 200
    assert two.ask("PATCH", "/reservations/vish/a", staff.vish, json={"slots": [LATER]}).status_code == 200
    staff.meet()
    for side in staff.sides:
        shown = side.ask("GET", "/reservations/vish/a", staff.vish).json
        assert (shown["owner"], shown["slot"]["start"][11:13]) == ("neil", "09")
        (conflict,) = side.ask("GET", "/conflicts", staff.vish).json["conflicts"]
        assert conflict["why"].endswith("only the owner of the reservation, or a manager with a reason, may do that.")


def test_one_request_for_two_owners_counts_once(staff: Staff) -> None:
    one, two = staff.sides
    reserve(one, staff.boss, owner="vish")
    reserve(two, staff.boss, owner="neil")
    again = reserve(one, staff.boss, owner="neil")
    assert (code(again), again.json["error"]["details"]["differs"]) == ((409, "request_differs"), ["owner"])
    staff.meet()
    assert staff.last["outcome"] == "differs"
    assert [owned(side, staff.vish, "vish") for side in staff.sides] == [["boss/a"]] * 2
    assert [owned(side, staff.vish, "neil") for side in staff.sides] == [[]] * 2


def test_the_owner_is_compared_when_the_log_has_dropped_the_request(staff: Staff) -> None:
    one = staff.one
    reserve(one, staff.boss, owner="vish")
    reserve(one, staff.vish, slots=[LATER])
    give(one, staff.vish, "neil")
    one.store.truncate(0)
    assert reserve(one, staff.boss, owner="vish").status_code == 200
    assert reserve(one, staff.vish, slots=[LATER]).status_code == 200, "it was made for vish"
    other = reserve(one, staff.boss, owner="neil")
    assert (code(other), other.json["error"]["details"]["differs"]) == ((409, "request_differs"), ["owner"])


def test_a_move_of_a_series_whose_occurrences_were_all_handed_over_is_forbidden_and_says_why(staff: Staff) -> None:
    one, two = staff.sides
    reserve(one, staff.vish, rule="FREQ=DAILY;COUNT=2", slots=[SLOT])
    staff.meet()
    for day in (1, 2):
        give(one, staff.vish, "neil", f"/reservations/vish/a~2099-12-0{day}")
    moved = two.ask("PATCH", "/series/vish/a", staff.vish, json={"slots": [LATER]})
    assert moved.json["unmoved"] == []
    staff.meet()
    assert staff.last["outcome"] == "forbidden"
    for part in staff.last["describe"]["parts"]:
        assert part["why"].endswith("only the owner of the reservation, or a manager with a reason, may do that.")
    refused = one.ask("PATCH", "/series/vish/a", staff.vish, json={"slots": [LATER]})
    assert code(refused) == (403, "not_owner")
    assert "Only neil may change the reservation vish/a~2099-12-01" in refused.json["error"]["message"]


def test_an_occurrence_that_was_handed_over_alone_keeps_its_owner_unless_a_manager_hands_over_the_series(
    staff: Staff,
) -> None:
    one, path = staff.one, "/series/vish/a"
    one.add("ravi", "user")
    reserve(one, staff.vish, rule=RULE, slots=[SLOT])
    give(one, staff.vish, "neil", "/reservations/vish/a~2099-12-02")
    given = give(one, staff.vish, "ravi", path).json["series"]
    assert (given["owner"], [held["owner"] for held in given["reservations"]]) == ("ravi", ["ravi", "neil", "ravi"])
    given = give(one, staff.boss, "vish", path).json["series"]
    assert {held["owner"] for held in given["reservations"]} == {"vish"}


def test_a_series_has_an_owner_and_is_handed_over_from_a_date_on(staff: Staff) -> None:
    one = staff.one
    made = reserve(one, staff.boss, owner="vish", rule=RULE, slots=[SLOT]).json["series"]
    assert (made["owner"], {held["owner"] for held in made["reservations"]}) == ("vish", {"vish"})
    assert reserve(one, staff.boss, owner="vish", rule=RULE, slots=[SLOT]).status_code == 200
    path = "/series/boss/a"
    assert code(give(one, staff.neil, "neil", path)) == (403, "not_owner")
    given = give(one, staff.vish, "neil", f"{path}?from=2099-12-02").json["series"]
    assert (given["owner"], [held["owner"] for held in given["reservations"]]) == ("neil", ["vish", "neil", "neil"])
    assert code(one.ask("DELETE", path, staff.vish)) == (403, "not_owner")
    longer = one.ask("POST", f"{path}/occurrences", staff.neil, json={"dates": ["2099-12-04"]}).json["series"]
    assert [held["owner"] for held in longer["reservations"]] == ["vish", "neil", "neil", "neil"]
    assert owned(one, staff.boss, "neil") == [f"boss/a~2099-12-0{day}" for day in (2, 3, 4)]
    assert owned(one, staff.boss, "vish") == ["boss/a~2099-12-01"]
    left = one.ask("DELETE", path, staff.neil).json["series"]["reservations"]
    assert [held["state"] for held in left] == ["committed", "cancelled", "cancelled", "cancelled"]
    assert one.ask("DELETE", "/reservations/boss/a~2099-12-01", staff.vish).json["state"] == "cancelled"


def test_an_occurrence_that_comes_back_belongs_to_the_owner_of_the_series(staff: Staff) -> None:
    one, path = staff.one, "/series/vish/a"
    reserve(one, staff.vish, rule=RULE, slots=[SLOT])
    one.ask("DELETE", "/reservations/vish/a~2099-12-02", staff.vish)
    give(one, staff.boss, "neil", path)
    back = one.ask("POST", f"{path}/occurrences", staff.neil, json={"dates": ["2099-12-02"]}).json["series"]
    assert {held["owner"] for held in back["reservations"]} == {"neil"}
    assert reserve(one, staff.vish, rule=RULE, slots=[SLOT]).status_code == 200
    assert len(owned(one, staff.boss, "neil")) == 3


def test_the_limit_of_open_reservations_counts_for_the_owner(lua: Lua) -> None:
    service = FakeService(lua, policies=PolicySettings(open_reservations=1), auth="none")
    client = client_of(service)

    def ask(method: str, path: str, user: str, **body: Any) -> Any:
        return client.open(path, method=method, json=body, headers={"Bayou-User": user})

    def make(user: str, request: str, hour: int, **more: Any) -> Any:
        slot = {"start": f"2026-12-01T{hour}:00Z", "end": f"2026-12-01T{hour}:30Z"}
        return ask("POST", "/reservations", user, room="6.12", slots=[slot], request=request, **more)

    assert make("vish", "a", 10, owner="neil").json["owner"] == "neil"  # without auth everybody may
    refused = make("neil", "b", 11)
    assert (code(refused), refused.json["error"]["message"][:39]) == (
        (409, "policy"),
        "With this request, neil would have more",
    )
    assert make("vish", "c", 11).status_code == 201
    refused = ask("PATCH", "/reservations/vish/c", "vish", owner="neil")
    assert (code(refused), refused.json["error"]["message"][:23]) == ((409, "policy"), "With this request, neil")
    assert ask("PATCH", "/reservations/vish/a", "neil", owner="ravi").json["owner"] == "ravi"
    assert (service.tentative["user:ravi"], service.tentative.get("user:neil", {})) == (
        {"vish/a": service.tentative["user:ravi"]["vish/a"]},
        {},
    )
    assert ask("PATCH", "/reservations/vish/c", "vish", owner="neil").json["owner"] == "neil"
    assert ask("DELETE", "/reservations/vish/a", "ravi").json["state"] == "cancelled"
    assert not service.tentative.get("user:ravi")


def test_feeds_name_the_owner_of_a_reservation(lua: Lua) -> None:
    client = client_of(FakeService(lua, auth="none"))
    body = BODY | {"slots": [{"start": "2026-12-01T10:00Z", "end": "2026-12-01T10:30Z"}], "owner": "neil"}
    assert client.post("/reservations", json=body, headers={"Bayou-User": "vish"}).status_code == 201
    feeds = [client.get(path).text for path in ("/users/neil/calendar.ics", "/rooms/6.12/calendar.ics")]
    assert ["CONTACT:neil" in feed and "X-BAYOU-RESERVATION:vish/a" in feed for feed in feeds] == [True, True]
    assert "VEVENT" not in client.get("/users/vish/calendar.ics").text


def test_the_operator_hands_over(staff: Staff) -> None:
    reserve(staff.one, staff.vish)
    assert give(staff.one, OPERATOR, "neil").json["owner"] == "neil"


def test_two_users_may_choose_the_same_request_id_for_one_reservation(staff: Staff) -> None:
    one, two = staff.sides
    reserve(one, staff.vish)
    staff.meet()
    moved = one.ask("PATCH", "/reservations/vish/a", staff.vish, json={"slots": [LATER], "request": "b"})
    assert moved.status_code == 200
    cancelled = two.ask("DELETE", "/reservations/vish/a?request=b&reason=painting", staff.boss)
    assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
    staff.meet()
    for side in staff.sides:
        assert [event[::3] for event in events(side, staff.vish, "vish/a")] == [
            ("reserve", "updated"),
            ("move", "updated"),
            ("cancel", "updated"),
        ]


def test_two_users_may_choose_the_same_request_id_for_one_series(staff: Staff) -> None:
    one, two = staff.sides
    reserve(one, staff.vish, rule=RULE)
    staff.meet()
    body = {"purpose": "soup", "request": "b"}
    assert one.ask("PATCH", "/series/vish/a", staff.vish, json=body).status_code == 200
    assert give(one, staff.boss, "neil", "/series/vish/a", request="b").status_code == 200
    assert one.ask("PATCH", "/series/vish/a", staff.neil, json=body | {"purpose": "tea"}).status_code == 200
    again = one.ask("PATCH", "/series/vish/a", staff.neil, json=body)
    assert code(again) == (409, "request_differs")
    staff.meet()
    shown = two.ask("GET", "/users/neil/reservations", staff.neil).json["reservations"]
    assert [occurrence["purpose"] for occurrence in shown] == ["tea"] * 3
