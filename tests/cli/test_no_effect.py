"""What a user sees of an acknowledged request that a replay has turned into one without effect."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from cluster.processes import Processes
from tests.support.live import command, link, live, wait_until_equal
from tests.support.waiting import BOUND_S, wait_until

pytestmark = pytest.mark.process

DAY = "2030-06-03"


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Processes]:
    """Two replicas that are cut off from each other. `one` is the primary."""
    with live(tmp_path / "c", ("one", "two")) as processes:
        link(processes, "one", "two", up=False)
        yield processes


class Client:
    """Runs `client.py vish …` in this process. At each replica the user has a client session of its own."""

    def __init__(self, replicas: Processes, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._configuration = str(replicas.configuration)
        self._folder = folder
        self._capsys = capsys

    def __call__(self, *words: str, at: str = "two") -> str:
        os.environ["XDG_STATE_HOME"] = str(self._folder / at)
        main(["vish", *words, "--config", self._configuration, "--replica", at])
        out, err = self._capsys.readouterr()
        assert err == ""
        return out

    def reserve(self, room: str, hour: int, request: str, at: str) -> None:
        self("reserve", "--room", room, "--at", f"{DAY}T{hour:02}:00", "--for", "1h", "--request", request, at=at)


@pytest.fixture
def client(
    replicas: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Client:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # and restored at the end
    monkeypatch.delenv("BAYOU_REPLICA", raising=False)
    return Client(replicas, tmp_path, capsys)


def lines_of(watch: Any, count: int) -> list[str]:
    return [watch.stdout.readline() for _ in range(count)]


def test_one_request_id_at_two_replicas_for_two_rooms(replicas: Processes, client: Client, tmp_path: Path) -> None:
    client.reserve("6.12", 9, "x", at="one")
    words = ("client.py", "vish", "--replica", "two", "--config", str(replicas.configuration), "watch")
    with command(*words, environment={"XDG_STATE_HOME": str(tmp_path / "w"), "NO_COLOR": "1"}) as watch:
        bound = threading.Timer(BOUND_S, watch.kill)
        bound.start()
        lines_of(watch, 1)
        client.reserve("6.13", 9, "x", at="two")
        link(replicas, "one", "two", up=True)
        wait_until_equal(replicas)
        why = "vish’s reservation of 6.13, vish/x, had no effect: a request with the same id was taken before"
        shown = [line for line in lines_of(watch, 5) if why in line]
        assert [line.split()[1:4] for line in shown] == [["✗", "no", "effect"], ["✗", "committed", "x"]]
        watch.kill()
        bound.cancel()
    listed = client("conflicts")
    assert "vish/x" in listed
    assert "6.13 Mon 2030-06-03 09:00–10:00 → 6.12 Mon 2030-06-03 09:00–10:00" in listed
    assert why in listed
    assert why in client("status")
    assert client("status", "x").startswith("✓ committed  6.12")
    assert json.loads(client("status", "--json"))["without_effect"][0]["wanted"]["room"] == "6.13"


def test_a_move_of_what_was_cancelled_elsewhere(replicas: Processes, client: Client) -> None:
    link(replicas, "one", "two", up=True)
    client.reserve("6.12", 9, "x", at="one")
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    client("cancel", "x", at="one")
    assert "14:00" in client("move", "x", "--at", f"{DAY}T14:00")
    link(replicas, "one", "two", up=True)
    why = "vish’s move of vish/x had no effect: it had been cancelled meanwhile."
    wait_until(lambda: why in client("status"))
    assert why in client("conflicts", at="one")


def test_a_cancel_of_what_was_cancelled_elsewhere_has_its_effect(replicas: Processes, client: Client) -> None:
    link(replicas, "one", "two", up=True)
    client.reserve("6.12", 9, "x", at="one")
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    client("cancel", "x", at="one")
    client("cancel", "x", at="two")
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert "no effect" not in client("status")
    assert "no conflicts" in client("conflicts")


def test_two_moves_with_one_request_id(replicas: Processes, client: Client) -> None:
    link(replicas, "one", "two", up=True)
    client.reserve("6.12", 9, "x", at="one")
    client.reserve("6.12", 10, "y", at="one")
    wait_until_equal(replicas)
    link(replicas, "one", "two", up=False)
    for hour, at in ((13, "one"), (15, "two")):
        client("move", "x", "--at", f"{DAY}T{hour}:00", "--request", "m", at=at)
        client("move", "y", "--at", f"{DAY}T17:00", "--request", "n", at=at)
    link(replicas, "one", "two", up=True)
    wait_until_equal(replicas)
    assert "vish’s move of vish/x had no effect: a request with the same id" in client("status")
    assert "vish/y" not in client("status"), "the same request at two replicas is one request"
