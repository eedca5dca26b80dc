"""Whom a replica calls, who its peers are, and what it drops from its log by itself: pure, or with nothing but a
clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bayou.state import State
from replica.anti_entropy.partner_policy import partners
from replica.anti_entropy.peer_addresses import roster
from replica.config import LogSettings, parse
from replica.log_truncation import Truncating
from storage.members import Member
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
def test_with_whom(policy: str | tuple[str, ...], primary: str | None, chosen: list[str]) -> None:
    assert partners(policy, PEERS, primary, lambda labels: labels[-1]) == chosen
    assert partners(policy, [], primary) == []


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
    assert ("two" in roster(SETTINGS, "one", state(**members), (), met)) is there


def test_created_servers_are_peers_but_for_itself() -> None:
    created = [Member(f"{at}:one~aaaaaa", label, "h:8", f"h:{at}", "r") for at, label in ((21, "four"), (22, "five"))]
    found = roster(SETTINGS, "four", state(), created, {})
    assert {label: str(address) for label, address in found.items()} == {"one": "h:11", "two": "h:12", "five": "h:22"}


def test_the_log_is_truncated_beyond_both_bounds() -> None:
    store, now = FakeStore(), datetime(1970, 1, 3, tzinfo=UTC)
    assert Truncating(LogSettings(keep_committed=5, keep_for_days=1), store, lambda: now).once() == 5
    assert store.truncated == [(5, 86_400_000_000)]
    assert Truncating(LogSettings(), store, lambda: now).once() == 0
    assert len(store.truncated) == 1
