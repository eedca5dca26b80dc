"""Records over REST on real replicas. Each write carries a check and a merge procedure, which every replica runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from cluster.processes import Processes
from cluster.rest import TIMEOUT_S, Answer, Request, Rest, send
from tests.support.live import link, live, wait_until_equal

pytestmark = pytest.mark.process

MEETINGS = {
    "attributes": {"room": "text", "day": "text", "start": "integer", "stop": "integer", "who": "text"},
    "key": ["room", "day", "start"],
    "page_by": ["room", "day"],
}
INSERT = "INSERT INTO {} (room, day, start, stop, who) VALUES ('6.12', :day, :start, :stop, :user)"
FREE = "SELECT who FROM {} WHERE room = '6.12' AND day = :day AND start < :stop AND stop > :start"
DAY_1, DAY_2 = "2026-12-01", "2026-12-02"
ALTERNATIVES = [{"day": DAY_1, "start": 600, "stop": 660}, {"day": DAY_2, "start": 540, "stop": 600}]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    with live(tmp_path_factory.mktemp("records"), ("one", "two")) as processes:
        yield processes


@pytest.fixture
def one(replicas: Processes) -> Rest:
    return replicas.rest("one")


def define(replicas: Processes, name: str, **changes: Any) -> None:
    replicas.rest("one").post("/relations", {"relation": name, **MEETINGS, **changes}, "vish")
    wait_until_equal(replicas)


def meeting(relation: str, **more: Any) -> dict[str, Any]:
    insert, free = INSERT.format(relation), FREE.format(relation)
    check = {"query": free, "expect": []}
    return {
        "update": insert,
        "check": check,
        "merge": [{"for": ALTERNATIVES, "check": check, "update": insert}],
        "parameters": {"day": DAY_1, "start": 540, "stop": 600},
        **more,
    }


def read(rest: Rest, query: str, view: str = "tentative") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = rest.get("/records", query=query, view=view)["rows"]
    return rows


def owners(rest: Rest, relation: str, view: str = "tentative") -> dict[tuple[str, int], str]:
    query = f"SELECT day, start, who FROM {relation} WHERE room = '6.12' AND day IN ('{DAY_1}', '{DAY_2}')"
    return {(row["day"], row["start"]): row["who"] for row in read(rest, query, view)}


def refusal(
    replicas: Processes, path: str, body: Any, user: str = "vish", label: str = "one", method: str = "POST"
) -> Answer:
    """Send a request that the replica refuses, and return its answer."""
    address = str(replicas.settings.replica(label).rest)
    answer = send(address, Request(method, path, body, {"Bayou-User": user}), TIMEOUT_S)
    assert answer.is_refusal, answer.body
    return answer


def in_the_way(answer: Answer) -> list[dict[str, Any]]:
    obstacles: list[dict[str, Any]] = answer.body["error"]["details"]["in_the_way"]
    return obstacles


def test_the_rules_travel_with_the_write(replicas: Processes) -> None:
    one, two = map(replicas.rest, ("one", "two"))
    define(replicas, "travels")
    link(replicas, "one", "two", up=False)
    assert one.post("/records", meeting("travels"), "vish")["outcome"] == "updated"
    at_two = [two.post("/records", meeting("travels"), user) for user in ("neil", "ann", "bob")]
    assert [(answer["step"], answer["alternative"], answer["state"]) for answer in at_two] == [
        (None, None, "tentative"),
        (1, 1, "tentative"),
        (1, 2, "tentative"),
    ]
    refused = refusal(replicas, "/records", meeting("travels"), "eve", "two")
    assert (refused.status, refused.code) == (409, "conflict")
    assert [one["record"]["who"] for one in in_the_way(refused)] == ["neil", "ann", "bob"]

    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    expected = {(DAY_1, 540): "vish", (DAY_1, 600): "neil", (DAY_2, 540): "ann"}
    assert owners(one, "travels", "committed") == owners(two, "travels") == expected
    for rest in (one, two):
        (conflict,) = rest.get("/relations/travels/conflicts")["conflicts"]
        assert (conflict["user"], conflict["state"]) == ("bob", "committed")
        assert [change["record"]["start"] for change in conflict["wanted"]] == [540]
        assert [one["record"]["who"] for one in conflict["in_the_way"]] == ["vish", "neil", "ann"]


def test_a_conflict_is_listed_while_it_is_tentative(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three")) as replicas:
        two, three = map(replicas.rest, ("two", "three"))
        define(replicas, "early")
        for pair in (("one", "two"), ("one", "three"), ("two", "three")):
            link(replicas, *pair, up=False)
        two.post("/records", meeting("early", merge=[]), "neil")
        three.post("/records", meeting("early", merge=[]), "ann")
        link(replicas, "two", "three", up=True)
        wait_until_equal(replicas, "two", "three")
        for rest in (two, three):
            (conflict,) = rest.get("/relations/early/conflicts")["conflicts"]
            assert (conflict["user"], conflict["state"]) == ("ann", "tentative")
            assert conflict["in_the_way"][0]["record"]["who"] == "neil"


def test_the_present_state_of_a_write(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two", "three"), anti_entropy={"interval_s": 0, "after_write": False}) as replicas:
        one, two, three = map(replicas.rest, ("one", "two", "three"))

        def sync(rest: Rest, peer: str) -> None:
            rest.post(f"/replica/sync/{peer}", {}, "vish")

        one.post("/relations", {"relation": "states", **MEETINGS}, "vish")
        sync(one, "two")
        sync(one, "three")
        ann = two.post("/records", meeting("states", request="r1"), "ann")
        bob = three.post("/records", meeting("states", request="r2", merge=[]), "bob")
        found = two.get(f"/writes/{ann['write']}")
        assert {name: found[name] for name in ("user", "request", "state", "csn", "outcome", "step", "held_by")} == {
            "user": "ann", "request": "r1", "state": "tentative", "csn": None, "outcome": "updated", "step": None,
            "held_by": ["two"],
        }  # fmt: skip
        assert two.get("/users/ann/writes") == {"user": "ann", "writes": [found]}
        assert [change["record"]["start"] for change in found["changed"]] == [540]

        sync(two, "three")  # bob's write came later, and has no alternative
        conflict = three.get(f"/writes/{bob['write']}")
        assert (conflict["state"], conflict["outcome"], conflict["changed"]) == ("tentative", "conflict", [])
        assert [stood["record"]["who"] for stood in conflict["in_the_way"]] == ["ann"]
        assert [change["record"]["who"] for change in conflict["wanted"]] == ["bob"]
        assert two.get(f"/writes/{ann['write']}")["held_by"] == ["two", "three"]

        vish = one.post("/records", meeting("states", request="r3"), "vish")
        sync(one, "two")
        moved = two.get("/users/ann/writes", request="r1")["writes"][0]
        assert (moved["state"], moved["outcome"], moved["step"], moved["alternative"]) == ("committed", "merged", 1, 1)
        assert (moved["csn"], [change["record"]["start"] for change in moved["changed"]]) == (3, [600])
        assert "held_by" not in moved
        again = two.post("/records", meeting("states", request="r1"), "ann")
        assert (again["write"], again["state"], again["alternative"]) == (ann["write"], "committed", 1)

        sync(two, "three")
        conflict = three.get(f"/writes/{bob['write']}")
        assert (conflict["state"], conflict["outcome"]) == ("committed", "conflict")
        assert [stood["record"]["who"] for stood in conflict["in_the_way"]] == ["vish"]
        later = three.post("/records", meeting("states"), "eve")
        refused = refusal(replicas, f"/writes/{later['write']}", None, method="GET")
        assert (refused.status, refused.code) == (404, "write_unknown")
        one.post("/replica/truncate", {"keep": 0}, "vish")
        refused = refusal(replicas, f"/writes/{vish['write']}", None, method="GET")
        assert (refused.status, refused.code) == (404, "write_dropped")
        assert "Later the write was dropped from the log." in refused.message
        assert one.get("/users/vish/writes")["writes"] == []
        again = one.post("/records", meeting("states", request="r3"), "vish")
        assert (again["write"], again["state"], again["outcome"]) == (None, "committed", "updated")


def test_what_is_no_write_of_records_has_no_state(replicas: Processes, one: Rest) -> None:
    refused = refusal(replicas, "/writes/8f3a", None, method="GET")
    assert (refused.status, "'8f3a' is not a write id" in refused.message) == (400, True)
    one.post(
        "/reservations", {"room": "6.12", "slots": [{"start": "2030-06-03T09:00Z", "end": "2030-06-03T10:00Z"}]}, "vish"
    )
    reservation = one.get("/replica/log")["writes"][-1]["id"]
    refused = refusal(replicas, f"/writes/{reservation}", None, method="GET")
    assert (refused.status, refused.code) == (404, "write_unknown")


def test_two_definitions_of_one_name_are_two_relations(replicas: Processes) -> None:
    one, two = map(replicas.rest, ("one", "two"))
    link(replicas, "one", "two", up=False)
    first = one.post("/relations", {"relation": "twice", **MEETINGS}, "vish")
    second = two.post("/relations", {"relation": "twice", **MEETINGS, "page_by": ["room"]}, "neil")
    assert first["name"] != second["name"]
    written = two.post("/records", meeting("twice"), "neil")
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)

    shown = {relation["name"]: relation["owns_name"] for relation in two.get("/relations")["relations"]}
    assert (shown[first["name"]], shown[second["name"]]) == (True, False)
    assert owners(two, "twice") == {}
    full_name = f'"{second["name"]}"'  # still leads to its records
    found = read(one, f"SELECT who FROM {full_name} WHERE room = '6.12' AND day = '{DAY_1}'")
    assert found == [{"who": "neil"}]
    assert written["changed"][0]["relation"] == second["name"]
    (conflict,) = one.get(f"/relations/{second['name']}/conflicts")["conflicts"]
    assert (conflict["user"], conflict["wanted"][0]["op"]) == ("neil", "define")


def test_a_definition_is_never_changed(replicas: Processes, one: Rest) -> None:
    define(replicas, "stays")
    again = one.post("/relations", {"relation": "stays", **MEETINGS}, "vish")
    assert again["owns_name"]
    refused = refusal(replicas, "/relations", {"relation": "stays", **MEETINGS, "page_by": ["room"]})
    assert (refused.status, refused.code) == (409, "relation_exists")
    address, mine = str(replicas.settings.replica("one").rest), {"Bayou-User": "vish"}
    assert send(address, Request("DELETE", "/relations/stays", headers=mine), TIMEOUT_S).status == 200
    changed = one.post("/relations", {"relation": "stays", **MEETINGS, "page_by": ["room"]}, "vish")
    assert changed["page_by"] == ["room"]


def test_a_request_sent_twice_counts_once(replicas: Processes) -> None:
    one, two = map(replicas.rest, ("one", "two"))
    define(replicas, "once")
    link(replicas, "one", "two", up=False)
    first = one.post("/records", meeting("once", request="r1"), "vish")
    second = two.post("/records", meeting("once", request="r1"), "vish")
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert owners(one, "once") == owners(two, "once") == {(DAY_1, 540): "vish"}
    again = one.post("/records", meeting("once", request="r1"), "vish")
    assert (again["write"], again["outcome"], len(again["changed"])) == (first["write"], "updated", 1)
    assert [found["write"] for found in one.get("/users/vish/writes", request="r1")["writes"]] == [first["write"]]
    repeat = one.get(f"/writes/{second['write']}")
    assert (repeat["outcome"], repeat["changed"]) == ("duplicate", again["changed"])


def test_a_request_with_other_content_is_refused(replicas: Processes) -> None:
    one, two = map(replicas.rest, ("one", "two"))
    define(replicas, "differs")
    one.post("/records", meeting("differs", request="r0"), "neil")
    merged = one.post("/records", meeting("differs", request="r1"), "vish")
    assert merged["outcome"] == "merged"
    wait_until_equal(replicas)
    before = owners(one, "differs")
    for label in ("one", "two"):
        refused = refusal(replicas, "/records", meeting("differs", request="r1", merge=[]), label=label)
        assert (refused.status, refused.code) == (409, "request_differs")
        earlier = {name: merged[name] for name in ("outcome", "step", "alternative", "write", "changed")}
        assert refused.body["error"]["details"] == {"request": "r1", "earlier": earlier}
        assert (
            replicas.rest(label).post("/records", meeting("differs", request="r1"), "vish")["write"] == merged["write"]
        )
    assert owners(one, "differs") == before

    link(replicas, "one", "two", up=False)
    key = {"day": DAY_1, "start": 900, "stop": 960}
    taken = {**meeting("differs", request="r2"), "parameters": {**key, "start": 540, "stop": 600}}
    assert one.post("/records", taken, "ann")["outcome"] == "merged"
    two.post("/records", meeting("differs", request="r2", parameters=key, merge=[]), "ann")
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert "ann" not in {owner for (_, start), owner in owners(two, "differs").items() if start == 900}
    log = two.get("/replica/log", limit="1000")["writes"]
    assert [write["outcome"] for write in log if write["request"] == "r2"] == ["merged 1.2", "differs 1.2"]


def test_a_page_remembers_three_requests_with_the_longest_names(replicas: Processes, one: Rest) -> None:
    define(replicas, "longest")
    user, requests = "u" * 64, [f"{number}".rjust(64, "r") for number in range(3)]
    writes = []
    for hour, request in enumerate(requests):
        slot = {"day": DAY_1, "start": 60 * hour, "stop": 60 * hour + 60}
        writes.append(one.post("/records", meeting("longest", request=request, parameters=slot), user)["write"])
    slot = {"day": DAY_1, "start": 0, "stop": 60}
    again = one.post("/records", meeting("longest", request=requests[0], parameters=slot), user)
    assert again["write"] == writes[0]
    assert len(owners(one, "longest")) == 3


def test_several_statements_are_done_together_or_not_at_all(replicas: Processes, one: Rest) -> None:
    define(replicas, "together")
    two_rooms = "INSERT INTO together (room, day, start, stop, who) VALUES (:room, '2026-12-01', 540, 600, :user)"
    one.post("/records", {"update": two_rooms, "parameters": {"room": "7.01"}}, "ann")
    both = [two_rooms.replace(":room", "'6.12'"), two_rooms.replace(":room", "'7.01'")]
    refused = refusal(replicas, "/records", {"update": both})
    assert in_the_way(refused)[0]["record"]["who"] == "ann"
    assert owners(one, "together") == {}


def test_an_update_changes_and_a_delete_removes_what_is_there(replicas: Processes, one: Rest) -> None:
    define(replicas, "changes")
    one.post("/records", meeting("changes"), "vish")
    key = f"room = '6.12' AND day = '{DAY_1}' AND start = 540"
    mine = {"query": f"SELECT who FROM changes WHERE {key}", "expect": [[":user"]]}
    change = {"update": f"UPDATE changes SET who = 'ann' WHERE {key}", "check": mine}
    assert in_the_way(refusal(replicas, "/records", change, "eve"))[0]["record"]["who"] == "vish"
    one.post("/records", change, "vish")
    assert owners(one, "changes") == {(DAY_1, 540): "ann"}
    one.post("/records", {"update": f"DELETE FROM changes WHERE {key}", "check": mine}, "ann")
    assert owners(one, "changes") == {}
    missing = in_the_way(refusal(replicas, "/records", {"update": f"DELETE FROM changes WHERE {key}"}, "ann"))
    assert (missing[0]["is_missing"], missing[0]["record"]["start"]) == (True, 540)


def test_times_are_instants(replicas: Processes, one: Rest) -> None:
    define(replicas, "shifts", attributes={"room": "text", "begins": "time"}, key=["room", "begins"], page_by=["room"])
    insert = "INSERT INTO shifts (room, begins) VALUES ('6.12', :begins)"
    for begins in ("2026-12-01T10:00+01:00", "2026-12-01T09:30Z"):
        one.post("/records", {"update": insert, "parameters": {"begins": begins}}, "vish")
    after = "SELECT begins FROM shifts WHERE room = '6.12' AND begins >= '2026-12-01T09:00Z' ORDER BY begins DESC"
    assert [row["begins"] for row in read(one, after)] == ["2026-12-01T09:30Z", "2026-12-01T09:00Z"]
    refused = refusal(replicas, "/records", {"update": insert, "parameters": {"begins": "2026-12-01T09:00"}})
    assert "write it like 2026-12-01T09:00Z" in refused.message


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT x FROM errors WHERE room = '6.12' AND day = 'd'", "line 1, column 8: errors has no attribute 'x'"),
        ("SELECT who FROM errors WHERE room = '6.12'", "WHERE must give day a value"),
        ("SELECT who FROM errors WHERE room = 6 AND day = 'd'", "room is of type text"),
        ("SELECT who FROM errors WHERE room = '6.12' AND day = 'd' AND start > '5'", "start is an integer"),
        ("SELECT count(*) FROM errors WHERE room = '6.12' AND day = 'd'", "'COUNT(*)' is not an attribute"),
        ("SELECT who FROM errors WHERE room = '6.12' OR day = 'd'", "is not a comparison; join comparisons"),
        ("SELECT DISTINCT who FROM errors WHERE room = '6.12' AND day = 'd'", "DISTINCT is not part of the SQL"),
        ("SELECT who FROM errors, shifts WHERE room = '6.12' AND day = 'd'", "JOINS is not part of the SQL"),
        (
            "SELECT who FROM errors WHERE room = '6.12' AND day = :day",
            "there is no parameter :day; the parameters are: none",
        ),
        ("SELECT who FROM", "the SQL cannot be read"),
        ("SELECT 'x", "the SQL cannot be read"),
        ("DELETE FROM errors", "the text must be a SELECT"),
        ("SELECT who FROM errors WHERE room = '6.12' AND day = 'd'; SELECT 1", "must be one statement, but it has 2"),
    ],
)
def test_an_error_names_the_place_and_says_what_to_do(replicas: Processes, one: Rest, query: str, said: str) -> None:
    if "errors" not in {relation["relation"] for relation in one.get("/relations")["relations"]}:
        define(replicas, "errors")
    refused = refusal(replicas, f"/records?query={quote(query)}", None, method="GET")
    assert refused.status == 400
    assert said in refused.message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"page_by": ["who"]}, "`page_by` lists 'who', which is not part of the key"),
        ({"key": ["room", "colour"]}, "`key` lists 'colour', which is not an attribute"),
        ({"key": []}, "`key` must list at least one attribute"),
        ({"relation": "Meetings!"}, "'Meetings!' cannot be a name"),
        ({"attributes": {"room": "number"}}, "must be 'text', 'integer' or 'time'"),
    ],
)
def test_a_definition_that_cannot_be_used_is_refused(replicas: Processes, changes: dict[str, Any], said: str) -> None:
    refused = refusal(replicas, "/relations", {"relation": "refused", **MEETINGS, **changes})
    assert refused.status == 400
    assert said in refused.message


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"update": "INSERT INTO odd (room) VALUES ('6.12')"}, "update: the record needs a value for day"),
        ({"update": "UPDATE odd SET who = 'x' WHERE room = '6.12'"}, "WHERE must name the whole key"),
        (
            meeting("odd", merge=[{"for": [{"day": DAY_1}], "update": INSERT.format("odd")}], parameters={}),
            "no parameter :day; the parameters are: :user.",
        ),
        (
            meeting("odd", parameters={"day": DAY_1, "start": 540, "stop": 600, "dya": DAY_2}),
            "parameters.dya: the SQL does not use :dya; it uses :day, :start, :stop, :user. Correct the name,",
        ),
        (meeting("odd", parameters={"user": "eve"}), "`:user` always stands for the caller"),
        (
            meeting("odd", merge=[{"for": [{"user": "eve"}], "update": INSERT.format("odd")}]),
            "merge.0.for: the name `user` is reserved",
        ),
        (meeting("odd", parameters={"day": 5, "start": 1, "stop": 2}), "day is of type text"),
        (meeting("odd", parameters={"day": DAY_1, "start": 2**53 + 1, "stop": 2}), "start is an integer"),
    ],
)
def test_a_write_that_cannot_be_read_is_refused(replicas: Processes, one: Rest, body: Any, said: str) -> None:
    if "odd" not in {relation["relation"] for relation in one.get("/relations")["relations"]}:
        define(replicas, "odd")
    refused = refusal(replicas, "/records", body)
    assert refused.status == 400
    assert said in refused.message
    assert owners(one, "odd") == {}


def test_a_text_has_no_control_characters_but_tab_and_newline(replicas: Processes, one: Rest) -> None:
    define(replicas, "texts", attributes={"box": "text", "text": "text"}, key=["box"], page_by=["box"])
    insert = "INSERT INTO texts (box, text) VALUES ('a', :text)"
    for code in (0x00, 0x08, 0x0B, 0x0D, 0x1B, 0x1D, 0x1E, 0x1F, 0x7F, 0x80, 0x9F):
        refused = refusal(replicas, "/records", {"update": insert, "parameters": {"text": f"a{chr(code)}b"}})
        assert refused.status == 400
        assert "no control characters but tab and newline" in refused.message
    text = "a\tb\nc \xa0\u2028 é"
    one.post("/records", {"update": insert, "parameters": {"text": text}}, "vish")
    assert read(one, "SELECT text FROM texts WHERE box = 'a'") == [{"text": text}]


def test_a_write_whose_checks_read_too_many_records_is_refused(replicas: Processes, one: Rest) -> None:
    define(replicas, "many", attributes={"box": "text", "n": "integer"}, key=["box", "n"], page_by=["box"])
    for first in range(0, 1000, 50):
        inserts = [f"INSERT INTO many (box, n) VALUES ('a', {n})" for n in range(first, first + 50)]
        one.post("/records", {"update": inserts}, "vish")
    check = {"query": "SELECT n FROM many WHERE box = 'a' AND n < 0", "expect": [[5]]}
    insert = "INSERT INTO many (box, n) VALUES ('a', :n)"
    steps = [{"for": [{"n": n} for n in range(5000, 5025)], "check": check, "update": insert}]
    refused = refusal(replicas, "/records", {"update": insert, "check": check, "parameters": {"n": 1}, "merge": steps})
    assert (refused.status, refused.code) == (413, "too_many_records")


def test_a_write_that_would_make_a_page_too_large_is_refused(replicas: Processes, one: Rest) -> None:
    types = {"box": "text", "n": "integer", "text": "text"}
    define(replicas, "full", attributes=types, key=["box", "n"], page_by=["box"])
    insert = "INSERT INTO full (box, n, text) VALUES ('a', {}, '{}')"
    for first in range(0, 120, 20):
        one.post("/records", {"update": [insert.format(n, "x" * 2000) for n in range(first, first + 20)]}, "vish")
    refused = refusal(replicas, "/records", {"update": [insert.format(n, "x" * 2000) for n in range(200, 220)]})
    assert (refused.status, refused.code) == (409, "page_full")
