"""Policies: which peers a replica has, which peers the replica calls, and which commits the replica drops from its log
automatically."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from bayou.state import State
from replica.anti_entropy.partner_policy import choose_partners
from replica.anti_entropy.peer_addresses import peer_addresses
from replica.config import LogSettings, parse
from replica.log_truncation import LogTruncation
from storage.members import Member
from storage.store import Store
from tests.support.replica_harness import FakeStore

PEERS = ["two", "three", "four"]
SETTINGS = parse(
    "cluster: c\nprimary: one\nreplicas:\n"
    + "".join(
        f"  {label}: {{rest: h:{at}, anti_entropy: h:{at + 10}}}\n" for at, label in enumerate(["one", "two"], 1)
    ),
    Path("config.yaml"),
)


@pytest.mark.parametrize(
    ("policy", "primary", "chosen"),
    [
        ("all", "two", PEERS),
        ("random", "two", ["four"]),
        ("primary_first", "three", ["three"]),
        ("primary_first", "one", ["four"]),
        ("primary_first", None, ["four"]),
        (("three", "one"), "two", ["three"]),
        (("five",), "two", []),
    ],
)
def test_which_peers_a_policy_chooses(policy: str | tuple[str, ...], primary: str | None, chosen: list[str]) -> None:
    assert choose_partners(policy, PEERS, primary, lambda labels: labels[-1]) == chosen
    assert choose_partners(policy, [], primary) == []


def state(**members: Any) -> State:
    given: dict[str, Any] = {name: getattr(FakeStore().state(), name) for name in State.__slots__}
    return State(**{**given, "server": "one~aaaaaa", "vector": {}, **members})


@pytest.mark.parametrize(
    ("members", "met", "there"),
    [
        ({}, {}, True),
        ({"retired_servers": ("two~aaaaaa",)}, {}, False),
        ({"retired_servers": ("two~aaaaaa",)}, {"two": "two~bbbbbb"}, True),
        ({"retired_servers": ("two~aaaaaa",), "vector": {"two~bbbbbb": 5}}, {}, True),
        ({"retired_servers": ("two~aaaaaa", "two~bbbbbb")}, {"two": "two~bbbbbb"}, False),
        ({"retired_servers": ("three~aaaaaa",)}, {}, True),
    ],
)
def test_a_founder_is_gone_once_its_last_id_has_retired(
    members: dict[str, Any], met: dict[str, str], there: bool
) -> None:
    assert ("two" in peer_addresses(SETTINGS, "one", state(**members), (), met, ())) is there


def test_created_servers_are_peers_of_the_others() -> None:
    created = [Member(f"{at}:one~aaaaaa", label, "h:8", f"h:{at}", "r") for at, label in ((21, "four"), (22, "five"))]
    found = peer_addresses(SETTINGS, "four", state(), created, {}, ())
    assert {label: str(address) for label, address in found.items()} == {"one": "h:11", "two": "h:12", "five": "h:22"}


def test_a_forgotten_server_is_no_peer_unless_it_is_the_primary() -> None:
    created = [Member("21:one~aaaaaa", "four", "h:8", "h:21", "r")]
    for primary, there in (("one~aaaaaa", set()), ("21:one~aaaaaa", {"four"})):
        found = peer_addresses(SETTINGS, "one", state(primary=primary), created, {}, {"two", "four"})
        assert set(found) == there


def test_the_log_is_truncated_beyond_both_bounds() -> None:
    store, now = FakeStore(), datetime(1970, 1, 3, tzinfo=UTC)
    assert (
        LogTruncation(LogSettings(keep_committed=5, keep_for_days=1), cast(Store, store), lambda: now).truncate() == 5
    )
    assert store.truncated == [(5, 86_400_000_000)]
    assert LogTruncation(LogSettings(), cast(Store, store), lambda: now).truncate() == 0
    assert len(store.truncated) == 1
