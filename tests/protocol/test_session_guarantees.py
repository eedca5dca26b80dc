"""Session guarantees (Terry 1994): the token, the HTTP headers that carry it, and a client that changes replicas."""

from __future__ import annotations

import base64
import json
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayou.application import Change
from bayou.errors import BadInput
from bayou.session_token import GUARANTEES, TOKEN_BYTES_MAX, Token, read_guarantees
from bayou.stamps import STAMP_MAX
from replica.http import service
from tests.support.joined import ask, code, reserve
from tests.support.live import live
from tests.support.replica_harness import Harness, write
from tests.support.waiting import wait_until

VISH = {"Bayou-User": "vish"}
VECTORS = st.dictionaries(st.text(min_size=1, max_size=40), st.integers(0, STAMP_MAX), max_size=20)
ONE = "one~aaaaaa"


BIRTHS = st.text(max_size=40)


@given(VECTORS, VECTORS, BIRTHS)
def test_a_token_survives_encoding(read: dict[str, int], written: dict[str, int], birth: str) -> None:
    token = Token(read, written).born(birth)
    assert Token.decode(token.encode()) == token
    assert Token.decode(token.encode()).encode() == token.encode()
    assert Token.decode("") == Token()


def packed(members: Any) -> str:
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(members).encode())).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "é",
        "AAAA",
        "a" * (TOKEN_BYTES_MAX + 1),
        packed([]),
        packed({"r": {}}),
        packed({"r": {}, "w": []}),
        packed({"r": {}, "w": {"one": "5"}}),
        packed({"r": {}, "w": {"one": True}}),
        packed({"r": {}, "w": {"one": -1}}),
        packed({"r": {}, "w": {"one": STAMP_MAX + 1}}),
        packed({"r": {}, "w": {"": 1}}),
        packed({"r": {}, "w": {"1:" * 1000: 1}}),
        packed({"r": {"x": 1}, "w": {}, "g": 0}),
        packed({"r": {}, "w": {}, "b": 0}),
        packed({"r": {}, "w": {}, "b": "one~aaaaaa"}),
        packed({"r": {}, "w": {}, "b": "0" * 13}),
        packed({"r": {}, "w": {}, "filler": "0" * 1_000_000}),
        packed({"r": {}, "w": {}})[:-6],
        packed("[" * 50_000),
    ],
)
def test_an_invalid_token_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        Token.decode(text)
    assert (caught.value.code, caught.value.details["field"]) == ("bad_token", "Bayou-Session")


@pytest.mark.parametrize(
    ("guarantee", "read", "written"),
    [("RYW", {"b": 2}, {}), ("MR", {"a": 1}, {}), ("WFR", {}, {"a": 1}), ("MW", {}, {"b": 2})],
)
def test_which_vector_each_guarantee_needs(guarantee: str, read: dict[str, int], written: dict[str, int]) -> None:
    token = Token({"a": 1}, {"b": 2})
    assert token.needs_of_read({guarantee}) == read
    assert token.needs_of_write({guarantee}) == written
    assert token.needs_of_read(GUARANTEES) == token.needs_of_write(GUARANTEES) == {"a": 1, "b": 2}


def test_the_names_of_guarantees() -> None:
    assert read_guarantees("ryw, MR") == {"RYW", "MR"}
    assert read_guarantees("") == frozenset()
    with pytest.raises(BadInput, match=r"guarantee 'XYZ' does not exist\. Use one or more of RYW, MR, WFR, MW"):
        read_guarantees("RYW,XYZ")


def test_a_session_counts_logged_writes_and_no_refused_ones() -> None:
    harness = Harness()
    client = harness.app.test_client()
    first = client.post("/notes", json={}, headers=VISH)
    token = Token.decode(first.headers["Bayou-Session"])
    assert token == Token({}, {ONE: 1})

    behind = client.post("/notes", json={}, headers={**VISH, "Bayou-Session": token.encode()})
    assert (behind.status_code, behind.get_json()["error"]["code"]) == (412, "session_ahead")
    assert behind.get_json()["error"]["details"] == {"missing": {ONE: "0000000000000001"}}
    assert behind.headers["Bayou-Session"] == token.encode()
    assert len(harness.store.accepted) == 1

    without = {**VISH, "Bayou-Session": token.encode(), "Bayou-Guarantees": "RYW,MR,WFR"}
    assert client.post("/notes", json={}, headers=without).status_code == 201
    harness.store.vector = {ONE: 1}
    assert client.post("/notes", json={}, headers={**VISH, "Bayou-Session": token.encode()}).status_code == 201


def test_a_request_without_a_session_gets_a_token_only_if_it_writes() -> None:
    client = Harness().app.test_client()
    assert "Bayou-Session" not in client.get("/notes").headers
    assert "Bayou-Session" not in client.get("/replica").headers
    assert client.get("/notes", headers={"Bayou-Session": ""}).headers["Bayou-Session"] == Token().encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("Bayou-Session", "?"), ("Bayou-Guarantees", "all"), ("Bayou-Wait", "30001"), ("Bayou-Wait", "-1")],
)
def test_invalid_headers_are_refused_and_nothing_happens(name: str, value: str) -> None:
    harness = Harness()
    before = harness.what_is_recorded()
    answer = harness.app.test_client().post("/notes", json={}, headers={**VISH, name: value})
    assert (answer.status_code, answer.get_json()["error"]["details"]["field"]) == (400, name)
    assert harness.what_is_recorded() == before


def test_a_request_may_wait_until_the_replica_has_caught_up() -> None:
    harness = Harness()
    harness.feed.start()
    headers = {**VISH, "Bayou-Session": Token({}, {ONE: 1}).encode(), "Bayou-Wait": "20000"}
    answers = []
    waiting = threading.Thread(
        target=lambda: answers.append(harness.app.test_client().post("/notes", json={}, headers=headers))
    )
    waiting.start()
    found = write(1)
    harness.store.vector = {ONE: 1}
    harness.store.tell({"kind": "received", "changes": [Change(found.id, None, None, "updated 09")]}, found)
    waiting.join(20)
    harness.feed.stop()
    assert [answer.status_code for answer in answers] == [201]


def test_the_time_to_wait_and_the_number_of_waiting_requests_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    client = harness.app.test_client()
    headers = {**VISH, "Bayou-Session": Token({}, {ONE: 1}).encode(), "Bayou-Wait": "30"}
    assert client.post("/notes", json={}, headers=headers).status_code == 412
    monkeypatch.setattr(service, "WAITING_MAX", 0)
    assert Harness().app.test_client().post("/notes", json={}, headers=headers).status_code == 429


@pytest.mark.process
def test_a_session_of_another_cluster_is_refused_at_once(tmp_path: Path) -> None:
    """A replica that knows no birth yet cannot tell whether the session belongs to another cluster, so it answers as if
    the session belonged to its own cluster."""
    quiet = {"anti_entropy": {"interval_s": 0, "after_write": False}}
    wait = {"Bayou_Wait": "30000"}
    with live(tmp_path / "before", ("one", "two"), **quiet) as before:
        one, two = (str(before.settings.replica(label).rest) for label in ("one", "two"))
        unborn = reserve(two, "r1", 9).headers["Bayou-Session"]
        assert Token.decode(unborn).birth == ""
        token = reserve(one, "r1", 10).headers["Bayou-Session"]
        birth = Token.decode(token).birth
        read = ask(one, "GET", "/reservations/vish/r1", Bayou_Session="").headers["Bayou-Session"]
        again = ask(one, "GET", "/users/vish/reservations", Bayou_Session=token).headers["Bayou-Session"]
        assert [Token.decode(found).birth for found in (read, again)] == [birth, birth]
        assert len(birth) == 12
        duplicate = reserve(one, "r1", 10, Bayou_Session="")
        assert (duplicate.status_code, Token.decode(duplicate.headers["Bayou-Session"]).birth) == (200, birth)
        ask(two, "POST", "/replica/sync/one")
        born = ask(one, "GET", "/reservations/vish/r1", Bayou_Session=unborn).headers["Bayou-Session"]
        assert Token.decode(born).birth == birth
    with live(tmp_path / "after", ("one", "two"), **quiet) as after:
        one, two = (str(after.settings.replica(label).rest) for label in ("one", "two"))
        foreign = (412, "session_foreign")
        for session in ({"Bayou_Session": token}, {"Bayou_Session": token, "Bayou_Guarantees": ""}):
            assert code(reserve(one, "r1", 10, **session, **wait)) == foreign
            assert code(ask(one, "GET", "/reservations/vish/r1", **session, **wait)) == foreign
            assert code(ask(one, "GET", "/users/vish/reservations", **session, **wait)) == foreign
        assert code(ask(two, "GET", "/reservations/vish/r1", Bayou_Session=token)) == (412, "session_ahead")
        assert code(ask(one, "GET", "/reservations/vish/r1", Bayou_Session=unborn)) == (412, "session_ahead")
        ask(two, "POST", "/replica/sync/one")
        assert code(ask(two, "GET", "/reservations/vish/r1", Bayou_Session=token)) == foreign
        assert code(ask(two, "GET", "/reservations/vish/r1", Bayou_Session="")) == (404, "reservation_unknown")


@pytest.mark.process
def test_a_session_sees_its_writes_at_another_replica_or_is_refused(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy={"interval_s": 0, "after_write": False}) as processes:
        one, two = (str(processes.settings.replica(label).rest) for label in ("one", "two"))
        ask(two, "POST", "/replica/sync/one")
        token = reserve(two, "r1", 9).headers["Bayou-Session"]
        session = {"Bayou_User": "vish", "Bayou_Session": token}
        assert code(ask(one, "GET", "/reservations/vish/r1", **session)) == (412, "session_ahead")
        assert code(ask(one, "GET", "/users/vish/reservations", **session)) == (412, "session_ahead")
        assert code(ask(one, "DELETE", "/reservations/vish/r1", **session)) == (412, "session_ahead")
        mw = {**session, "Bayou_Guarantees": "MW"}
        assert code(reserve(one, "r2", 10, Bayou_Session=token, Bayou_Guarantees="MW")) == (412, "session_ahead")
        assert code(ask(one, "GET", "/reservations/vish/r1", **mw)) == (404, "reservation_unknown")

        # The committed view of neither replica has it yet.
        calendar = "/rooms/6.12/calendar?from=2026-12-01T00:00Z&to=2026-12-02T00:00Z&view="
        assert ask(two, "GET", f"{calendar}tentative", **session).status_code == 200
        assert code(ask(two, "GET", f"{calendar}committed", **session)) == (412, "session_ahead")

        # The request waits at one replica until the other one has sent the write.
        answers = []
        waiting = threading.Thread(
            target=lambda: answers.append(ask(one, "GET", "/reservations/vish/r1", **session, Bayou_Wait="30000"))
        )
        waiting.start()
        ask(two, "POST", "/replica/sync/one")
        waiting.join(30)
        assert [(answer.status_code, answer.json()["state"]) for answer in answers] == [(200, "committed")]

        # What the session reads at one replica, it can then read at the other.
        read = answers[0].headers["Bayou-Session"]
        assert Token.decode(read).read
        reserve(one, "r3", 11)
        later = ask(one, "GET", "/reservations/vish/r3", Bayou_Session="").headers["Bayou-Session"]
        assert code(ask(two, "GET", "/reservations/vish/r3", Bayou_Session=later)) == (412, "session_ahead")
        wait_until(lambda: ask(two, "POST", "/replica/sync/one").ok)
        assert ask(two, "GET", "/reservations/vish/r3", Bayou_Session=later).status_code == 200
