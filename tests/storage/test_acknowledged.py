"""`Acknowledged` records the writes and commits that a process has acknowledged. It checks that the namespace still
holds these writes and commits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bayou.state import State
from storage.acknowledged import Acknowledged
from tests.support.engine_harness import Cluster

OWN = "one~aaaaaa"


@pytest.fixture
def state() -> State:
    """Return the state of a namespace with two own writes. One write has stamp 5 and is committed with CSN 3. The other
    write has stamp 7 and is tentative."""
    found = Cluster(1).replicas[0].state()
    return replace(found, server=OWN, vector={OWN: 7, "two~aaaaaa": 9}, committed_vector={OWN: 5}, csn=3)


def test_a_namespace_is_whole_if_it_holds_the_last_acknowledged_write_and_commit(state: State) -> None:
    known = Acknowledged()
    assert known.is_held(state)
    known.note_write(OWN, 5, is_committed=True)
    known.note_write(OWN, 7, is_committed=False)
    known.note_write("one~bbbbbb", 99, is_committed=True)  # under an earlier id
    known.note_csn(3)
    assert known.is_held(state)
    assert not known.is_held(replace(state, vector={OWN: 6}))
    assert not known.is_held(replace(state, committed_vector={OWN: 4}))
    assert not known.is_held(replace(state, csn=2))


def test_a_write_that_was_sent_to_a_peer_counts_as_acknowledged(state: State) -> None:
    known = Acknowledged()
    known.note_server(OWN)
    known.note_sent([f"{stamp:016}@{server}" for stamp, server in ((7, OWN), (8, OWN), (9, "two~aaaaaa"))])
    assert not known.is_held(state)
    assert known.is_held(replace(state, vector={OWN: 8}))


def test_a_retired_server_has_no_entry_of_its_own(state: State) -> None:
    known = Acknowledged()
    known.note_write(OWN, 7, is_committed=True)
    assert known.is_held(replace(state, retired=True, vector={}, committed_vector={}))


def test_revoked_commits_are_forgotten(state: State) -> None:
    known = Acknowledged()
    known.note_csn(9)
    known.note_write(OWN, 7, is_committed=True)
    known.forget_commits()
    assert known.is_held(state)
