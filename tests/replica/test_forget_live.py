"""A lost replica is forgotten. The other replicas keep all writes of the lost replica that they hold, and the lost
replica may still come back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Processes
from tests.support.client_at import ClientAt
from tests.support.joined import ask, joined
from tests.support.live import LABELS, link, live, wait_until_equal
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

LIVELY = {"interval_s": 0.3, "debounce_ms": 1}


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Processes]:
    with live(tmp_path / "c", LABELS, anti_entropy=LIVELY) as processes:
        yield processes


@pytest.fixture
def client(
    replicas: Processes, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> ClientAt:
    return ClientAt(replicas, tmp_path, capsys, monkeypatch)


def state(replicas: Processes, label: str) -> Any:
    return replicas.rest(label).get("/replica")


def member(replicas: Processes, at: str, label: str) -> tuple[bool, bool]:
    """Ask the replica `at` about the replica `label`. Return (is retired, is forgotten)."""
    (found,) = [one for one in state(replicas, at)["members"] if one["label"] == label]
    return found["retired"], found["forgotten"]


def peers(replicas: Processes, at: str) -> list[str]:
    return [peer["label"] for peer in state(replicas, at)["peers"]]


def test_what_others_hold_is_kept_and_the_replica_may_come_back(replicas: Processes, client: ClientAt) -> None:
    wait_until(lambda: all(state(replicas, label)["primary"]["label"] == "one" for label in LABELS))
    for pair in (("one", "two"), ("one", "three")):
        link(replicas, *pair, up=False)
    client.reserve("three", "6.12", 9, "held")
    wait_until(lambda: "vish/held" in client("two", "conflicts") or "held" in client("two", "status"))
    link(replicas, "two", "three", up=False)
    client.reserve("three", "6.12", 11, "alone")
    replicas.kill("three")
    link_up = replicas.rest("two").put("/replica/links/three", {"up": True})
    assert link_up["up"]
    former = replicas.rest("two").get("/replica")["vectors"]["V"]

    wait_until(lambda: "three, which does not answer" in client("two", "admin", "waiting"))
    refused = client("two", "admin", "forget", "three")
    assert "This replica holds no write that three accepted after " in refused
    assert "[not_confirmed]" in refused
    assert "three is forgotten; its writes on other replicas are kept" in client(
        "two", "admin", "forget", "three", "--yes"
    )
    assert "[forgotten]" in client("two", "admin", "forget", "three", "--yes")
    assert member(replicas, "two", "three") == (True, True)
    assert peers(replicas, "two") == ["one"]
    shown = {line.split()[0]: line for line in client("two", "links").splitlines()}
    assert shown["three"].split()[3] == "forgotten"
    listed = client("two", "replicas").splitlines()
    assert next(line for line in listed if line.split()[0] == "three").split()[-1] == "forgotten"

    # The write of three waits for the primary. The advice in the list of waiting writes helps.
    waiting = client("two", "admin", "waiting")
    assert "reserve 6.12 Mon 2030-06-03 09:00–10:00  three, which was forgotten  two" in waiting
    assert "To commit the writes, heal the link: `link heal one`." in waiting
    client("two", "link", "heal", "one")
    client("one", "link", "heal", "two")
    wait_until(lambda: "✓" in client("one", "status", "held"))
    wait_until(lambda: "No tentative write has waited for long" in client("two", "admin", "waiting"))
    wait_until(lambda: member(replicas, "one", "three") == (True, True))
    assert set(former) <= set(state(replicas, "one")["vectors"]["V"]), "the vectors keep its entries"

    # Three was not lost. It says so, and the writes that it has accepted are kept.
    replicas.rest("one").put("/replica/links/three", {"up": True})
    replicas.start("three")
    wait_until(lambda: client("three", "link", "heal", "one", "two").count(": up") == 2)
    wait_until(lambda: "The cluster had forgotten this replica (`admin forget`)." in replicas.output("three"))
    wait_until(lambda: "three, which was forgotten, is back" in replicas.output("one"))
    wait_until(lambda: "✓" in client("one", "status", "alone"))
    wait_until(lambda: "three" in peers(replicas, "one") and "three" in peers(replicas, "two"))
    assert state(replicas, "three")["id"] in former
    client.reserve("three", "6.12", 13, "later")
    wait_until(lambda: "✓" in client("one", "status", "later"))
    wait_until_equal(replicas)
    assert member(replicas, "one", "three") == member(replicas, "three", "three") == (False, False)
    replicas.kill("three")  # and it can be forgotten again
    wait_until(lambda: "is forgotten" in client("one", "admin", "forget", "three", "--yes"))
    assert member(replicas, "one", "three") == (True, True)


def test_refusals_to_forget_a_replica_and_their_cures(replicas: Processes, client: ClientAt) -> None:
    client.reserve("one", "6.12", 9, "r")
    wait_until_equal(replicas)
    assert "To let one leave the cluster, run `admin retire`. [own_label]" in client(
        "one", "admin", "forget", "one", "--yes"
    )
    assert "[peer_unknown]" in client("one", "admin", "forget", "nine", "--yes")
    answers = client("one", "admin", "forget", "three", "--yes")
    assert "run `admin retire --replica three`. [peer_answers]" in answers
    wait_until(lambda: "has retired" in client("three", "admin", "retire"))

    replicas.kill("one")
    primary = client("two", "admin", "forget", "one", "--yes")
    assert "First make a replica that still runs the primary: admin promote --force." in primary
    assert "[is_primary]" in primary
    assert "two is the primary now" in client("two", "admin", "promote", "--force")
    assert "one is forgotten" in client("two", "admin", "forget", "one", "--yes")
    assert member(replicas, "two", "one") == (True, True)
    client.reserve("two", "6.12", 10, "r2")
    assert "✓" in client("two", "status", "r2")

    # The old primary comes back: its epoch is over.
    replicas.start("one")
    wait_until(lambda: "one" in peers(replicas, "two"))
    wait_until_equal(replicas, "one", "two")
    client.reserve("one", "6.12", 11, "r3")
    wait_until(lambda: "✓" in client("two", "status", "r3"))


def test_a_server_that_joined_is_forgotten_and_comes_back(replicas: Processes, client: ClientAt) -> None:
    with joined(replicas, "four") as four:
        four.start("--join", "two")
        server = ask(four.identity["rest"], "GET", "/replica").json()["id"]
        wait_until(lambda: "four" in peers(replicas, "one") and "four" in peers(replicas, "two"))
        assert four.process is not None
        four.process.kill()
        four.wait()
        wait_until(lambda: "four is forgotten" in client("one", "admin", "forget", server, "--yes"))
        wait_until(lambda: all("four" not in peers(replicas, label) for label in LABELS))
        assert member(replicas, "three", "four") == (True, True)
        four.start()
        wait_until(lambda: all("four" in peers(replicas, label) for label in LABELS))
        assert ask(four.identity["rest"], "GET", "/replica").json()["id"] == server
        assert member(replicas, "three", "four") == (False, False)


def test_without_a_primary_the_list_says_how_to_get_one(replicas: Processes, client: ClientAt) -> None:
    client.reserve("one", "6.12", 9, "r")
    wait_until_equal(replicas)
    replicas.kill("one")
    wait_until(lambda: any(p["reachable"] is False for p in state(replicas, "two")["peers"]))
    client.reserve("two", "6.12", 10, "mine")
    client.reserve("three", "6.12", 11, "theirs")
    wait_until_equal(replicas, "two", "three")
    replicas.kill("three")
    wait_until(lambda: "theirs" in client("two", "admin", "waiting"))
    waiting = client("two", "admin", "waiting")
    assert "mine" not in waiting, "it has not waited for long, and its replica is here"
    assert "If one will never answer again, make another replica the primary: `admin promote --force`." in waiting
    client("two", "admin", "promote", "--force")
    assert "No tentative write has waited" in client("two", "admin", "waiting")
    assert "✓" in client("two", "status", "theirs")
