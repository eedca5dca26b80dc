"""The policies of the configuration in real replicas: when sessions start, and which replica commits when."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.joined import ask, reserve
from tests.support.live import command, live
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

OFF = {"interval_s": 0, "after_write": False}


def addresses(processes: Processes) -> list[str]:
    return [str(processes.settings.replica(label).rest) for label in processes.labels]


def state(address: str, request: str) -> str | None:
    found: dict[str, Any] = ask(address, "GET", f"/reservations/vish/{request}").json()
    return found.get("state")


def last_session(address: str) -> Any:
    """Return the last session of a replica with its first peer, or None before the first session."""
    return ask(address, "GET", "/replica").json()["peers"][0]["last_session"]


def met(address: str) -> bool:
    session = last_session(address)
    return session is not None and session["error"] is None


def test_commits_and_sessions_on_request_only(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=OFF, commit="manual") as processes:
        one, two = addresses(processes)
        assert [reserve(one, "r1", 9).json()["state"], reserve(two, "r2", 9).json()["state"]] == ["tentative"] * 2
        assert last_session(one) is last_session(two) is None
        synced = ask(two, "POST", "/replica/sync/one").json()
        assert (synced["sent"], synced["received"]) == (1, 1)
        assert [state(one, "r1"), state(one, "r2")] == ["tentative", "rejected"]
        assert ask(two, "POST", "/replica/commit").json()["error"]["code"] == "not_primary"
        typed = command("client.py", "vish", "--config", processes.configuration, "--replica", "one", "commit")
        assert typed.communicate(timeout=60)[0].startswith("✓ 2 committed")
        assert [state(one, "r1"), state(two, "r1")] == ["committed", "tentative"]
        ask(two, "POST", "/replica/sync/one")
        assert state(two, "r1") == "committed"


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param({"interval_s": 0.2, "jitter": 0.5, "after_write": False}, id="interval"),
        pytest.param({"interval_s": 0, "after_write": True, "debounce_ms": 2000}, id="debounce"),
    ],
)
def test_sessions_start_by_themselves(tmp_path: Path, policy: dict[str, Any]) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=policy) as processes:
        one, two = addresses(processes)
        wait_until(lambda: all(met(address) for address in (one, two)))  # the first sessions have run
        for hour in range(9, 15):
            assert reserve(two, f"r{hour}", hour).json()["state"] == "tentative"
        wait_until(lambda: state(two, "r14") == "committed")
        if policy["after_write"]:
            # One or two sessions carry all six writes. So one of them carries at least three.
            wait_until(lambda: re.search("session with one: sent [3-6]", processes.output("two")))


def test_a_requested_session_succeeds_as_soon_as_the_peer_is_up(tmp_path: Path) -> None:
    with live(tmp_path, ("one", "two"), anti_entropy=OFF) as processes:
        one, _ = addresses(processes)
        for _ in range(2):
            processes.stop("two")
            for _ in range(5):  # each failed call lengthens the pause before gRPC connects again
                refused = ask(one, "POST", "/replica/sync/two")
                assert refused.status_code == 503, refused.text
            processes.start("two")
            processes.wait_until_serving("two")
            answer = ask(one, "POST", "/replica/sync/two")
            assert answer.status_code == 200, answer.text
