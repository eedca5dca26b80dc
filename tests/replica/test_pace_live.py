"""Manual pace: a replica runs a session or commits writes only when somebody asks for this."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.live import live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Processes]:
    with live(tmp_path, anti_entropy={"interval_s": 0.2}) as processes:
        wait_until(lambda: all(_replica(processes, label)["primary"]["label"] for label in processes.labels))
        yield processes


def _replica(processes: Processes, label: str) -> Any:
    return processes.rest(label).get("/replica")


def _set_pace(processes: Processes, pace: str, *labels: str) -> None:
    for label in labels or processes.labels:
        assert processes.rest(label).put("/replica/pace", {"pace": pace}) == {"pace": pace}


def _reserve(processes: Processes, label: str, hour: int) -> str:
    slot = {"start": f"2027-12-01T{hour:02}:00Z", "end": f"2027-12-01T{hour + 1:02}:00Z"}
    body = {"room": "6.12", "slots": [slot], "request": f"r{hour}"}
    return str(processes.rest(label).post("/reservations", body, user="vish")["id"])


def _held(processes: Processes, label: str) -> dict[str, str]:
    """Return the state of each write that the replica holds, by request id."""
    return {one["request"]: one["state"] for one in processes.rest(label).get("/replica/log")["writes"]}


def _last_session(processes: Processes, label: str, peer: str) -> Any:
    peers = {one["label"]: one for one in _replica(processes, label)["peers"]}
    return peers[peer]["last_session"]


def _sync(processes: Processes, label: str, peer: str) -> tuple[int, int]:
    report = processes.rest(label).post(f"/replica/sync/{peer}")
    return report["sent"], report["received"]


def test_a_class_goes_step_by_step(replicas: Processes) -> None:
    _set_pace(replicas, "manual")
    assert {_replica(replicas, label)["pace"] for label in replicas.labels} == {"manual"}
    _reserve(replicas, "one", 9)
    _reserve(replicas, "two", 10)
    assert [_held(replicas, label) for label in ("one", "two", "three")] == [
        {"r9": "tentative"},  # even the primary does not commit automatically
        {"r10": "tentative"},
        {},
    ]
    assert _sync(replicas, "two", "one") == (1, 1)
    assert _held(replicas, "one") == _held(replicas, "two") == {"r9": "tentative", "r10": "tentative"}
    assert _held(replicas, "three") == {}
    assert replicas.rest("one").post("/replica/commit") == {"committed": 2}
    assert _held(replicas, "one") == {"r9": "committed", "r10": "committed"}
    assert set(_held(replicas, "two").values()) == {"tentative"}
    assert _sync(replicas, "three", "two") == (0, 2)
    assert set(_held(replicas, "three").values()) == {"tentative"}
    _set_pace(replicas, "auto")
    wait_until_equal(replicas)
    assert _held(replicas, "three") == {"r9": "committed", "r10": "committed"}


def test_a_peer_that_calls_by_itself_is_refused_until_the_pace_is_automatic_again(replicas: Processes) -> None:
    _set_pace(replicas, "manual", "two")
    _reserve(replicas, "two", 9)
    _reserve(replicas, "one", 10)
    wait_until(lambda: "manual pace" in (_last_session(replicas, "one", "two")["error"] or ""))
    wait_until(lambda: "r10" in _held(replicas, "three"))
    assert _held(replicas, "two") == {"r9": "tentative"}
    assert "r9" not in _held(replicas, "one")
    assert _sync(replicas, "one", "two")[1] == 1, "what a person asks for is done, also from the other side"
    assert set(_held(replicas, "two")) == {"r9", "r10"}
    _reserve(replicas, "two", 11)
    _set_pace(replicas, "auto", "two")
    wait_until_equal(replicas)
    assert _held(replicas, "three")["r11"] == "committed"


def test_a_standing_session_that_was_asked_for_ends_when_the_pace_becomes_manual(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy={"interval_s": 0}) as replicas:
        _reserve(replicas, "two", 9)
        _sync(replicas, "two", "one")
        _set_pace(replicas, "manual", "one")
        _reserve(replicas, "two", 10)
        wait_until(lambda: "manual pace" in (_last_session(replicas, "two", "one")["error"] or ""))
        assert set(_held(replicas, "one")) == {"r9"}


def test_the_pace_is_kept_over_a_crash(replicas: Processes) -> None:
    _set_pace(replicas, "manual")
    replicas.kill("one")
    replicas.start("one")
    replicas.wait_until_serving("one")
    assert _replica(replicas, "one")["pace"] == "manual"
    wait_until(lambda: "manual, as before the start" in replicas.output("one"))
    _reserve(replicas, "one", 9)
    assert _held(replicas, "one") == {"r9": "tentative"}
    assert _held(replicas, "two") == {}
    _set_pace(replicas, "auto", "one")
    assert _held(replicas, "one") == {"r9": "committed"}


def test_a_primary_hands_over_on_request(replicas: Processes) -> None:
    _set_pace(replicas, "manual")
    _reserve(replicas, "one", 9)
    assert replicas.rest("two").post("/replica/promote")["primary"]["label"] == "two"
    assert _held(replicas, "two")["r9"] == "committed", "a hand-over commits first"
    _reserve(replicas, "two", 10)
    assert _held(replicas, "two")["r10"] == "tentative", "and then the next primary waits as well"
