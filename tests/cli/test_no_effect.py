"""What a user sees when an acknowledged request has lost its effect in a replay."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.client_at import DAY, ClientAt
from tests.support.live import command, link, live, wait_until_equal
from tests.support.waiting import BOUND_S, wait_until

pytestmark = pytest.mark.process


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Processes]:
    """Two replicas that are cut off from each other. The replica `one` is the primary."""
    with live(tmp_path / "c", ("one", "two")) as processes:
        link(processes, "one", "two", up=False)
        yield processes


@pytest.fixture
def client(
    replicas: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> ClientAt:
    return ClientAt(replicas, tmp_path, capsys, monkeypatch)


def lines_of(watch: Any, count: int) -> list[str]:
    return [watch.stdout.readline() for _ in range(count)]


def test_one_request_id_at_two_replicas_for_two_rooms(replicas: Processes, client: ClientAt, tmp_path: Path) -> None:
    client.reserve("one", "6.12", 9, "x")
    words = ("client.py", "vish", "--replica", "two", "--config", str(replicas.configuration), "watch")
    with command(*words, environment={"XDG_STATE_HOME": str(tmp_path / "w"), "NO_COLOR": "1"}) as watch:
        bound = threading.Timer(BOUND_S, watch.kill)
        bound.start()
        lines_of(watch, 1)
        client.reserve("two", "6.13", 9, "x")
        link(replicas, "one", "two", up=True)
        wait_until_equal(replicas)
        why = "vish’s reservation of 6.13, vish/x, had no effect: an earlier request with the same id had"
        shown = [line for line in lines_of(watch, 5) if why in line]
        assert [line.split()[1:4] for line in shown] == [["✗", "no", "effect"], ["✗", "committed", "x"]]
        watch.kill()
        bound.cancel()
    listed = client("two", "conflicts")
    assert "vish/x" in listed
    assert "6.13 Mon 2030-06-03 09:00–10:00 → 6.12 Mon 2030-06-03 09:00–10:00" in listed
    assert why in listed
    assert why in client("two", "status")
    assert client("two", "status", "x").startswith("✓ committed  6.12")
    assert json.loads(client("two", "status", "--json"))["without_effect"][0]["wanted"]["room"] == "6.13"


def test_a_move_of_what_was_cancelled_elsewhere(replicas: Processes, client: ClientAt) -> None:
    link(replicas, "one", "two", up=True)
    client.reserve("one", "6.12", 9, "x")
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    client("one", "cancel", "x")
    assert "14:00" in client("two", "move", "x", "--at", f"{DAY}T14:00")
    link(replicas, "one", "two", up=True)
    why = "vish’s move of vish/x had no effect: the reservation had been cancelled meanwhile."
    wait_until(lambda: why in client("two", "status"))
    assert why in client("one", "conflicts")


def test_a_cancel_of_what_was_cancelled_elsewhere_has_its_effect(replicas: Processes, client: ClientAt) -> None:
    link(replicas, "one", "two", up=True)
    client.reserve("one", "6.12", 9, "x")
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    client("one", "cancel", "x")
    client("two", "cancel", "x")
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert "no effect" not in client("two", "status")
    assert "no conflicts" in client("two", "conflicts")


def test_two_moves_with_one_request_id(replicas: Processes, client: ClientAt) -> None:
    link(replicas, "one", "two", up=True)
    client.reserve("one", "6.12", 9, "x")
    client.reserve("one", "6.12", 10, "y")
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    for hour, at in ((13, "one"), (15, "two")):
        client(at, "move", "x", "--at", f"{DAY}T{hour}:00", "--request", "m")
        client(at, "move", "y", "--at", f"{DAY}T17:00", "--request", "n")
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert "vish’s move of vish/x had no effect: an earlier request with the same id" in client("two", "status")
    assert "vish/y" not in client("two", "status"), "the same request at two replicas is one request"
