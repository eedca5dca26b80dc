"""The endpoints for operators, and the service that a replica offers to its applications."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from apps import APPLICATIONS
from bayou.anti_entropy import Report
from bayou.application import LogEntry
from replica.http import admin as resources_replica
from replica.http.app import create_app
from storage.queries import Digest
from tests.support.replica_harness import Harness, write
from tests.support.waiting import wait_until


@pytest.fixture
def harness() -> Harness:
    return Harness()


def test_json_is_compact_and_utf_8(harness: Harness) -> None:
    response = harness.app.test_client().get("/notes")
    assert response.get_data() == '{"text":"é","now":"2026-12-01T08:00:00+00:00"}\n'.encode()
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_index_lists_every_path(harness: Harness) -> None:
    paths = harness.app.test_client().get("/").get_json()["paths"]
    assert paths["/notes"] == ["GET", "POST"]
    assert paths["/replica/sync/<peer>"] == ["POST"]


def test_a_replica_shows_what_it_is_and_holds(harness: Harness) -> None:
    assert harness.app.test_client().get("/replica").get_json() == {
        "id": "one~aaaaaa",
        "label": "one",
        "cluster": "building-6",
        "birth": "two~bbbbbb",
        "primary": {"id": "two~bbbbbb", "label": "two", "here": False, "gone": False},
        "epoch": {"number": 1, "promoter": "two~bbbbbb"},
        "history": [[0, "two~bbbbbb", 1], [1, "two~bbbbbb", 5]],
        "retired": False,
        "members": [
            {
                "id": None,
                "label": "one",
                "rest": "127.0.0.1:8001",
                "anti_entropy": "127.0.0.1:9001",
                "retired": False,
                "forgotten": False,
            },
            {
                "id": None,
                "label": "two",
                "rest": "127.0.0.1:8002",
                "anti_entropy": "127.0.0.1:9002",
                "retired": False,
                "forgotten": False,
            },
            {
                "id": "0000000000000003:one~aaaaaa",
                "label": "four",
                "rest": "127.0.0.1:8004",
                "anti_entropy": "127.0.0.1:9004",
                "retired": False,
                "forgotten": False,
            },
        ],
        "csn": 7,
        "osn": 2,
        "tentative": 3,
        "committed": 5,
        "vectors": {
            "V": {"one~aaaaaa": "0000000000000009", "two~bbbbbb": "0000000000000005"},
            "C": {"one~aaaaaa": "0000000000000009"},
            "O": {},
        },
        "pace": "auto",
        "timezone": "UTC",
        "peers": [{"label": "two", "link": "up"}],
    }


def test_a_replica_shows_its_digest(harness: Harness) -> None:
    answer = harness.app.test_client().get("/replica/digest").get_json()
    assert answer == {"committed": "aa", "tentative": "bb", "csn": 7, "vector": {"one~aaaaaa": "0000000000000009"}}


def test_a_digest_is_computed_again_only_when_something_has_changed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment, computed, may_end = [(7, "0", {"one~aaaaaa": 9})], [], threading.Event()
    may_end.set()

    def digest() -> Digest:
        computed.append(moment[0][0])
        may_end.wait(30)
        return Digest("aa", "bb", moment[0][0], moment[0][2])

    monkeypatch.setattr(harness.store, "moment", lambda: moment[0])
    monkeypatch.setattr(harness.store, "digest", digest)
    client = harness.app.test_client()
    first = client.get("/replica/digest").get_json()
    assert client.get("/replica/digest").get_json() == first
    assert computed == [7]
    moment[0] = (8, "0", {"one~aaaaaa": 10})
    may_end.clear()
    with ThreadPoolExecutor() as others:
        computing = others.submit(harness.app.test_client().get, "/replica/digest")
        wait_until(lambda: computed == [7, 8])
        refused = client.get("/replica/digest")
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "busy")
        assert refused.headers["Retry-After"] == "5"
        may_end.set()
        assert computing.result(30).get_json()["csn"] == 8
    assert computed == [7, 8]


def test_the_log_comes_in_parts(harness: Harness) -> None:
    harness.store.entries_of_log = [
        LogEntry(write(1), 1, "updated 09"),
        LogEntry(write(2, app="other/9"), None, "rejected no_alternative"),
    ]
    client = harness.app.test_client()
    first = client.get("/replica/log?limit=1").get_json()
    assert first["next"] == "0000000000000001@one~aaaaaa"
    assert first["writes"] == [
        {
            "id": "0000000000000001@one~aaaaaa",
            "csn": 1,
            "state": "committed",
            "app": "notes/1",
            "op": "reserve",
            "user": "vish",
            "request": "r1",
            "origin": "one~aaaaaa",
            "outcome": "updated 09",
            "accepted_at": "2026-12-01T08:00:00+00:00",
            "describe": {
                "why": None,
                "reservation": "vish/r1",
                "result": {"room": "6.12", "start": "2026-12-01T09:00:00+00:00", "end": "2026-12-01T10:00:00+00:00"},
            },
        }
    ]
    second = client.get("/replica/log", query_string={"after": first["next"]}).get_json()
    assert [(entry["state"], entry["csn"], entry["describe"]) for entry in second["writes"]] == [
        ("tentative", None, {})
    ]
    assert [entry["held_by"] for entry in second["writes"]] == [["one", "two"]]
    assert second["next"] is None


def test_a_deeply_nested_write_of_a_peer_is_shown(harness: Harness) -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    args = {"room": "6.12", "slots": "29935440/29935500", "purpose": deep}
    harness.store.entries_of_log = [LogEntry(write(1, app="rooms/1", args=args), None, "failed")]
    client = create_app(replace(harness.parts, applications=APPLICATIONS)).test_client()
    answer = client.get("/replica/log")
    assert answer.status_code == 200
    assert answer.get_json()["writes"][0]["describe"]["purpose"] == deep


def test_a_session_runs_on_request(harness: Harness) -> None:
    client = harness.app.test_client()
    answer = client.post("/replica/sync/two").get_json()
    assert answer.pop("seconds") >= 0
    assert answer == {"peer": "two", "sent": 3, "received": 2}


def test_a_link_that_is_cut_refuses_a_session(harness: Harness) -> None:
    client = harness.app.test_client()
    assert client.put("/replica/links/two", json={"up": False}).get_json() == {"peer": "two", "up": False}
    response = client.post("/replica/sync/two")
    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "link_cut")
    assert client.put("/replica/links/two", json={"up": True}).status_code == 200
    harness.peers.away = True
    response = client.post("/replica/sync/two")
    assert (response.status_code, response.get_json()["error"]["code"]) == (503, "peer_unreachable")


def test_waiting_for_sessions_leaves_threads_free(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def wait(label: str) -> Report:
        waiting.release()
        go_on.wait(20)
        return Report()

    monkeypatch.setattr(harness.peers, "sync", wait)
    threads = [
        threading.Thread(target=lambda: harness.app.test_client().post("/replica/sync/two"))
        for _ in range(resources_replica.WAITING_MAX)
    ]
    for thread in threads:
        thread.start()
        assert waiting.acquire(timeout=20)
    response = harness.app.test_client().post("/replica/sync/two")
    assert (response.status_code, response.get_json()["error"]["code"]) == (429, "too_many_waiting")
    assert "at most 4 requests" in response.get_json()["error"]["message"]
    go_on.set()
    for thread in threads:
        thread.join()
    assert harness.app.test_client().post("/replica/sync/two").status_code == 200


def test_a_commit_runs_on_request(harness: Harness) -> None:
    client = harness.app.test_client()
    assert client.post("/replica/commit").get_json() == {"committed": 3}
    assert harness.peers.new_writes == 1
    harness.store.is_primary = False
    response = client.post("/replica/commit")
    assert (response.status_code, response.get_json()["error"]["code"]) == (409, "not_primary")
    assert harness.peers.new_writes == 1


def test_the_pace_is_changed_on_request(harness: Harness) -> None:
    client = harness.app.test_client()
    assert client.put("/replica/pace", json={"pace": "manual"}).get_json() == {"pace": "manual"}
    assert (harness.peers.pace, harness.store.caught_up) == ("manual", 0)
    assert client.put("/replica/pace", json={"pace": "auto"}).get_json() == {"pace": "auto"}
    assert (harness.peers.pace, harness.store.caught_up) == ("auto", 1)
    assert client.put("/replica/pace", json={"pace": "slow"}).status_code == 400


def test_peers_are_notified_of_logged_writes_only(harness: Harness) -> None:
    client, headers = harness.app.test_client(), {"Bayou-User": "vish"}
    assert client.post("/notes", json={}, headers=headers).get_json() == {"id": "0000000000000001@one~aaaaaa"}
    assert harness.peers.new_writes == 1
    harness.store.outcome = "rejected no_alternative"
    assert client.post("/notes", json={}, headers=headers).get_json() == {"id": None}
    assert harness.peers.new_writes == 1
