"""Notes on committed pages. An application adds a note when a write is committed, and cannot read notes.

All replicas have the same notes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bayou.application import PageViews
from tests.support.engine_harness import Cluster, Replica, meet
from tests.support.toy import draft, only

NOTES_MAX = 100


def views(replica: Replica, page: str = "p") -> PageViews:
    return replica.read([page]).pages[page]


def test_a_commit_has_a_note_and_a_tentative_write_has_none() -> None:
    primary, other, _ = Cluster()
    other.note("a", "p")
    assert views(other).notes == {}
    meet(other, primary)
    assert views(other).notes == views(primary).notes == {1: "a updated"}
    assert list(views(other).tentative) == list(views(other).committed) == ["notes"]
    other.note("b", "p")
    assert views(other).notes == {1: "a updated"}
    assert list(views(other).tentative) == ["notes"]


def test_a_note_causes_no_replay_and_no_application_sees_it() -> None:
    primary, other, _ = Cluster()
    primary.note("a", "p")
    meet(other, primary)
    other.note("b", "p")
    other.put(draft("list_fields", "c", ["p"]))
    assert other.outcomes()["c"] == "updated notes false"
    before = views(other)
    for end in meet(other, primary).ends:
        assert (end.report.rolled_back, end.report.replayed) == (0, 0)
    assert views(other).notes == {1: "a updated", 2: "b updated", 3: "c updated notes false"}
    assert dict(views(other).committed) == dict(before.tentative)


@pytest.mark.parametrize("field", ["#1", "#", "#x"])
def test_an_application_cannot_set_a_note_as_a_field(field: str) -> None:
    (primary,) = Cluster(1)
    assert primary.put(draft("set", "a", ["p"], fields=[["f", "g"], [field, "forged"]])).outcome == "failed"
    assert primary.page("p") == ({}, {})


@pytest.mark.parametrize(
    "notes", [7, "text", [7], ["p"], ["p", "x", "p"], ["p", 7], [7, "x"], ["p", ["x"]], [None, "x"], [["p", "x"]]]
)
def test_an_invalid_note_is_ignored(notes: Any) -> None:
    (primary,) = Cluster(1)
    assert primary.put(draft("note", "a", ["p"], notes=notes)).committed
    assert views(primary).notes == views(primary, "q").notes == {}


def test_the_newest_notes_are_kept_however_commits_arrive() -> None:
    primary, one, other = Cluster()
    count = NOTES_MAX + 7
    for number in range(count):
        primary.note(f"r{number}", "p")
    everything = primary.items()
    for first in range(0, count, 9):
        state = one.state()
        part = only(everything, *range(first, min(first + 9, count)))
        assert one.receive(replace(part, after_csn=state.csn, after_id=state.last), "").status == "taken"
    meet(other, primary)
    kept = views(primary).notes
    assert sorted(kept) == list(range(8, count + 1))
    assert views(one).notes == views(other).notes == kept
    assert one.digest().committed == other.digest().committed == primary.digest().committed


def test_a_full_state_replaces_the_notes_of_revoked_commits() -> None:
    primary, other, third = Cluster()
    primary.note("a", "p")
    meet(other, primary)
    meet(third, primary)
    primary.note("revoked", "p")
    assert views(primary).notes == {1: "a updated", 2: "revoked updated"}
    other.force(f"{other.label}~bbbbbb", other.clock.tick())
    other.note("won", "p")
    other.truncate(0)
    meet(third, other)
    assert third.log(None, 10) == []
    assert views(third).notes == views(other).notes == {1: "a updated", 3: "won updated"}
    meet(primary, other)
    assert views(primary).notes == {1: "a updated", 3: "won updated", 4: "revoked updated"}
    assert primary.digest().committed == other.digest().committed
